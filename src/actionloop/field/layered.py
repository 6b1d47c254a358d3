"""The exact field of a coil in a conductor of concentric spherical layers."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from scipy.spatial import cKDTree

from actionloop import facts
from actionloop.errors import GeometryError
from actionloop.types import Coil, FloatArray

_A_PER_S = 1e6
"""A/s in 1 A/µs."""


def sphere_field(
    coil: Coil, matrix: FloatArray, points_mm: FloatArray, *, centre_mm: FloatArray, didt_a_per_us: float = 1.0
) -> FloatArray:
    """Electric field of a coil inside a sphere whose conductivity depends on the distance from its centre alone.

    By reciprocity with the magnetic field that a current dipole in the sphere makes outside it, which does not depend
    on the layers. Pieces of wire are taken with a vector potential that has no radial part, so that only the sum over
    closed loops has a meaning.

    Parameters
    ----------
    coil : Coil
    matrix : (4, 4) float64 ndarray
        Coil axes in columns, mm.
    points_mm : (point, 3) float64 ndarray
        Inside the sphere.
    centre_mm : (3,) float64 ndarray
        Of the sphere.
    didt_a_per_us : float

    Returns
    -------
    (point, 3) float64 ndarray
        V/m; it has no radial part.

    Raises
    ------
    GeometryError
        An element of the coil is nearer to the centre than a point: it would lie inside the sphere.

    References
    ----------
    .. [1] Sarvas 1987, doi:10.1088/0031-9155/32/1/004
    .. [2] Heller & van Hulsteyn 1992, doi:10.1016/S0006-3495(92)81587-4
    """
    points = np.ascontiguousarray(np.asarray(points_mm, dtype=np.float64) - centre_mm) / 1e3
    places, vectors = [], []
    for place, what in ((coil.dipoles_mm, coil.moments_m2), (coil.wires_mm, coil.wires_m)):
        places.append(np.ascontiguousarray(place @ matrix[:3, :3].T + matrix[:3, 3] - centre_mm) / 1e3)
        vectors.append(np.ascontiguousarray(what @ matrix[:3, :3].T))
    nearest = min(float(np.linalg.norm(place, axis=1).min()) for place in places if len(place))
    _require_outside(nearest, points)
    field = np.zeros(points.shape)
    _add_elements(field, points, (places[0], vectors[0]), (places[1], vectors[1]))
    return field * _scale(didt_a_per_us)


def sphere_fields(
    coil: Coil, matrices: FloatArray, points_mm: FloatArray, *, centre_mm: FloatArray, didt_a_per_us: float = 1.0
) -> FloatArray:
    """Electric field of many poses of a coil at a few points inside a sphere.

    Parameters
    ----------
    coil : Coil
    matrices : (pose, 4, 4) float64 ndarray
        Coil axes in columns, mm.
    points_mm : (point, 3) float64 ndarray
        Inside the sphere.
    centre_mm : (3,) float64 ndarray
        Of the sphere.
    didt_a_per_us : float

    Returns
    -------
    (pose, point, 3) float64 ndarray
        V/m, as `sphere_field` of each pose.

    Raises
    ------
    GeometryError
        As `sphere_field`, for any pose.
    """
    poses = np.ascontiguousarray(matrices, dtype=np.float64).reshape(-1, 4, 4)
    points = np.ascontiguousarray(np.asarray(points_mm, dtype=np.float64) - centre_mm) / 1e3
    _require_outside(float(element_distances(coil, poses, centre_mm).min(initial=np.inf)) / 1e3, points)
    placed = poses[:, :3].copy()
    placed[:, :, 3] = (placed[:, :, 3] - centre_mm) / 1e3
    field = np.zeros((len(poses), *points.shape))
    dipoles = (np.ascontiguousarray(coil.dipoles_mm / 1e3), np.ascontiguousarray(coil.moments_m2))
    wires = (np.ascontiguousarray(coil.wires_mm / 1e3), np.ascontiguousarray(coil.wires_m))
    _add_poses(field, points, placed, dipoles, wires)
    return field * _scale(didt_a_per_us)


def element_distances(coil: Coil, matrices: FloatArray, centre_mm: FloatArray) -> FloatArray:
    """Distance of a point from the nearest element of the coil, in each of many poses.

    Parameters
    ----------
    coil : Coil
    matrices : (pose, 4, 4) float64 ndarray
    centre_mm : (3,) float64 ndarray

    Returns
    -------
    (pose,) float64 ndarray
        mm.
    """
    elements = np.concatenate([coil.dipoles_mm, coil.wires_mm]).astype(np.float64)
    # The point in the axes of each pose.
    seen = np.einsum("pji,pj->pi", matrices[:, :3, :3], centre_mm - matrices[:, :3, 3])
    distance, _ = cKDTree(elements).query(seen)
    return np.asarray(distance, dtype=np.float64)


def _require_outside(nearest_m: float, points_m: FloatArray) -> None:
    farthest_m = float(np.linalg.norm(points_m, axis=1).max(initial=0.0))
    if not farthest_m < nearest_m:
        raise GeometryError(
            f"expected the whole coil outside the sphere; one element lies {1e3 * nearest_m:.1f} mm from its centre "
            f"and one point {1e3 * farthest_m:.1f} mm",
            fix="lift the coil off the sphere, or ask for points inside it",
        )


def _scale(didt_a_per_us: float) -> float:
    return float(facts.load("solver")["physics"]["mu0_over_4pi"]) * _A_PER_S * didt_a_per_us


@numba.njit(cache=True, parallel=True)  # type: ignore[untyped-decorator]
def _add_poses(field: Any, points: Any, poses: Any, dipoles: Any, wires: Any) -> None:
    for k in numba.prange(len(poses)):
        pose = poses[k]
        for i in range(len(dipoles[0])):
            place, what = _placed(pose, dipoles[0][i], 1.0), _placed(pose, dipoles[1][i], 0.0)
            for p in range(len(points)):
                _add_dipole(field[k, p], (points[p, 0], points[p, 1], points[p, 2]), place, what)
        for i in range(len(wires[0])):
            place, what = _placed(pose, wires[0][i], 1.0), _placed(pose, wires[1][i], 0.0)
            for p in range(len(points)):
                _add_wire(field[k, p], (points[p, 0], points[p, 1], points[p, 2]), place, what)


@numba.njit(cache=True, inline="always")  # type: ignore[untyped-decorator]
def _placed(pose: Any, v: Any, shift: float) -> Any:
    return (
        pose[0, 0] * v[0] + pose[0, 1] * v[1] + pose[0, 2] * v[2] + shift * pose[0, 3],
        pose[1, 0] * v[0] + pose[1, 1] * v[1] + pose[1, 2] * v[2] + shift * pose[1, 3],
        pose[2, 0] * v[0] + pose[2, 1] * v[1] + pose[2, 2] * v[2] + shift * pose[2, 3],
    )


@numba.njit(cache=True, parallel=True)  # type: ignore[untyped-decorator]
def _add_elements(field: Any, points: Any, dipoles: Any, wires: Any) -> None:
    for p in numba.prange(len(points)):
        point = (points[p, 0], points[p, 1], points[p, 2])
        for i in range(len(dipoles[0])):
            place, what = dipoles[0][i], dipoles[1][i]
            _add_dipole(field[p], point, (place[0], place[1], place[2]), (what[0], what[1], what[2]))
        for i in range(len(wires[0])):
            place, what = wires[0][i], wires[1][i]
            _add_wire(field[p], point, (place[0], place[1], place[2]), (what[0], what[1], what[2]))


@numba.njit(cache=True, inline="always")  # type: ignore[untyped-decorator]
def _add_dipole(field: Any, point: Any, place: Any, moment: Any) -> None:
    # Sarvas (25): B = (F q×p - (q×p·r) grad F) / F² of a current dipole q at p, and E·q = -m·B for every q.
    away = (place[0] - point[0], place[1] - point[1], place[2] - point[2])
    a, r = np.sqrt(_dot(away, away)), np.sqrt(_dot(place, place))
    f = a * (r * a + r * r - _dot(point, place))
    along = _dot(away, place) / a
    slope = (a * a / r + along + 2 * a + 2 * r) * _dot(place, moment) - (a + 2 * r + along) * _dot(point, moment)
    one, other = _cross(point, moment), _cross(point, place)
    for c in range(3):
        field[c] -= one[c] / f - slope * other[c] / (f * f)


@numba.njit(cache=True, inline="always")  # type: ignore[untyped-decorator]
def _add_wire(field: Any, point: Any, place: Any, length: Any) -> None:
    # Outside the sphere B = -grad U; W, the integral of U along the ray from the element outwards, gives the vector
    # potential grad W × r, and has the closed form -(q×p·r) / (4 pi r (r a + r² - p·r)).
    away = (place[0] - point[0], place[1] - point[1], place[2] - point[2])
    a, r = np.sqrt(_dot(away, away)), np.sqrt(_dot(place, place))
    d = r * a + r * r - _dot(point, place)
    turned = _cross(place, length)
    one, other = _cross(point, turned), _cross(point, place)
    slope = _dot(point, turned) * (r / a + 1)
    for c in range(3):
        field[c] += (one[c] + slope * other[c] / d) / (d * r)


@numba.njit(cache=True, inline="always")  # type: ignore[untyped-decorator]
def _dot(one: Any, other: Any) -> Any:
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]


@numba.njit(cache=True, inline="always")  # type: ignore[untyped-decorator]
def _cross(one: Any, other: Any) -> Any:
    return (
        one[1] * other[2] - one[2] * other[1],
        one[2] * other[0] - one[0] * other[2],
        one[0] * other[1] - one[1] * other[0],
    )
