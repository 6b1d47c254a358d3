"""A head with a coil and the cortex that its field is looked at on: what every search of poses asks for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property

import numpy as np

from actionloop.brain import Scalp, vertex_areas
from actionloop.errors import EmptyRegionError, GeometryError
from actionloop.field import casing_of
from actionloop.poses.clearance import Casing, make_casing
from actionloop.poses.sampler import CoilSampler
from actionloop.poses.settings import SearchSettings
from actionloop.poses.share import NetworkShares, scale_probability
from actionloop.types import HEMISPHERES, Anatomy, BoolArray, Coil, FloatArray, Hemisphere, IntArray

_SAME_POSE = 1e-6


class CortexHead(ABC):
    """What a search knows of a head and a coil, whichever way fields are computed.

    Attributes
    ----------
    anatomy : Anatomy
    scalp : Scalp
    coil : Coil
    cortex : mapping of hemisphere to (vertex,) bool ndarray, or None
        Vertices of the cortex (not of the medial wall); None for all that have an area.
    """

    anatomy: Anatomy
    scalp: Scalp
    coil: Coil
    cortex: Mapping[Hemisphere, BoolArray] | None

    @property
    @abstractmethod
    def vertices(self) -> dict[Hemisphere, IntArray]:
        """Mesh vertices that the field is known on, ascending."""

    @property
    @abstractmethod
    def brain_mm(self) -> FloatArray:
        """Places spread over the brain; (place, 3)."""

    @property
    @abstractmethod
    def solved(self) -> SolvedFields:
        """Every pose whose field was computed."""

    @cached_property
    def casing(self) -> Casing:
        """Hull of the coil's casing."""
        return make_casing(casing_of(self.coil), name=self.coil.name)

    @cached_property
    def area_mm2(self) -> FloatArray:
        """Area of each vertex of the cortex, left then right."""
        return np.concatenate([vertex_areas(self.anatomy.surface(h))[self.vertices[h]] for h in HEMISPHERES])

    def sampler(self, lattice_mm: float) -> CoilSampler:
        """Return what samples the coil's dA/dt on a lattice of some step."""
        known = self._samplers
        if lattice_mm not in known:
            known[lattice_mm] = CoilSampler(self.coil, lattice_mm=lattice_mm)
        return known[lattice_mm]

    @cached_property
    def _samplers(self) -> dict[float, CoilSampler]:
        return {}

    def on_cortex(self, hemisphere: Hemisphere) -> IntArray:
        """Mesh vertices of one hemisphere that have an area and are of the cortex, ascending.

        Raises
        ------
        GeometryError
            A mask of another mesh.
        """
        inside = vertex_areas(self.anatomy.surface(hemisphere)) > 0
        if self.cortex is not None:
            if self.cortex[hemisphere].shape != inside.shape:
                raise GeometryError(
                    f"expected a cortex of {len(inside)} vertices, found {len(self.cortex[hemisphere])}"
                )
            inside &= self.cortex[hemisphere]
        return np.flatnonzero(inside)

    def rows(self, hemisphere: Hemisphere, vertices: IntArray) -> IntArray:
        """Rows of mesh vertices among the vertices of the cortex; those that are not of the cortex are left out."""
        own = self.vertices[hemisphere]
        at = np.minimum(np.searchsorted(own, vertices), len(own) - 1)
        start = 0 if hemisphere == "L" else len(self.vertices["L"])
        rows: IntArray = start + at[own[at] == vertices]
        return rows

    def spread(self, values: FloatArray) -> dict[Hemisphere, FloatArray]:
        """Values of the cortex on both meshes, 0 elsewhere."""
        found: dict[Hemisphere, FloatArray] = {}
        parts = np.split(values, [len(self.vertices["L"])])
        for hemisphere, part in zip(HEMISPHERES, parts, strict=True):
            found[hemisphere] = np.zeros(self.anatomy.surface(hemisphere).n_vertices, dtype=values.dtype)
            found[hemisphere][self.vertices[hemisphere]] = part
        return found

    def weigh(self, networks: NetworkShares, settings: SearchSettings) -> FloatArray:
        """Weights of the network wanted and of the networks avoided (the largest of them) on the cortex.

        Returns
        -------
        (2, vertex) float64 ndarray
            0 to 1.

        Raises
        ------
        EmptyRegionError
            No vertex of the cortex belongs to the network wanted.
        GeometryError
            Probabilities of another mesh.
        """

        def scaled(probability: Mapping[Hemisphere, FloatArray]) -> FloatArray:
            parts = []
            for hemisphere in HEMISPHERES:
                n = self.anatomy.surface(hemisphere).n_vertices
                if probability[hemisphere].shape != (n,):
                    raise GeometryError(
                        f"expected the network's probability on {n} vertices, found {probability[hemisphere].shape}"
                    )
                parts.append(probability[hemisphere][self.vertices[hemisphere]])
            return scale_probability(
                np.concatenate(parts),
                self.area_mm2,
                percentile=settings.weight_percentile,
                least=settings.least_scale,
            )

        avoided = np.zeros(len(self.area_mm2))
        for probability in networks.avoided.values():
            try:
                avoided = np.maximum(avoided, scaled(probability))
            except EmptyRegionError:
                continue  # a network that this person does not have needs no avoiding
        return np.stack([scaled(networks.wanted), avoided])

    def sample_brain(self, around_mm: FloatArray, *, reach_mm: float, n_points: int) -> FloatArray:
        """Places of the brain within a reach of some points, evenly spread; (point, 3).

        Raises
        ------
        GeometryError
            No brain there.
        """
        near = np.zeros(len(self.brain_mm), dtype=bool)
        for point in np.atleast_2d(around_mm):
            near |= ((self.brain_mm - point) ** 2).sum(axis=1) <= reach_mm**2
        found = np.flatnonzero(near)
        if not found.size:
            raise GeometryError(
                f"the head model has no brain within {reach_mm:g} mm of the target",
                fix="check that surfaces and head model are of one head and frame",
            )
        # A fixed seed: the same target has the same pose every time.
        chosen = np.sort(np.random.default_rng(0).permutation(found)[: max(n_points, 1)])
        sample: FloatArray = self.brain_mm[chosen]
        return sample


class SolvedFields(ABC):
    """Poses whose field on the cortex was computed, at 1 A/µs."""

    def __init__(self) -> None:
        self._matrices: list[FloatArray] = []
        self._fields: list[FloatArray] = []

    def __len__(self) -> int:
        return len(self._matrices)

    @property
    def matrices(self) -> FloatArray:
        """Every pose; (solved, 4, 4)."""
        return np.array(self._matrices).reshape(-1, 4, 4)

    def fields(self, which: IntArray) -> FloatArray:
        """Field of some poses on the cortex; (pose, vertex, 3) float32, V/m."""
        return np.stack([self._fields[i] for i in which])

    def find(self, matrix: FloatArray) -> int | None:
        """Find the number of a pose, None if it was not solved."""
        for index, known in enumerate(self._matrices):
            if np.abs(known - matrix).max() < _SAME_POSE:
                return index
        return None

    @abstractmethod
    def solve(
        self, matrices: FloatArray, *, tolerance: float, known: IntArray | None = None, parts: FloatArray | None = None
    ) -> IntArray:
        """Compute the fields of some poses.

        Parameters
        ----------
        matrices : (pose, 4, 4) float ndarray
        tolerance : float
            Of a solver.
        known : (mode,) int ndarray, optional
            Poses solved before, and
        parts : (pose, mode) float ndarray, optional
            how much of each makes up the new ones: a solver starts from there.

        Returns
        -------
        (pose,) int64 ndarray
            Their numbers.
        """
