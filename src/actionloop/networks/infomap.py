"""Mapping by communities: groups of rows found in the person's own graph, named after the networks of the prior."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import ceil
from typing import Any, Literal

import numpy as np

from actionloop import facts
from actionloop.arrays import Device
from actionloop.brain import Nearby
from actionloop.errors import OptionError
from actionloop.networks import communities
from actionloop.networks.graph import Partners, strongest_partners
from actionloop.networks.partition import find_program, partition
from actionloop.networks.task import Task, conclude, prepare
from actionloop.types import Anatomy, Basis, BoolArray, FloatArray, IntArray, NetworkMap, Prior

_DEFAULTS: dict[str, Any] = facts.load("mapping")["infomap"]


@dataclass(frozen=True)
class InfomapSettings:
    """Options of mapping by communities; defaults from data/mapping.toml.

    Attributes
    ----------
    choice : {'density', 'consensus'}
        One density, as published, or the mean over all `densities`.
    density : float
        The one chosen: the share of rows with which each row is joined.
    densities : tuple of float
        For the consensus. Memory and time grow with the largest.
    exclusion_mm : float
        Edges no longer than this are left out (along the surface; straight between hemispheres and to voxels). 0 keeps
        all.
    trials : int
        Of the Infomap program, of which the best counts.
    seed : int
    min_rows : int
        Smaller communities are dropped.
    min_piece_mm2 : float
        Smaller pieces of communities are dropped.
    reach_mm : float
        Cortical rows left without a community take that of the nearest row within this distance.
    """

    choice: Literal["density", "consensus"] = _DEFAULTS["choice"]
    density: float = _DEFAULTS["density"]
    densities: tuple[float, ...] = tuple(_DEFAULTS["densities"])
    exclusion_mm: float = _DEFAULTS["exclusion_mm"]
    trials: int = _DEFAULTS["trials"]
    seed: int = _DEFAULTS["seed"]
    min_rows: int = _DEFAULTS["min_rows"]
    min_piece_mm2: float = _DEFAULTS["min_piece_mm2"]
    reach_mm: float = _DEFAULTS["reach_mm"]

    def __post_init__(self) -> None:
        if self.choice not in ("density", "consensus"):
            raise OptionError(f"there is no choice {self.choice!r}", fix="choose 'density' or 'consensus'")
        if not self.used or not all(0 < density < 1 for density in self.used):
            raise OptionError(f"expected densities between 0 and 1, found {self.used}")
        if self.trials < 1 or self.seed < 1 or self.min_rows < 1:
            raise OptionError("trials, seed and min_rows must be 1 or more")
        if not all(0 <= value < np.inf for value in (self.exclusion_mm, self.min_piece_mm2, self.reach_mm)):
            raise OptionError("exclusion_mm, min_piece_mm2 and reach_mm must be 0 or more")

    @property
    def used(self) -> tuple[float, ...]:
        """Densities at which communities are looked for, ascending."""
        return (self.density,) if self.choice == "density" else tuple(sorted(set(self.densities)))


def map_infomap(
    basis: Basis,
    prior: Prior,
    anatomy: Anatomy | None,
    *,
    settings: InfomapSettings | None = None,
    exclude: BoolArray | None = None,
    device: Device | None = None,
) -> NetworkMap:
    """Find communities in the graph of strongest correlations and label each with the network it fits best.

    Each row is joined with the rows it correlates with most, as many as the density says, by edges as strong as r;
    near pairs, pairs of voxels and r of 0 and below make no edge. The Infomap program divides the graph [2]_. Small
    communities and small pieces are dropped and the gaps filled from the nearest row. A community goes to the network
    with the largest product of two numbers: how its mean cortical connectivity correlates with the network's template,
    and the mean of the spatial prior inside it [1]_.

    Parameters
    ----------
    basis : Basis
    prior : Prior
        On the same rows, with templates (`fingerprint`).
    anatomy : Anatomy or None
        For distances and pieces; None leaves out neither near pairs nor small pieces, and fills no gaps.
    settings : InfomapSettings, optional
    exclude : (grayordinate,) bool ndarray, optional
    device : Device, optional

    Returns
    -------
    NetworkMap
        `probability` holds the positive scores of the row's community, brought to sum 1; of several densities, their
        mean over those where the row has a community. `settings["communities"]` lists the communities with their
        scores (see `communities.describe`).

    Raises
    ------
    PriorError
        Other rows, no templates, empty or constant ones.
    SignalError
        No edges.
    ResourceError
        The Infomap program is missing or fails.

    References
    ----------
    .. [1] Lynch et al. 2024, doi:10.1038/s41586-024-07805-2
    .. [2] Rosvall & Bergstrom 2008, doi:10.1073/pnas.0706851105
    """
    settings = settings or InfomapSettings()
    task = prepare(basis, prior, exclude)
    templates = task.fingerprint("infomap")
    find_program()  # before the long part
    nearby = None
    if anatomy is not None and settings.exclusion_mm > 0:
        nearby = Nearby(basis.grayordinates, anatomy, radius_mm=settings.exclusion_mm)
    n_valid = int(task.valid.sum())
    wanted = [min(ceil(n_valid * density), n_valid - 1) for density in settings.used]
    partners = strongest_partners(basis, max(1, *wanted), valid=task.valid, nearby=nearby, device=device)
    share, present = np.zeros((len(prior.names), len(basis.grayordinates))), np.zeros(len(basis.grayordinates))
    table: list[dict[str, Any]] = []
    for density, n_partners in zip(settings.used, wanted, strict=True):
        community = _find(task, partners, n_partners, anatomy, settings)
        score = communities.score_communities(task, community, templates)
        table += communities.describe(task, community, score, density=density)
        share += _spread(communities.shares(score), community)
        present += community > 0
    share /= np.maximum(present, 1)
    kept = {**asdict(settings), "exclusion_mm": 0.0 if nearby is None else settings.exclusion_mm, "communities": table}
    return conclude(task, share, method="infomap", measure="share of the score", settings=kept)


def _find(
    task: Task, partners: Partners, n_partners: int, anatomy: Anatomy | None, settings: InfomapSettings
) -> IntArray:
    """Communities at one density, numbered from 1; 0 for rows without."""
    axis = task.basis.grayordinates
    community = partition(partners.edges(n_partners), len(axis), trials=settings.trials, seed=settings.seed)
    community = communities.drop_small(community, min_rows=settings.min_rows)
    if anatomy is None:
        return community
    tidied = communities.tidy(
        community,
        axis,
        anatomy,
        valid=task.valid,
        min_piece_mm2=settings.min_piece_mm2,
        reach_mm=settings.reach_mm,
    )
    return communities.drop_small(tidied, min_rows=1)


def _spread(share: FloatArray, community: IntArray) -> FloatArray:
    """Give every row the shares of its community; (network, grayordinate)."""
    return np.vstack([np.zeros((1, share.shape[1])), share])[community].T
