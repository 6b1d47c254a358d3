"""What is known of networks: of a group, of one person, of one piece."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from actionloop.errors import PriorError
from actionloop.types.basic import BoolArray, FloatArray, Hemisphere, IntArray
from actionloop.types.geometry import Grayordinates

_SLACK = 1e-3


@dataclass(frozen=True, eq=False)
class GroupParameters:
    """What a group of people says of the networks' connectivity profiles, for the hierarchical model.

    Attributes
    ----------
    names : tuple of str
        Networks.
    mu : (network, seed) float ndarray
        Mean profile of each network: sums to 0, length 1.
    epsilon : (network,) float ndarray
        Concentration of people's mean profiles around `mu` (inter-subject).
    sigma : (network,) float ndarray
        Concentration of sessions' mean profiles around the person's (intra-subject).
    kappa : (network,) float ndarray
        Concentration of rows' profiles around their network's in a session.
    seeds : (seed, 2) int ndarray
        Cortical rows as (hemisphere, vertex); hemisphere 0 left, 1 right.
    n_people : int
        How many people were trained on; 0 where the parameters come from a prior alone.
    source : str

    Raises
    ------
    PriorError
        Shapes that do not fit, values that are not finite, mean profiles that are no directions, concentrations not
        above 0, or seeds that are none.
    """

    names: tuple[str, ...]
    mu: FloatArray
    epsilon: FloatArray
    sigma: FloatArray
    kappa: FloatArray
    seeds: IntArray
    n_people: int = 0
    source: str = ""

    def __post_init__(self) -> None:
        where = self.source or None
        if self.mu.shape != (len(self.names), len(self.seeds)) or self.seeds.shape[1:] != (2,):
            raise PriorError(
                f"expected mean profiles of shape ({len(self.names)}, {len(self.seeds)}) with seeds as (hemisphere, "
                f"vertex), found {self.mu.shape} and {self.seeds.shape}",
                where=where,
            )
        for name, values in (("epsilon", self.epsilon), ("sigma", self.sigma), ("kappa", self.kappa)):
            if values.shape != (len(self.names),) or not (np.isfinite(values) & (values > 0)).all():
                raise PriorError(f"expected {name} above 0 for each of {len(self.names)} networks", where=where)
        if not np.isfinite(self.mu).all():
            raise PriorError("mean profiles hold NaN or infinite values", where=where)
        off = np.abs(np.concatenate([self.mu.sum(axis=1), np.linalg.norm(self.mu, axis=1) - 1]))
        if (off > _SLACK).any():
            raise PriorError("expected mean profiles that sum to 0 and have length 1 over the seeds", where=where)
        sides, vertices = self.seeds[:, 0], self.seeds[:, 1]
        distinct = len(np.unique(self.seeds, axis=0)) == len(self.seeds)
        if not (distinct and np.isin(sides, (0, 1)).all() and (vertices >= 0).all()):
            raise PriorError("expected distinct seeds as (hemisphere 0 or 1, vertex)", where=where)

    @property
    def n_dimensions(self) -> int:
        """Dimensions of the space of profiles, which sum to 0 over the seeds."""
        return len(self.seeds) - 1


@dataclass(frozen=True, eq=False)
class Prior:
    """What is known of the networks before this person was scanned.

    Attributes
    ----------
    names : tuple of str
        Network names, in the order of the network axis; 'SCAN' and 'AMN' among them for targeting.
    keys : (network,) int ndarray
        Label values, above 0.
    colours : (network, 3) float ndarray
        RGB, 0 to 1.
    probability : (network, grayordinate) float32 ndarray
        Spatial probability; columns sum to at most 1.
    grayordinates : Grayordinates
    fingerprint : (network, grayordinate) float32 ndarray or None
        Connectivity of each network with each grayordinate (Pearson r), where known.
    source, terms : str
        Where it came from and under which terms.
    group : GroupParameters or None
        Of the same networks, on the same mesh; where people were trained on.

    Raises
    ------
    PriorError
        Shapes that do not fit, values that are no probabilities, networks without a row, or group parameters of other
        networks or another mesh.
    """

    names: tuple[str, ...]
    keys: IntArray
    colours: FloatArray
    probability: FloatArray
    grayordinates: Grayordinates
    fingerprint: FloatArray | None = None
    source: str = ""
    terms: str = ""
    group: GroupParameters | None = None

    def __post_init__(self) -> None:
        shape = (len(self.names), len(self.grayordinates))
        where = self.source or None
        if self.probability.shape != shape:
            raise PriorError(
                f"expected prior probabilities of shape {shape}, found {self.probability.shape}", where=where
            )
        if self.fingerprint is not None and self.fingerprint.shape != shape:
            raise PriorError(
                f"expected prior fingerprints of shape {shape}, found {self.fingerprint.shape}", where=where
            )
        if len(self.keys) != shape[0] or len(self.colours) != shape[0] or len(set(self.names)) != shape[0]:
            raise PriorError("a prior needs one distinct name, key and colour per network", where=where)
        if not np.isfinite(self.probability).all() or self.probability.min() < 0:
            raise PriorError("prior probabilities must be finite and not negative", where=where)
        if self.probability.sum(axis=0).max() > 1.001:
            raise PriorError("prior probabilities of some grayordinates sum to more than 1", where=where)
        empty = [n for n, p in zip(self.names, self.probability, strict=True) if not p.any()]
        if empty:
            raise PriorError(f"networks without any grayordinate in the prior: {', '.join(empty)}", where=where)
        if self.group is not None and self.group.names != self.names:
            raise PriorError(
                f"the group parameters are of {', '.join(self.group.names)}, the prior of {', '.join(self.names)}",
                where=where,
            )
        if self.group is not None and self.group.seeds[:, 1].max() >= self.grayordinates.n_vertices:
            raise PriorError(
                f"the group parameters have seeds beyond the {self.grayordinates.n_vertices} vertices of a hemisphere",
                where=where,
            )

    def index(self, name: str) -> int:
        """Position of a network on the network axis."""
        try:
            return self.names.index(name)
        except ValueError:
            raise PriorError(f"the prior has no network {name!r} (it has {', '.join(self.names)})") from None


@dataclass(frozen=True, eq=False)
class NetworkMap:
    """One person's networks.

    Attributes
    ----------
    names, keys, colours
        As in `Prior`.
    probability : (network, grayordinate) float32 ndarray
        How well each network fits, 0 to 1 by `measure`; 0 where there are no data.
    label : (grayordinate,) int ndarray
        Key of the winning network after cleaning; 0 where unassigned or without data.
    confidence : (grayordinate,) float32 ndarray
        0 to 1: winning probability minus runner-up.
    grayordinates : Grayordinates
    method : str
    settings : mapping
        Every option that shaped the map.
    measure : str
        What `probability` holds: 'probability' sums to 1 over networks; 'eta²', 'Dice' and the like do not.
    """

    names: tuple[str, ...]
    keys: IntArray
    colours: FloatArray
    probability: FloatArray
    label: IntArray
    confidence: FloatArray
    grayordinates: Grayordinates
    method: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    measure: str = "probability"

    def __post_init__(self) -> None:
        n_rows = len(self.grayordinates)
        if self.probability.shape != (len(self.names), n_rows) or self.label.shape != (n_rows,):
            raise PriorError("map arrays do not fit the network and grayordinate axes")

    def cortex(self) -> NetworkMap:
        """Return the map's cortical rows alone."""
        n_cortex = self.grayordinates.n_cortex
        return replace(
            self,
            probability=self.probability[:, :n_cortex],
            label=self.label[:n_cortex],
            confidence=self.confidence[:n_cortex],
            grayordinates=self.grayordinates.cortex(),
        )

    def without(self, rows: BoolArray) -> NetworkMap:
        """Return the map with some rows, (grayordinate,), unassigned and their values 0."""
        label, confidence, probability = self.label.copy(), self.confidence.copy(), self.probability.copy()
        label[rows], confidence[rows], probability[:, rows] = 0, 0, 0
        return replace(self, label=label, confidence=confidence, probability=probability)

    def key(self, name: str) -> int:
        """Label value of a network."""
        if name not in self.names:
            raise PriorError(f"the map has no network {name!r} (it has {', '.join(self.names)})")
        return int(self.keys[self.names.index(name)])

    def members(self, name: str) -> BoolArray:
        """Mask of the grayordinates labelled with a network; shape (grayordinate,)."""
        mask: BoolArray = self.label == self.key(name)
        return mask


@dataclass(frozen=True, eq=False)
class Piece:
    """One connected piece of a network on one hemisphere: a SCAN node, an AMN region or island.

    Attributes
    ----------
    name : str
        E.g. 'SCAN middle', 'AMN dlPFC 1'.
    network : str
    hemisphere : {'L', 'R'}
    vertices : (member,) int ndarray
        Mesh vertex indices.
    area_mm2 : float
    centre_vertex, peak_vertex : int
        Vertex nearest the area-weighted centroid; vertex of highest probability.
    centre_ras, centre_mni, peak_ras, peak_mni : (3,) float ndarray
        mm, midthickness; _ras in the frame of the anatomy used.
    mean_probability, peak_probability : float
    mean_confidence : float
    depth_mm : float or None
        From `centre_ras` to the nearest scalp point; None without a scalp.
    """

    name: str
    network: str
    hemisphere: Hemisphere
    vertices: IntArray
    area_mm2: float
    centre_vertex: int
    centre_ras: FloatArray
    centre_mni: FloatArray
    peak_vertex: int
    peak_ras: FloatArray
    peak_mni: FloatArray
    mean_probability: float
    peak_probability: float
    mean_confidence: float
    depth_mm: float | None = None
