"""How one cortical map overlaps with those of networks, against the map turned over the spheres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from actionloop import facts
from actionloop.errors import EmptyRegionError, GeometryError, OptionError
from actionloop.evidence.adjust import fdr, max_p, null_p
from actionloop.evidence.against import Against, Measure
from actionloop.evidence.spins import Spinner, draw_rotations
from actionloop.types import BoolArray, FloatArray, IntArray

Null = Literal["spin", "variogram"]

_FACTS: dict[str, Any] = facts.load("evidence")["spin"]


@dataclass(frozen=True, eq=False)
class Overlap:
    """One map against several networks.

    Attributes
    ----------
    names : tuple of str
        Networks.
    measure : {'pearson', 'spearman', 'difference'}
        Correlation, of ranks, or mean inside minus mean outside in units of the map.
    null : {'spin', 'variogram'}
    value : (network,) float ndarray
    p, p_positive : (network,) float ndarray
        Two-sided, and for values above 0.
    p_fdr : (network,) float ndarray
        `p` adjusted over the networks (false discovery rate).
    p_max : (network,) float ndarray
        Two-sided, against the largest of all networks in each draw (family-wise error).
    n_common : (network,) int ndarray
        Vertices or voxels known in both; for 'difference' those inside the network.
    drawn : (draw, network) float ndarray
        The null.
    redrawn : int
        Spins that left too few common vertices and were drawn again.

    Raises
    ------
    GeometryError
        Shapes that do not fit.
    """

    names: tuple[str, ...]
    measure: Measure
    null: Null
    value: FloatArray
    p: FloatArray
    p_positive: FloatArray
    p_fdr: FloatArray
    p_max: FloatArray
    n_common: IntArray
    drawn: FloatArray
    redrawn: int = 0

    def __post_init__(self) -> None:
        columns = (self.value, self.p, self.p_positive, self.p_fdr, self.p_max, self.n_common)
        n = len(self.names)
        if any(column.shape != (n,) for column in columns) or self.drawn.shape[1:] != (n,):
            raise GeometryError(f"expected one value, p and null for each of {n} networks")

    def rows(self) -> list[dict[str, Any]]:
        """Return one row of a table for each network, the largest value first."""
        shown = ("value", "p", "p_positive", "p_fdr", "p_max")
        return [
            {"network": self.names[k], "measure": self.measure}
            | {name: float(getattr(self, name)[k]) for name in shown}
            | {"n_common": int(self.n_common[k]), "null": self.null, "draws": len(self.drawn)}
            | {"null_mean": float(self.drawn[:, k].mean()), "null_sd": float(self.drawn[:, k].std())}
            for k in np.argsort(-self.value, kind="stable")
        ]


def correlate(
    map_: FloatArray,
    others: FloatArray,
    spinner: Spinner,
    *,
    names: Sequence[str],
    measure: Literal["pearson", "spearman"] = "pearson",
    n: int | None = None,
    rng: np.random.Generator,
) -> Overlap:
    """Correlate a cortical map with every network's map over both hemispheres, against spins of the map.

    Parameters
    ----------
    map_ : (vertex,) float ndarray
        Left mesh, then right; NaN where not known, as on the medial wall: 0 is a value like any other.
    others : (network, vertex) float ndarray
        Likewise.
    spinner : Spinner
        The registered spheres of this mesh.
    names : sequence of str
        Of the networks.
    measure : {'pearson', 'spearman'}
        'spearman' correlates ranks, given once among the known vertices of each map.
    n : int, optional
        Spins; `spin.n` of data/evidence.toml by default.
    rng : numpy Generator

    Returns
    -------
    Overlap

    Raises
    ------
    InputError
        Infinite values, nothing known, or a map or network that is the same everywhere.
    GeometryError
        Maps of another mesh.
    EmptyRegionError
        Too few vertices known in both, unturned or in most spins.
    OptionError
        No such measure, or no spins.

    References
    ----------
    .. [1] Alexander-Bloch et al. 2018, doi:10.1016/j.neuroimage.2018.05.070
    """
    if measure not in ("pearson", "spearman"):
        raise OptionError(f"{measure!r} is no correlation", fix="choose 'pearson' or 'spearman'")
    return _against_spins(map_, Against(others, names, measure=measure), spinner, n, rng)


def compare_inside(
    map_: FloatArray,
    labels: IntArray,
    spinner: Spinner,
    *,
    cortex: BoolArray,
    networks: dict[str, int],
    n: int | None = None,
    rng: np.random.Generator,
) -> Overlap:
    """Compare a cortical map inside each network with the rest of the cortex, against spins of the map.

    Parameters
    ----------
    map_ : (vertex,) float ndarray
        As in `correlate`.
    labels : (vertex,) int ndarray
        Network of each vertex, left mesh and then right; any other value is cortex outside.
    spinner : Spinner
    cortex : (vertex,) bool ndarray
        False on the medial wall and wherever labels are not known.
    networks : dict of str to int
        Label of each network.
    n, rng
        As in `correlate`.

    Returns
    -------
    Overlap
        Of the measure 'difference'. As the null of small networks is wide, `p_max` compares differences in units of
        each network's own null.

    Raises
    ------
    InputError, GeometryError, EmptyRegionError, OptionError
        As `correlate`.
    """
    key, mask = np.asarray(labels), np.asarray(cortex)
    shape = (spinner.n_vertices,)
    if key.shape != shape or mask.shape != shape or mask.dtype != np.bool_:
        raise GeometryError(
            f"expected labels and a bool mask of cortex on {shape[0]:,} vertices, found {key.shape} and {mask.shape}",
            fix="give both whole meshes, left and then right",
        )
    inside = np.where(mask, key[None] == np.array(list(networks.values()))[:, None], np.nan)
    return _against_spins(map_, Against(inside, list(networks), measure="difference"), spinner, n, rng)


def conclude(
    against: Against, value: FloatArray, common: FloatArray, drawn: FloatArray, *, null: Null, redrawn: int = 0
) -> Overlap:
    """Set what was observed against a null.

    Parameters
    ----------
    against : Against
    value, common : (network,) float ndarray
        Of the map itself.
    drawn : (draw, network) float ndarray
    null : {'spin', 'variogram'}
    redrawn : int

    Returns
    -------
    Overlap
    """
    p = null_p(value, drawn)
    return Overlap(
        names=against.names,
        measure=against.measure,
        null=null,
        value=value,
        p=p,
        p_positive=null_p(value, drawn, side="positive"),
        p_fdr=fdr(p),
        p_max=max_p(value, drawn, balance=against.measure == "difference"),
        n_common=np.rint(common).astype(np.int64),
        drawn=drawn,
        redrawn=redrawn,
    )


def _against_spins(
    map_: FloatArray, against: Against, spinner: Spinner, n: int | None, rng: np.random.Generator
) -> Overlap:
    wanted = int(_FACTS["n"]) if n is None else n
    if wanted < 1:
        raise OptionError(f"cannot make a null of {wanted} spins", fix="give 1 or more; 1,000 are usual")
    if against.n_places != spinner.n_vertices:
        raise GeometryError(
            f"the spheres have {spinner.n_vertices:,} vertices, the maps {against.n_places:,}",
            fix="give spheres and maps of one mesh, the medial wall included",
        )
    scaled = against.scale(map_)
    value, common = against.measured(scaled[None])
    least = float(_FACTS["least_inside" if against.measure == "difference" else "least_common"]) * common[0]
    drawn = np.empty((wanted, len(against.names)))
    have = turned = 0
    while have < wanted:
        if turned >= int(_FACTS["most_draws"]) * wanted:
            raise EmptyRegionError(
                f"only {have} of {turned} spins left enough vertices that both the map and every network know",
                fix="give maps that cover more of the cortex, or leave out networks of a few vertices",
            )
        rotations = draw_rotations(min(int(_FACTS["at_once"]), wanted - have), rng=rng)
        values, counts = against.measured(scaled[spinner.sources(rotations)])
        good = values[(counts >= least).all(axis=1) & np.isfinite(values).all(axis=1)]
        drawn[have : have + len(good)] = good
        have, turned = have + len(good), turned + len(rotations)
    return conclude(against, value[0], common[0], drawn, null="spin", redrawn=turned - wanted)
