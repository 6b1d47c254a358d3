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
        places.append(_in_rows(place @ matrix[:3, :3].T + matrix[:3, 3] - centre_mm) / 1e3)
        vectors.append(_in_rows(what @ matrix[:3, :3].T))
    nearest = min(float(np.linalg.norm(place, axis=0).min()) for place in places if place.size)
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
    dipoles = (_in_rows(coil.dipoles_mm) / 1e3, _in_rows(coil.moments_m2))
    wires = (_in_rows(coil.wires_mm) / 1e3, _in_rows(coil.wires_m))
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


def _in_rows(vectors: FloatArray) -> FloatArray:
    """Turn vectors so that each component is one row."""
    return np.ascontiguousarray(np.asarray(vectors, dtype=np.float64).T)


def _scale(didt_a_per_us: float) -> float:
    return float(facts.load("solver")["physics"]["mu0_over_4pi"]) * _A_PER_S * didt_a_per_us


@numba.njit(cache=True, parallel=True, fastmath=True)  # type: ignore[untyped-decorator]
def _add_poses(field: Any, points: Any, poses: Any, dipoles: Any, wires: Any) -> None:
    for k in numba.prange(len(poses)):
        placed = (_placed(poses[k], dipoles[0], 1.0), _placed(poses[k], dipoles[1], 0.0))
        laid = (_placed(poses[k], wires[0], 1.0), _placed(poses[k], wires[1], 0.0))
        for p in range(len(points)):
            point = (points[p, 0], points[p, 1], points[p, 2])
            _sum_dipoles(field[k, p], point, placed[0], placed[1])
            _sum_wires(field[k, p], point, laid[0], laid[1])


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _placed(pose: Any, vectors: Any, shift: float) -> Any:
    found = np.empty_like(vectors)
    for c in range(3):
        for i in range(vectors.shape[1]):
            turned = pose[c, 0] * vectors[0, i] + pose[c, 1] * vectors[1, i] + pose[c, 2] * vectors[2, i]
            found[c, i] = turned + shift * pose[c, 3]
    return found


@numba.njit(cache=True, parallel=True, fastmath=True)  # type: ignore[untyped-decorator]
def _add_elements(field: Any, points: Any, dipoles: Any, wires: Any) -> None:
    for p in numba.prange(len(points)):
        point = (points[p, 0], points[p, 1], points[p, 2])
        _sum_dipoles(field[p], point, dipoles[0], dipoles[1])
        _sum_wires(field[p], point, wires[0], wires[1])


# Sums over elements stand in plain numbers, and elements in rows, so that several are taken at once.
@numba.njit(cache=True, fastmath=True)  # type: ignore[untyped-decorator]
def _sum_dipoles(field: Any, point: Any, places: Any, moments: Any) -> None:
    # Sarvas (25): B = (F q×p - (q×p·r) grad F) / F² of a current dipole q at p, and E·q = -m·B for every q.
    x, y, z = 0.0, 0.0, 0.0
    for i in range(places.shape[1]):
        place, moment = (places[0, i], places[1, i], places[2, i]), (moments[0, i], moments[1, i], moments[2, i])
        away = (place[0] - point[0], place[1] - point[1], place[2] - point[2])
        a, r = np.sqrt(_dot(away, away)), np.sqrt(_dot(place, place))
        f = a * (r * a + r * r - _dot(point, place))
        along = _dot(away, place) / a
        slope = (a * a / r + along + 2 * a + 2 * r) * _dot(place, moment) - (a + 2 * r + along) * _dot(point, moment)
        one, other = _cross(point, moment), _cross(point, place)
        part, rest = 1 / f, slope / (f * f)
        x -= one[0] * part - rest * other[0]
        y -= one[1] * part - rest * other[1]
        z -= one[2] * part - rest * other[2]
    field[0] += x
    field[1] += y
    field[2] += z


@numba.njit(cache=True, fastmath=True)  # type: ignore[untyped-decorator]
def _sum_wires(field: Any, point: Any, places: Any, lengths: Any) -> None:
    # Outside the sphere B = -grad U; W, the integral of U along the ray from the element outwards, gives the vector
    # potential grad W × r, and has the closed form -(q×p·r) / (4 pi r (r a + r² - p·r)).
    x, y, z = 0.0, 0.0, 0.0
    for i in range(places.shape[1]):
        place, length = (places[0, i], places[1, i], places[2, i]), (lengths[0, i], lengths[1, i], lengths[2, i])
        away = (place[0] - point[0], place[1] - point[1], place[2] - point[2])
        a, r = np.sqrt(_dot(away, away)), np.sqrt(_dot(place, place))
        d = r * a + r * r - _dot(point, place)
        turned = _cross(place, length)
        one, other = _cross(point, turned), _cross(point, place)
        part = 1 / (d * r)
        rest = _dot(point, turned) * (r / a + 1) / d * part
        x += one[0] * part + rest * other[0]
        y += one[1] * part + rest * other[1]
        z += one[2] * part + rest * other[2]
    field[0] += x
    field[1] += y
    field[2] += z


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
