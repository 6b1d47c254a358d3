"""A preview of the search: the exact field in a sphere fitted to the scalp over the target, in place of the head's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from actionloop import facts
from actionloop.brain import Scalp
from actionloop.errors import GeometryError
from actionloop.field import element_distances, sphere_field, sphere_fields
from actionloop.poses.cortex import CortexHead, SolvedFields
from actionloop.poses.found import PoseSearch
from actionloop.poses.search import search_by
from actionloop.poses.settings import SearchSettings
from actionloop.poses.share import NetworkShares
from actionloop.poses.target import Focus, PoseAim
from actionloop.types import HEMISPHERES, Anatomy, BoolArray, Coil, FloatArray, Hemisphere, IntArray


@dataclass(frozen=True, eq=False)
class Sphere:
    """A sphere in place of the head.

    Attributes
    ----------
    centre_mm : (3,) float64 ndarray
    radius_mm : float
    off_mm : float
        Root mean square distance of the scalp from it.
    """

    centre_mm: FloatArray
    radius_mm: float
    off_mm: float

    def drawn_in(self, points_mm: FloatArray, limit_mm: float) -> FloatArray:
        """Move points that are farther from the centre than a limit towards it, up to there; (point, 3)."""
        away = points_mm - self.centre_mm
        length = np.linalg.norm(away, axis=1)
        scale = np.minimum(1.0, limit_mm / np.maximum(length, 1e-12))
        moved: FloatArray = np.where(length[:, None] > limit_mm, self.centre_mm + away * scale[:, None], points_mm)
        return moved


def fit_sphere(scalp: Scalp, aim_mm: FloatArray) -> Sphere:
    """Fit a sphere by least squares to the scalp over a target.

    Of its vertices near the point nearest to the target, those that face the same half of space (not the underside of
    an ear). Values stand in data/poses.toml, section preview.

    Parameters
    ----------
    scalp : Scalp
    aim_mm : (3,) float ndarray
        The target.

    Returns
    -------
    Sphere

    Raises
    ------
    GeometryError
        Too little scalp there, or a scalp that no sphere resembles.
    """
    from scipy.optimize import least_squares

    known = facts.load("poses")["preview"]
    entry, outward, _ = scalp.nearest(aim_mm)
    near = np.linalg.norm(scalp.vertices - entry, axis=1) <= float(known["scalp_mm"])
    points = scalp.vertices[near & (scalp.normals @ outward > 0)]
    if len(points) < int(known["least_vertices"]):
        raise GeometryError(
            f"only {len(points)} vertices of the scalp lie near this target, too few to fit a sphere",
            fix="give a T1 of the whole head",
        )
    # |p - entry|² = 2 c·(p - entry) + k is linear in the centre; a start for the distances themselves.
    away = points - entry
    linear = np.column_stack([2 * away, np.ones(len(away))])
    start = np.linalg.lstsq(linear, (away**2).sum(axis=1), rcond=None)[0]
    start[3] = np.sqrt(max(start[3] + start[:3] @ start[:3], 1.0))

    def off(x: FloatArray) -> FloatArray:
        return np.asarray(np.linalg.norm(away - x[:3], axis=1) - x[3], dtype=np.float64)

    x = least_squares(off, start).x
    low, high = known["radius_mm"]
    rms = float(np.sqrt((off(x) ** 2).mean()))
    if not (low <= x[3] <= high and rms <= float(known["largest_off_mm"]) and x[:3] @ outward < 0):
        raise GeometryError(
            f"no sphere resembles the scalp over this target: the best has a radius of {x[3]:.0f} mm and is off by "
            f"{rms:.1f} mm (expected {low:g} to {high:g} mm, and at most {known['largest_off_mm']:g} mm)",
            fix="search with finite elements (--engine fem), or check the scalp",
        )
    return Sphere(entry + x[:3], float(x[3]), rms)


@dataclass(frozen=True, eq=False)
class SphereHead(CortexHead):
    """A head whose field is that of a sphere; for one target, as the sphere is fitted over it.

    Vertices of the cortex outside the sphere or the coil, or nearer to either than `rim_mm` of data/poses.toml, are
    read farther in on the same radius. They keep their area.

    Attributes
    ----------
    sphere : Sphere
    anatomy : Anatomy
    scalp : Scalp
    coil : Coil
    cortex : mapping of hemisphere to (vertex,) bool ndarray, or None

    Raises
    ------
    GeometryError
        Surfaces and scalp of different frames.
    """

    sphere: Sphere
    anatomy: Anatomy
    scalp: Scalp
    coil: Coil
    cortex: Mapping[Hemisphere, BoolArray] | None = None

    def __post_init__(self) -> None:
        if self.anatomy.frame != self.scalp.frame:
            raise GeometryError(
                f"surfaces and scalp are in different frames: {self.anatomy.frame}, {self.scalp.frame}",
                fix="make both from the same image",
            )

    @cached_property
    def vertices(self) -> dict[Hemisphere, IntArray]:
        """Mesh vertices of the cortex, ascending."""
        return {hemisphere: self.on_cortex(hemisphere) for hemisphere in HEMISPHERES}

    @cached_property
    def points_mm(self) -> FloatArray:
        """The cortex, left then right; (vertex, 3)."""
        return np.concatenate([self.anatomy.surface(h).vertices[self.vertices[h]] for h in HEMISPHERES])

    @cached_property
    def brain_mm(self) -> FloatArray:
        """The cortex as it lies in the sphere; (vertex, 3)."""
        return self.sphere.drawn_in(self.points_mm, self.sphere.radius_mm - _rim_mm())

    @property
    def moved(self) -> float:
        """Share of the cortex, by area, that is read farther in."""
        return float(self.area_mm2[(self.points_mm != self.brain_mm).any(axis=1)].sum() / self.area_mm2.sum())

    @cached_property
    def solved(self) -> SolvedSpheres:
        """Every pose whose field was computed."""
        return SolvedSpheres(self)

    def limit_mm(self, matrices: FloatArray) -> float:
        """Farthest from the centre that a field is read with the coil at any of some poses."""
        nearest = float(element_distances(self.coil, matrices, self.sphere.centre_mm).min())
        return min(self.sphere.radius_mm, nearest) - _rim_mm()

    def field(self, matrix: FloatArray) -> FloatArray:
        """Field of a pose on the cortex at 1 A/µs; (vertex, 3) float64, V/m."""
        points = self.sphere.drawn_in(self.points_mm, self.limit_mm(matrix[None]))
        return sphere_field(self.coil, matrix, points, centre_mm=self.sphere.centre_mm)

    def mean_fields(self, focus: Focus, matrices: FloatArray) -> FloatArray:
        """Mean field over a target of every pose at 1 A/µs, from a few of its vertices.

        Parameters
        ----------
        focus : Focus
        matrices : (pose, 4, 4) float64 ndarray

        Returns
        -------
        (pose, 3) float64 ndarray
            V/m.

        Raises
        ------
        GeometryError
            The target lies too far outside the sphere, or the coil reaches in as far as the target; or no field.
        """
        known = facts.load("poses")["preview"]
        points, share = thin_focus(focus, most=int(known["focus_points"]))
        drawn = self.sphere.drawn_in(points, self.limit_mm(matrices))
        moved = float(np.linalg.norm(points - drawn, axis=1).max())
        if moved > float(known["target_moved_mm"]):
            raise GeometryError(
                f"the target lies {moved:.0f} mm too far out for the sphere fitted to the scalp and for this coil",
                fix="search with finite elements (--engine fem)",
            )
        fields = sphere_fields(self.coil, matrices, drawn, centre_mm=self.sphere.centre_mm)
        means: FloatArray = np.einsum("v,pvx->px", share, fields)
        if not (np.isfinite(means).all() and np.abs(means).max(initial=0.0) > 0):
            raise GeometryError("no pose makes a field on the target", fix="check the coil file")
        return means


class SolvedSpheres(SolvedFields):
    """Poses whose field in the sphere was computed.

    Parameters
    ----------
    head : SphereHead
    """

    def __init__(self, head: SphereHead) -> None:
        super().__init__()
        self._head = head

    def solve(
        self, matrices: FloatArray, *, tolerance: float, known: IntArray | None = None, parts: FloatArray | None = None
    ) -> IntArray:
        """Compute the fields of some poses, exactly whatever the tolerance; nothing to start from is needed."""
        first = len(self)
        for matrix in matrices:
            self._fields.append(self._head.field(matrix).astype(np.float32))
            self._matrices.append(np.array(matrix))
        return np.arange(first, len(self))


def preview_pose(
    head: SphereHead,
    aim: PoseAim,
    networks: NetworkShares,
    *,
    conventional: Mapping[str, FloatArray] | None = None,
    settings: SearchSettings | None = None,
    tell: Callable[[str, float], None] | None = None,
) -> PoseSearch:
    """Search a target's pose as `search_pose` does, by the field in a sphere. A preview: not for navigation.

    Parameters
    ----------
    head : SphereHead
        Its sphere fitted over this target.
    aim : PoseAim
    networks : NetworkShares
    conventional, tell
        As of `search_pose`.
    settings : SearchSettings, optional
        Those of data/poses.toml with fewer poses (section preview) by default.

    Returns
    -------
    PoseSearch
        Marked as a preview, without its chance; its `n_solved` counts fields on the whole cortex, and its
        `numerical_error` is NaN, as how far the sphere is from the head is not known.

    Raises
    ------
    GeometryError, EmptyRegionError
        As `search_pose`, or a target that does not lie in the sphere.
    """
    found = search_by(
        head.mean_fields,
        head,
        aim,
        networks,
        conventional=conventional,
        settings=settings or preview_settings(),
        tell=tell,
    )
    return replace(found, numerical_error=float("nan"), preview=True)


def preview_settings() -> SearchSettings:
    """Return the settings of a search, with fewer poses in its second stage."""
    return SearchSettings.default(most_poses=int(facts.load("poses")["preview"]["most_poses"]))


def thin_focus(focus: Focus, *, most: int) -> tuple[FloatArray, FloatArray]:
    """Choose a few points spread over a target, each with the share of the vertices that are nearest to it.

    Returns
    -------
    points_mm : (point, 3) float64 ndarray
    share : (point,) float64 ndarray
        Sums to 1.
    """
    points = focus.points_mm
    if len(points) <= most:
        return points, focus.share
    middle = focus.share @ points
    away = np.linalg.norm(points[:, None] - points[None], axis=2)
    chosen = [int(np.linalg.norm(points - middle, axis=1).argmin())]
    while len(chosen) < most:
        chosen.append(int(away[chosen].min(axis=0).argmax()))
    share: FloatArray = np.bincount(away[chosen].argmin(axis=0), weights=focus.share).astype(np.float64)
    return points[chosen], share


def _rim_mm() -> float:
    return float(facts.load("poses")["preview"]["rim_mm"])
