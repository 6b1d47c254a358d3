"""Every way of mapping a person, by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actionloop import facts
from actionloop.arrays import Device
from actionloop.errors import OptionError
from actionloop.networks.dice import DiceSettings, map_dice
from actionloop.networks.eta2 import Eta2Settings, map_eta2
from actionloop.networks.hierarchical import HierarchicalSettings, map_hierarchical
from actionloop.networks.infomap import InfomapSettings, map_infomap
from actionloop.networks.iterative import IterativeSettings, map_iterative
from actionloop.networks.ridge import RidgeSettings, map_ridge
from actionloop.types import Anatomy, Basis, BoolArray, NetworkMap, Prior


@dataclass(frozen=True)
class Method:
    """One way of mapping.

    Attributes
    ----------
    name : str
        As given to `--method`.
    run : callable
        Takes what `map_networks` takes, and settings of its own.
    settings : type
        Dataclass of its options; the defaults are those of data/mapping.toml.
    words : str
        What it does, for the methods paragraph; names of settings in braces stand for their values.
    citation : str
        Work that it follows.
    wants_sessions : bool
        It tells what differs between sessions; halves of a single run serve.
    compiled : bool
        It has compiled loops over all cores, of which only one may run at a time.
    """

    name: str
    run: Callable[..., NetworkMap]
    settings: type[Any]
    words: str
    citation: str
    wants_sessions: bool = False
    compiled: bool = False

    def describe(self, settings: Mapping[str, Any]) -> str:
        """Return what it did, with the settings of a map; what they lack is left out."""
        return self.words.format_map(_Known(settings))


class _Known(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "?"


_WANG = "Wang D et al. 2015, Nat Neurosci 18:1853, doi:10.1038/nn.4164"
_HERMOSILLO = "Hermosillo RJM et al. 2024, Nat Neurosci, doi:10.1038/s41593-024-01596-5"
_GORDON = "Gordon EM et al. 2017, Neuron, doi:10.1016/j.neuron.2017.07.011"
_LYNCH = "Lynch CJ et al. 2024, Nature, doi:10.1038/s41586-024-07805-2"
_KONG = "Kong R et al. 2019, Cereb Cortex, doi:10.1093/cercor/bhy123"

METHODS: Mapping[str, Method] = {
    method.name: method
    for method in (
        Method(
            "iterative",
            map_iterative,
            IterativeSettings,
            "Networks were assigned iteratively from a spatial prior [1]: network series are averaged over confident "
            "vertices; each row's Fisher-z correlations with all network series, pooled along the surface over "
            "{pool_fwhm_mm} mm, are scored by a linear discriminant, weighted by the prior, and the series are "
            "averaged anew until the labels settle ({rounds} rounds).",
            _WANG,
        ),
        Method(
            "eta2",
            map_eta2,
            Eta2Settings,
            "Networks were assigned by template matching [1]: each row's connectivity, standardised within the blocks "
            "of left cortex, right cortex and voxels, was compared by eta² with the prior's templates where these "
            "exceed z = {threshold_z}; rows of SCAN and the effectors were compared again where templates exceed "
            "z = {second_threshold_z}; components below {min_rows} rows took the most frequent label around them.",
            _HERMOSILLO,
        ),
        Method(
            "dice",
            map_dice,
            DiceSettings,
            "Networks were assigned by template matching [1]: the strongest {share:.0%} of all correlations, without "
            "pairs within {exclusion_mm} mm, were compared by Dice with the strongest {template_share:.0%} of the "
            "prior's templates.",
            _GORDON,
            compiled=True,
        ),
        Method(
            "ridge",
            map_ridge,
            RidgeSettings,
            "Networks were assigned by ridge regression of each row's connectivity (without cortex within "
            "{exclusion_mm} mm) on the prior's templates (penalty {penalty}); the standardised coefficients and "
            "{prior_weight} times the logarithm of the spatial prior gave probabilities (after the group of [1]).",
            _LYNCH,
            compiled=True,
        ),
        Method(
            "infomap",
            map_infomap,
            InfomapSettings,
            "Communities were found by Infomap [1] in the graph of each row's strongest correlations (density "
            "{density}, no edges within {exclusion_mm} mm, {trials} trials) and named by their connectivity with the "
            "prior's templates times the spatial prior inside them.",
            _LYNCH,
            compiled=True,
        ),
        Method(
            "hierarchical",
            map_hierarchical,
            HierarchicalSettings,
            "Networks were assigned by a hierarchical Bayesian model of connectivity profiles (von Mises-Fisher, with "
            "variability between people and between sessions, spatial prior and smoothness) [1], fitted to this person "
            "by variational inference; group parameters from {group}.",
            _KONG,
            wants_sessions=True,
        ),
    )
}
DEFAULT_METHOD = str(facts.load("mapping")["method"])


def map_networks(
    basis: Basis,
    prior: Prior,
    anatomy: Anatomy | None,
    *,
    method: str = DEFAULT_METHOD,
    settings: Any = None,
    exclude: BoolArray | None = None,
    device: Device | None = None,
    sessions: Sequence[Basis] | None = None,
) -> NetworkMap:
    """Map one person's networks by any method.

    Parameters
    ----------
    basis : Basis
        The person's fingerprints, from `signal.compress`.
    prior : Prior
        On the same rows.
    anatomy : Anatomy or None
        Surfaces in mm; None leaves out every step along them.
    method : str
        One of `METHODS`.
    settings : object, optional
        An instance of the method's settings.
    exclude : (grayordinate,) bool ndarray, optional
        Rows to leave out, e.g. a lesion.
    device : Device, optional
    sessions : sequence of Basis, optional
        Sessions or halves, for a method that wants them (`Method.wants_sessions`); the others take no notice.

    Returns
    -------
    NetworkMap

    Raises
    ------
    OptionError
        No such method.
    PriorError, SignalError
        Prior and series do not fit each other, or the method cannot use them.
    """
    found = find_method(method)
    more = {"sessions": sessions} if found.wants_sessions else {}
    return found.run(basis, prior, anatomy, settings=settings, exclude=exclude, device=device, **more)


def find_method(name: str) -> Method:
    """Return a method by its name.

    Raises
    ------
    OptionError
        No such method.
    """
    if name not in METHODS:
        raise OptionError(f"there is no method {name!r}", fix=f"choose one of {', '.join(METHODS)}")
    return METHODS[name]
