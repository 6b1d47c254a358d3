"""The primary field of a coil: dA/dt in free space."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, NamedTuple

import numba
import numpy as np

from actionloop import facts
from actionloop.errors import GeometryError, OptionError, ResourceError
from actionloop.field.lattice import Lattice
from actionloop.types import Coil, FloatArray

# µ0/4π is 1e-7 T·m/A, 1 A/µs is 1e6 A/s; distances are in mm, so that 1/r² has a factor of 1e6 and 1/r one of 1e3.
_PER_DIPOLE = 1e-7 * 1e6 * 1e6
_PER_WIRE = 1e-7 * 1e6 * 1e3
_SLACK = 1e-4
"""How far the axes of a pose may be from orthogonal and of length 1."""


class _Sources(NamedTuple):
    """Elements of a coil in the frame of the points; (3, element) each, contiguous."""

    dipoles_mm: FloatArray
    moments_m2: FloatArray
    wires_mm: FloatArray
    wires_m: FloatArray

    def places(self) -> FloatArray:
        """Every element; (element, 3)."""
        return np.concatenate((self.dipoles_mm, self.wires_mm), axis=1).T


def primary_field(
    coil: Coil,
    matrix: FloatArray,
    points_mm: FloatArray,
    *,
    didt_a_per_us: float = 1.0,
    method: Literal["auto", "direct", "fmm"] = "auto",
) -> FloatArray:
    """Rate of change of the vector potential of a coil in a pose, in free space.

    Dipoles add µ0/4π dI/dt m × r/|r|³, wires µ0/4π dI/dt dl/|r|. The primary electric field is its opposite.

    Parameters
    ----------
    coil : Coil
    matrix : (4, 4) float ndarray
        Pose: coil axes in columns, mm.
    points_mm : (point, 3) float ndarray
    didt_a_per_us : float
        Rate of change of the current.
    method : {'auto', 'direct', 'fmm'}
        'direct' sums every pair. 'fmm' is the fast multipole method of fmm3dpy, with a relative error of about 1e-6;
        it pays for coils of many thousand elements, for which 'auto' takes it where it is installed.

    Returns
    -------
    (point, 3) float64 ndarray
        dA/dt, V/m. Within `closest_mm` (data/coils.toml) of an element, that of a ball instead of a point.

    Raises
    ------
    GeometryError
        The pose is not a rigid motion, or points are not finite (point, 3).
    ResourceError
        'fmm' without fmm3dpy.
    """
    points = _require_points(points_mm)
    sources = _place(coil, matrix)
    known = facts.load("coils")["sum"]
    if method not in ("auto", "direct", "fmm"):
        raise OptionError(f"there is no method {method!r}", fix="choose one of auto, direct, fmm")
    n_elements = len(sources.places())
    large = n_elements >= known["fmm_from_elements"] and n_elements * len(points) >= known["fmm_from_pairs"]
    library = _fmm3dpy(needed=method == "fmm") if method == "fmm" or (method == "auto" and large) else None
    field = _sum(sources, points) if library is None else _multipoles(library, sources, points)
    return didt_a_per_us * field


def primary_field_on_lattice(
    coil: Coil,
    matrix: FloatArray,
    points_mm: FloatArray,
    *,
    didt_a_per_us: float = 1.0,
    tolerance: float = 1e-3,
) -> FloatArray:
    """`primary_field` at many points by interpolation, to a measured error.

    The field is summed on a lattice over the points and interpolated with polynomials of degree 5 (six nodes along
    each axis); points near the coil are summed one by one. The error is measured at points spread over all of them;
    where it is above the tolerance the lattice is made finer, and in the end every point is summed.

    Parameters
    ----------
    coil, matrix, points_mm, didt_a_per_us
        As for `primary_field`.
    tolerance : float
        Largest length of the error at the points that are checked, relative to the longest dA/dt of them.

    Returns
    -------
    (point, 3) float64 ndarray

    Raises
    ------
    GeometryError
        As for `primary_field`.
    """
    points = _require_points(points_mm)
    sources = _place(coil, matrix)
    known = facts.load("coils")["lattice"]
    summed = partial(_sum, sources)
    checked = points[:: max(1, len(points) // known["n_checked"])]
    exact = summed(checked)
    allowed = tolerance * np.linalg.norm(exact, axis=1).max(initial=0.0)
    for step in (known["spacing_mm"], known["spacing_mm"] / 2):
        lattice = Lattice.over(
            points, sources.places(), summed=summed, step_mm=step, near_mm=known["near_spacings"] * step
        )
        if lattice is None:
            break
        error = np.linalg.norm(lattice.read(checked) - exact, axis=1).max(initial=0.0)
        if error <= allowed:
            return didt_a_per_us * lattice.read(points)
    return didt_a_per_us * summed(points)


def _require_points(points_mm: FloatArray) -> FloatArray:
    """Return points as a contiguous float64 array."""
    points = np.ascontiguousarray(points_mm, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
        raise GeometryError("expected finite points of shape (point, 3)")
    return points


def _place(coil: Coil, matrix: FloatArray) -> _Sources:
    """Bring the elements of a coil into the frame of a pose."""
    pose = np.asarray(matrix, dtype=np.float64)
    if pose.shape != (4, 4) or not np.isfinite(pose).all():
        raise GeometryError("expected a pose as a finite 4x4 matrix")
    axes, origin = pose[:3, :3], pose[:3, 3]
    if np.abs(axes.T @ axes - np.eye(3)).max() > _SLACK or np.linalg.det(axes) < 0:
        raise GeometryError(
            "the pose of the coil is not a rigid motion", fix="its columns must be orthogonal, of length 1, x = y × z"
        )

    def turned(vectors: FloatArray, shift: FloatArray | float) -> FloatArray:
        return np.ascontiguousarray((vectors.astype(np.float64) @ axes.T + shift).T)

    return _Sources(
        turned(coil.dipoles_mm, origin),
        turned(coil.moments_m2, 0.0),
        turned(coil.wires_mm, origin),
        turned(coil.wires_m, 0.0),
    )


def _sum(sources: _Sources, points: FloatArray) -> FloatArray:
    """Sum every element at every point, for 1 A/µs."""
    field = np.zeros(points.shape)
    closest2 = float(facts.load("coils")["sum"]["closest_mm"]) ** 2
    if sources.dipoles_mm.size:
        _add_dipoles(points, sources.dipoles_mm, sources.moments_m2 * _PER_DIPOLE, closest2, field)
    if sources.wires_mm.size:
        _add_wires(points, sources.wires_mm, sources.wires_m * _PER_WIRE, closest2, field)
    return field


def _fmm3dpy(*, needed: bool) -> Any:
    """Return the fast multipole library, or None where it is not installed and not needed."""
    try:
        import fmm3dpy
    except ImportError:
        if not needed:
            return None
        raise ResourceError(
            "the method 'fmm' needs fmm3dpy, which is not installed",
            fix='install it with: pip install "actionloop[fmm]", or leave the method to be chosen',
        ) from None
    return fmm3dpy


def _multipoles(library: Any, sources: _Sources, points: FloatArray) -> FloatArray:
    """Sum by the fast multipole method, for 1 A/µs.

    Component k of m × r/r³ is the potential of the dipole e_k × m; that of dl/r is the potential of the charge dl_k.
    """
    known = facts.load("coils")["sum"]
    # 1 or 1/4π, by the version: the potential of a unit charge at distance 1
    unit = library.l3ddir(
        sources=np.zeros((3, 1)), charges=np.ones(1), targets=np.array([[1.0], [0.0], [0.0]]), pgt=1
    ).pottarg.item()
    targets = np.asfortranarray(points.T)
    field = np.zeros(points.shape)
    if sources.dipoles_mm.size:
        strength = np.cross(np.eye(3)[:, None], sources.moments_m2.T * _PER_DIPOLE).transpose(0, 2, 1)
        found = library.lfmm3d(
            eps=known["fmm_tolerance"], sources=sources.dipoles_mm, dipvec=strength, targets=targets, pgt=1, nd=3
        )
        field += found.pottarg.T / unit
    if sources.wires_mm.size:
        charges = sources.wires_m * _PER_WIRE
        found = library.lfmm3d(
            eps=known["fmm_tolerance"], sources=sources.wires_mm, charges=charges, targets=targets, pgt=1, nd=3
        )
        field += found.pottarg.T / unit
    # the balls that stand in for points near by are not in it
    places = sources.places()
    low, high = places.min(axis=0) - known["closest_mm"], places.max(axis=0) + known["closest_mm"]
    close = ((points >= low) & (points <= high)).all(axis=1)
    field[close] = _sum(sources, points[close])
    return field


@numba.njit(cache=True, parallel=True, fastmath=True)  # type: ignore[untyped-decorator]
def _add_dipoles(points: Any, places: Any, moments: Any, closest2: Any, field: Any) -> None:
    """Add m × r/r³ of every dipole."""
    px, py, pz = places[0], places[1], places[2]
    mx, my, mz = moments[0], moments[1], moments[2]
    for point in numba.prange(points.shape[0]):
        x, y, z = points[point, 0], points[point, 1], points[point, 2]
        a = b = c = 0.0
        for k in range(px.shape[0]):
            dx, dy, dz = x - px[k], y - py[k], z - pz[k]
            r2 = max(dx * dx + dy * dy + dz * dz, closest2)
            w = 1.0 / (r2 * np.sqrt(r2))
            a += (my[k] * dz - mz[k] * dy) * w
            b += (mz[k] * dx - mx[k] * dz) * w
            c += (mx[k] * dy - my[k] * dx) * w
        field[point, 0] += a
        field[point, 1] += b
        field[point, 2] += c


@numba.njit(cache=True, parallel=True, fastmath=True)  # type: ignore[untyped-decorator]
def _add_wires(points: Any, places: Any, lengths: Any, closest2: Any, field: Any) -> None:
    """Add dl/r of every piece of wire."""
    px, py, pz = places[0], places[1], places[2]
    lx, ly, lz = lengths[0], lengths[1], lengths[2]
    for point in numba.prange(points.shape[0]):
        x, y, z = points[point, 0], points[point, 1], points[point, 2]
        a = b = c = 0.0
        for k in range(px.shape[0]):
            dx, dy, dz = x - px[k], y - py[k], z - pz[k]
            w = 1.0 / np.sqrt(max(dx * dx + dy * dy + dz * dz, closest2))
            a += lx[k] * w
            b += ly[k] * w
            c += lz[k] * w
        field[point, 0] += a
        field[point, 1] += b
        field[point, 2] += c
