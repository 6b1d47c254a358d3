"""Fields of two programs on one cortex: another program's elements read where ours is known, and both compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from actionloop.brain import vertex_areas
from actionloop.errors import GeometryError
from actionloop.field import ElementField, require_same_head, sample_elements
from actionloop.pipeline.steps import Arrays
from actionloop.poses import FieldComparison, PoseSearch, SearchSettings, compare_fields
from actionloop.poses.share import scale_probability
from actionloop.types import HEMISPHERES, Anatomy, BoolArray, FloatArray, Hemisphere, NetworkMap


@dataclass(frozen=True, eq=False)
class ForeignField:
    """The field of another program for one target's pose, beside ours.

    Attributes
    ----------
    search : PoseSearch
    program : str
        Its name, or that a result was given.
    source : str
        Name of the file, or what the program computed in.
    found : FieldComparison or None
        None where there is no field.
    reason : str
        Why there is none.
    theirs : mapping of hemisphere to (vertex,) float64 ndarray
        |E| at 1 A/µs; NaN where it is not known.
    inside : float
        Share of the vertices that lie inside a grey element.
    matrix : (4, 4) float64 ndarray or None
        Pose that the program used, where it tells.
    """

    search: PoseSearch
    program: str
    source: str
    found: FieldComparison | None = None
    reason: str = ""
    theirs: Mapping[Hemisphere, FloatArray] | None = None
    inside: float = float("nan")
    matrix: FloatArray | None = None


class SideBySide:
    """The cortex on which fields of two programs are laid side by side.

    Parameters
    ----------
    anatomy : Anatomy
    network_map : NetworkMap
    """

    def __init__(self, anatomy: Anatomy, network_map: NetworkMap) -> None:
        self.anatomy, self._map = anatomy, network_map
        self._settings = SearchSettings.default()

    def sample(self, field: ElementField, search: PoseSearch) -> Arrays:
        """Read another program's field where ours is known.

        Raises
        ------
        GeometryError
            Another head, or another space.
        """
        known, points = self._known(search), self._both(lambda side: self.anatomy.surface(side).vertices)
        read = sample_elements(field, points[known])
        require_same_head(field, points[known], read.strength)
        strength = np.full(len(known), np.nan)
        strength[known] = read.strength
        left = self.anatomy.surface("L").n_vertices
        return {"L": strength[:left], "R": strength[left:], "inside": np.array(read.inside.mean())}

    def judge(self, search: PoseSearch, program: str, source: str, arrays: Arrays) -> ForeignField:
        """Compare both fields over the cortex."""
        theirs: dict[Hemisphere, FloatArray] = {side: arrays[side] for side in HEMISPHERES}
        known = self._known(search)
        area = self._both(lambda side: vertex_areas(self.anatomy.surface(side)))[known]
        probability = np.asarray(self._map.probability[self._map.names.index(search.network)], dtype=np.float64)
        share = self._both(lambda side: self._map.grayordinates.to_mesh(probability, side))[known]
        settings = self._settings
        weights = scale_probability(share, area, percentile=settings.weight_percentile, least=settings.least_scale)
        points = self._both(lambda side: self.anatomy.surface(side).vertices)[known]
        found = compare_fields(
            self._both(lambda side: search.field_v_per_m[side])[known],
            self._both(lambda side: theirs[side])[known],
            cortex={"points_mm": points, "area_mm2": area, "weights": weights},
            target=self._both(lambda side: search.averaged[side])[known],
            settings=settings,
        )
        return ForeignField(search, program, source, found, "", theirs, float(arrays["inside"]), arrays.get("matrix"))

    def _known(self, search: PoseSearch) -> BoolArray:
        """Vertices with an area on which our field is known."""
        ours = self._both(lambda side: np.asarray(search.field_v_per_m[side], dtype=np.float64))
        area = self._both(lambda side: vertex_areas(self.anatomy.surface(side)))
        known: BoolArray = (ours > 0) & (area > 0)
        if not known.any():
            raise GeometryError("our own field is 0 all over the cortex")
        return known

    @staticmethod
    def _both(of: Callable[[Hemisphere], Any]) -> Any:
        """Return what there is of both hemispheres, left first."""
        return np.concatenate([of(side) for side in HEMISPHERES])
