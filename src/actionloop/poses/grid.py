"""Candidate poses: places on the scalp around the target, and orientations of the coil at each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from actionloop.brain import Scalp
from actionloop.errors import GeometryError
from actionloop.poses.clearance import Casing, lift_needed
from actionloop.poses.settings import SearchSettings
from actionloop.types import FloatArray, Hemisphere, IntArray

# Facing this nearly forwards or backwards, "forwards along the scalp" is taken from the sagittal arc instead.
_FACING = 0.9
# The scalp is followed as far as it faces the same way as at the middle: not around an ear.
_SAME_WAY = 0.5


@dataclass(frozen=True, eq=False)
class Candidates:
    """Poses around one target; all of them clear of the head.

    Attributes
    ----------
    matrices : (pose, 4, 4) float64 ndarray
        After lifting; RAS mm.
    lift_mm : (pose,) float64 ndarray
        Distance of the origin from the scalp point.
    place, turn, tilt : (pose,) int ndarray
        Which scalp point, orientation and tilt.
    places_mm : (place, 3) float64 ndarray
        Scalp points; the first is the one nearest to the target.
    n_dropped : int
        Poses that had to be lifted too far.
    """

    matrices: FloatArray
    lift_mm: FloatArray
    place: IntArray
    turn: IntArray
    tilt: IntArray
    places_mm: FloatArray
    n_dropped: int

    def __len__(self) -> int:
        return len(self.matrices)

    def near(self, radius_mm: float) -> list[IntArray]:
        """Poses of the same orientation whose scalp point is not farther than a radius; one array for each pose."""
        around = cKDTree(self.places_mm).query_ball_point(self.places_mm, radius_mm + 1e-9)
        lookup = np.full((len(self.places_mm), int(self.turn.max()) + 1, int(self.tilt.max()) + 1), -1, dtype=np.int64)
        lookup[self.place, self.turn, self.tilt] = np.arange(len(self))
        found = []
        for place, turn, tilt in zip(self.place, self.turn, self.tilt, strict=True):
            row = lookup[around[place], turn, tilt]
            found.append(np.sort(row[row >= 0]))
        return found


def lay_candidates(
    aim_mm: FloatArray, scalp: Scalp, casing: Casing, *, hemisphere: Hemisphere, settings: SearchSettings
) -> Candidates:
    """Lay candidate poses on the scalp around a target.

    Places form a hexagonal lattice in the tangent plane over the point of the scalp nearest to the target, projected
    onto the scalp. The coil's z is the inward smoothed normal; its y is turned in equal steps through half a circle. Of
    a pose and its half-turn, whose fields are of equal strength, the one with the handle nearer to backwards and
    outwards (as of the geometric pose) is taken.

    Parameters
    ----------
    aim_mm : (3,) float ndarray
        The target, mm.
    scalp : Scalp
    casing : Casing
    hemisphere : {'L', 'R'}
        Which way outwards is.
    settings : SearchSettings

    Returns
    -------
    Candidates

    Raises
    ------
    GeometryError
        A target outside the head or too deep, too little scalp near it, or no pose whose casing is clear of the head.
    """
    places, normals, forward = scalp_places(aim_mm, scalp, hemisphere=hemisphere, settings=settings)
    turns, tilts = turn_angles(settings), _tilts(settings.tilts_deg)
    flat = np.stack([_laid(places, normals, forward, angle, hemisphere) for angle in turns], axis=1)
    matrices = (flat[:, :, None] @ tilts[None, None]).reshape(-1, 4, 4)
    place, turn, tilt = (
        index.ravel()
        for index in np.meshgrid(*(np.arange(n) for n in flat.shape[:2]), np.arange(len(tilts)), indexing="ij")
    )
    # The scalp point itself is no vertex of the mesh.
    lift = np.maximum(
        lift_needed(casing, matrices, scalp.vertices, gap_mm=settings.gap_mm),
        float(casing.face[:, 0].min()) + settings.gap_mm,
    )
    clear = lift <= settings.limit_mm
    if not clear.any():
        raise GeometryError(
            f"no pose of the coil is clear of the head within {settings.limit_mm:g} mm of the scalp near this target",
            fix="check the casing of the coil (mm, face at z = 0), or raise limit_mm",
        )
    lifted = lift_out(matrices[clear], lift[clear])
    return Candidates(lifted, lift[clear], place[clear], turn[clear], tilt[clear], places, int((~clear).sum()))


def lift_out(matrices: FloatArray, lift_mm: FloatArray) -> FloatArray:
    """Move poses outwards along their z; (pose, 4, 4)."""
    lifted = np.array(matrices, dtype=np.float64)
    lifted[:, :3, 3] -= lift_mm[:, None] * lifted[:, :3, 2]
    return lifted


def hexagon(radius_mm: float, spacing_mm: float) -> FloatArray:
    """Points of a hexagonal lattice around the origin, nearest first; (point, 2), mm."""
    n = int(np.ceil(radius_mm / spacing_mm * 1.2)) + 1
    i, j = np.meshgrid(np.arange(-n, n + 1), np.arange(-n, n + 1), indexing="ij")
    points = spacing_mm * np.stack([(i + j / 2).ravel(), (j * np.sqrt(0.75)).ravel()], axis=1)
    length = np.linalg.norm(points, axis=1)
    inside = np.flatnonzero(length <= radius_mm + 1e-9)
    order = np.argsort(np.round(length[inside], 6), kind="stable")
    found: FloatArray = points[inside[order]]
    return found


def turn_angles(settings: SearchSettings) -> FloatArray:
    """Angle of the coil's y from forwards towards the midline, of each orientation; radians."""
    angles: FloatArray = np.radians(
        settings.handle_deg - 90.0 + settings.turn_deg * np.arange(round(180 / settings.turn_deg))
    )
    return angles


def scalp_places(
    aim_mm: FloatArray, scalp: Scalp, *, hemisphere: Hemisphere, settings: SearchSettings
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Points of the scalp around the one nearest to a target.

    Parameters
    ----------
    aim_mm : (3,) float ndarray
    scalp : Scalp
    hemisphere : {'L', 'R'}
    settings : SearchSettings

    Returns
    -------
    places_mm : (place, 3) float64 ndarray
        The nearest first.
    normals : (place, 3) float64 ndarray
        Outward, smoothed, unit length.
    forward : (3,) float64 ndarray
        Forwards along the scalp, at the nearest point.

    Raises
    ------
    GeometryError
        A target outside the head or too deep, or too little scalp near it.
    """
    entry, outward, distance = scalp.nearest(aim_mm)
    if not distance <= settings.farthest_mm:
        raise GeometryError(
            f"no scalp near the target: the nearest point is {distance:.0f} mm away "
            f"(at most {settings.farthest_mm:g} mm)",
            fix="check that surfaces and scalp are of one head and frame",
        )
    if distance > 1.0 and float((np.asarray(aim_mm) - entry) @ outward) > 0:
        raise GeometryError(
            f"the target lies {distance:.0f} mm outside the scalp",
            fix="check that surfaces and scalp are of one head and frame",
        )
    forward, inward = _axes(outward, hemisphere)
    frame = np.stack([inward, forward, outward], axis=1)
    near = np.linalg.norm(scalp.vertices - entry, axis=1) <= settings.radius_mm + 15.0
    faces = scalp.faces[near[scalp.faces].any(axis=1)]
    corners = (scalp.vertices[faces] - entry) @ frame
    lattice = hexagon(settings.radius_mm, settings.spacing_mm)
    if not len(faces):
        raise _too_few(0, settings)
    face, weights, found = _above(lattice, corners)
    places = np.einsum("pc,pcx->px", weights, scalp.vertices[faces[face]])
    normals = np.einsum("pc,pcx->px", weights, scalp.normals[faces[face]])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    kept = found & (normals @ outward > _SAME_WAY)
    kept &= np.linalg.norm(places - entry, axis=1) <= settings.radius_mm + 1e-9
    if kept.sum() < settings.least_places:
        raise _too_few(int(kept.sum()), settings)
    return places[kept], normals[kept], forward


def _too_few(n_places: int, settings: SearchSettings) -> GeometryError:
    return GeometryError(
        f"only {n_places} places for a coil were found on the scalp within {settings.radius_mm:g} mm of the point "
        f"nearest to the target (at least {settings.least_places} are needed)",
        fix="the image probably ends there: give a T1 of the whole head",
    )


def _axes(outward: FloatArray, hemisphere: Hemisphere) -> tuple[FloatArray, FloatArray]:
    """Return forwards and towards the midline, along the scalp."""
    forward = np.array([0.0, 1.0, 0.0])
    if abs(outward[1]) > _FACING:
        forward = np.cross(outward, [1.0, 0.0, 0.0])
    forward = forward - outward * (forward @ outward)
    forward /= np.linalg.norm(forward)
    to_the_right = np.cross(forward, outward)
    return forward, (to_the_right if hemisphere == "L" else -to_the_right)


def _above(lattice: FloatArray, corners: FloatArray) -> tuple[IntArray, FloatArray, FloatArray]:
    """Outermost face over each point of the plane, the weights of its corners, and whether there is one."""
    first, second, third = (corners[:, k, :2] for k in range(3))
    edge, other = second - first, third - first
    area = edge[:, 0] * other[:, 1] - edge[:, 1] * other[:, 0]
    usable = np.abs(area) > 1e-9
    area = np.where(usable, area, 1.0)
    away = lattice[:, None] - first[None]
    u = (away[..., 0] * other[:, 1] - away[..., 1] * other[:, 0]) / area
    v = (edge[:, 0] * away[..., 1] - edge[:, 1] * away[..., 0]) / area
    height = corners[:, 0, 2] * (1 - u - v) + corners[:, 1, 2] * u + corners[:, 2, 2] * v
    inside = usable & (u >= -1e-9) & (v >= -1e-9) & (u + v <= 1 + 1e-9)
    face = np.where(inside, height, -np.inf).argmax(axis=1)
    row = np.arange(len(lattice))
    u, v = u[row, face], v[row, face]
    return face, np.stack([1 - u - v, u, v], axis=1), inside[row, face]


def _laid(
    places: FloatArray, normals: FloatArray, forward: FloatArray, angle: float, hemisphere: Hemisphere
) -> FloatArray:
    """One orientation at every place; (place, 4, 4)."""
    ahead = forward - normals * (normals @ forward)[:, None]
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    inward = np.cross(ahead, normals) * (1.0 if hemisphere == "L" else -1.0)
    matrices = np.tile(np.eye(4), (len(places), 1, 1))
    matrices[:, :3, 2] = -normals
    matrices[:, :3, 1] = np.cos(angle) * ahead + np.sin(angle) * inward
    matrices[:, :3, 0] = np.cross(matrices[:, :3, 1], matrices[:, :3, 2])
    matrices[:, :3, 3] = places
    return matrices


def _tilts(tilts_deg: tuple[float, ...]) -> FloatArray:
    """Return turns about the coil's own x and y, the first none; (tilt, 4, 4)."""
    found = [np.eye(4)]
    for degrees in tilts_deg:
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        for sign in (s, -s):
            about_x, about_y = np.eye(4), np.eye(4)
            about_x[1:3, 1:3] = [[c, -sign], [sign, c]]
            about_y[0, 0], about_y[0, 2], about_y[2, 0], about_y[2, 2] = c, sign, -sign, c
            found += [about_x, about_y]
    return np.array(found)
