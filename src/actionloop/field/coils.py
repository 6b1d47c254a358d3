"""Coils that come with the program, and the outline of any coil."""

from __future__ import annotations

from typing import Any

import numpy as np

from actionloop import facts
from actionloop.errors import GeometryError, OptionError
from actionloop.types import Coil, FloatArray


def figure_of_eight(
    *, name: str = "figure-of-eight-70mm", spacing_mm: float | None = None, n_layers: int | None = None
) -> Coil:
    """Make a flat figure-of-eight coil of circular turns.

    While the current rises it flows along -y under the middle (towards the handle), so that it induces an electric
    field along +y in the head there (away from the handle): with the handle backwards, from the back to the front.
    The field of a falling current is the opposite.

    Parameters
    ----------
    name : str
        A coil of data/coils.toml with two wings.
    spacing_mm : float, optional
        Between wire elements along a turn; by default as in the file.
    n_layers : int, optional
        Filaments that stand in for the height of the conductor.

    Returns
    -------
    Coil
        Of wires. Leads, the crossing between the wings and the skin effect are left out.

    Raises
    ------
    OptionError
        No such coil, or settings that make none.
    """
    return _build(name, n_wings=2, spacing_mm=spacing_mm, n_layers=n_layers)


def round_coil(*, name: str = "round-90mm", spacing_mm: float | None = None, n_layers: int | None = None) -> Coil:
    """Make a flat round coil of circular turns.

    While the current rises it runs clockwise as seen from behind the coil (right-handed about +z), so that it induces
    an electric field that runs anticlockwise; under the middle there is none.

    Parameters
    ----------
    name : str
        A coil of data/coils.toml with one wing.
    spacing_mm, n_layers
        As for `figure_of_eight`.

    Returns
    -------
    Coil

    Raises
    ------
    OptionError
    """
    return _build(name, n_wings=1, spacing_mm=spacing_mm, n_layers=n_layers)


def find_coil(name: str) -> Coil:
    """Return a coil that comes with the program.

    Parameters
    ----------
    name : str
        As in data/coils.toml; capitals, blanks and underscores do not matter.

    Returns
    -------
    Coil

    Raises
    ------
    OptionError
        No such coil.
    """
    plain = "-".join(name.lower().replace("_", " ").replace("-", " ").split())
    return (figure_of_eight if _settings(plain)["wing_x_mm"] else round_coil)(name=plain)


def casing_of(coil: Coil) -> FloatArray:
    """Points whose convex hull holds the coil.

    A coil whose file has a casing has its own. Otherwise the elements are taken, with a margin sideways and backwards
    (data/coils.toml); the face towards the head is the plane z = 0 of the coil where no element lies in front of it,
    else the margin in front of the elements. The hull of a coil that is bent around the head fills the hollow in which
    the head lies, and keeps such a coil farther away than it is.

    Parameters
    ----------
    coil : Coil

    Returns
    -------
    (point, 3) float64 ndarray
        Corners of the hull, mm, in coil axes.

    Raises
    ------
    GeometryError
        The casing has no volume.
    """
    if len(coil.casing_mm):
        return _corners(coil.casing_mm.astype(np.float64), coil)
    margin = float(facts.load("coils")["casing"]["margin_mm"])
    elements = np.unique(np.concatenate((coil.dipoles_mm, coil.wires_mm)).astype(np.float64), axis=0)
    around = margin * np.column_stack((_circle(), np.zeros(len(_circle()))))
    back = elements[:, None] + around - np.array([0.0, 0.0, margin])
    front = elements[:, None] + around
    front[..., 2] = front[..., 2] + margin if elements[:, 2].max() > 0 else 0.0
    return _corners(np.concatenate((back, front)).reshape(-1, 3), coil)


def _settings(name: str) -> dict[str, Any]:
    """Look up the settings of a coil."""
    known: dict[str, dict[str, Any]] = facts.load("coils")["coil"]
    if name not in known:
        raise OptionError(
            f"there is no coil {name!r} in the program",
            fix=f"choose one of {', '.join(known)}, or give the coil's file (.ccd or .tcd)",
        )
    return known[name]


def _build(name: str, *, n_wings: int, spacing_mm: float | None, n_layers: int | None) -> Coil:
    """Put the turns of every wing together, and the casing around them."""
    known = _settings(name)
    if (known["wing_x_mm"] > 0) != (n_wings == 2):
        raise OptionError(f"the coil {name!r} does not have {n_wings} wing{'s' if n_wings > 1 else ''}")
    spacing = known["spacing_mm"] if spacing_mm is None else spacing_mm
    layers = known["n_layers"] if n_layers is None else n_layers
    if not (np.isfinite(spacing) and spacing > 0 and layers >= 1):
        raise OptionError("the spacing of wire elements must be above 0, and at least one layer is needed")
    centres = (known["wing_x_mm"], -known["wing_x_mm"])[:n_wings]
    senses = (known["sense"], -known["sense"])[:n_wings]
    wings = [_wing(known, x, sense, spacing, layers) for x, sense in zip(centres, senses, strict=True)]
    rim = (known["outer_radius_mm"] + known["casing_margin_mm"]) * _circle()
    faces = [
        np.column_stack((rim + np.array([x, 0.0]), np.full(len(rim), z)))
        for x in centres
        for z in (0.0, -known["casing_thickness_mm"])
    ]
    return Coil(
        name=name,
        wires_mm=np.concatenate([where for where, _ in wings]),
        wires_m=np.concatenate([along for _, along in wings]),
        casing_mm=np.concatenate(faces),
    )


def _wing(
    known: dict[str, Any], centre_x_mm: float, sense: float, spacing_mm: float, n_layers: int
) -> tuple[FloatArray, FloatArray]:
    """Wire elements of one wing: middles in mm, and direction times length in m.

    Elements are tangents at equal angles whose lengths add up to the circle: the rule of trapezia, whose error for a
    circle falls exponentially with their number.
    """
    nodes, weights = np.polynomial.legendre.leggauss(n_layers)
    middles, along = [], []
    for radius in np.linspace(known["inner_radius_mm"], known["outer_radius_mm"], known["n_turns"]):
        n = max(8, 2 * int(np.ceil(np.pi * radius / spacing_mm)))  # even, so that the wings are mirror images
        angle = (np.arange(n) + 0.5) * 2 * np.pi / n
        outward = np.column_stack((np.cos(angle), np.sin(angle), np.zeros(n)))
        tangent = np.column_stack((-outward[:, 1], outward[:, 0], outward[:, 2]))
        for node, weight in zip(nodes, weights / 2, strict=True):
            z = known["middle_z_mm"] + node * known["height_mm"] / 2
            middles.append(radius * outward + np.array([centre_x_mm, 0.0, z]))
            along.append(sense * weight * 2 * np.pi * radius / n / 1000 * tangent)
    return np.concatenate(middles), np.concatenate(along)


def _circle() -> FloatArray:
    """Corners of a polygon around the unit circle; (point, 2)."""
    n = facts.load("coils")["casing"]["n_round"]
    angle = 2 * np.pi * np.arange(n) / n
    corners: FloatArray = np.column_stack((np.cos(angle), np.sin(angle))) / np.cos(np.pi / n)
    return corners


def _corners(points_mm: FloatArray, coil: Coil) -> FloatArray:
    """Corners of the convex hull."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        corners: FloatArray = points_mm[ConvexHull(points_mm).vertices]
    except (QhullError, ValueError):
        raise GeometryError(
            f"the casing of the coil {coil.name!r} has no volume", where=coil.source or None, fix="check the coil file"
        ) from None
    return corners
