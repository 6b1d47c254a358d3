"""The program's own coils as magnetic dipoles, for programs that read no pieces of wire."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from actionloop import facts
from actionloop.errors import OptionError
from actionloop.field.coils import find_coil
from actionloop.types import Coil, FloatArray


def dipole_coil(name: str, *, spacing_mm: float | None = None) -> Coil:
    """Return a coil that comes with the program as dipoles instead of wires.

    A closed flat turn makes, away from it, the field of a sheet of dipoles over its disc, of the current's moment per
    area; turns within turns add up. The sheets are summed on rings by Gauss's rule.

    Parameters
    ----------
    name : str
        As for `find_coil`.
    spacing_mm : float, optional
        Largest distance of neighbouring dipoles; by default as in data/coils.toml.

    Returns
    -------
    Coil

    Raises
    ------
    OptionError
        No such coil, or a distance that is not above 0.
    """
    coil = find_coil(name)
    known = facts.load("coils")["coil"][coil.name]
    spacing = float(facts.load("coils")["dipoles"]["spacing_mm"] if spacing_mm is None else spacing_mm)
    if not (np.isfinite(spacing) and spacing > 0):
        raise OptionError(f"the dipoles lie {spacing} mm apart, expected above 0", where="spacing_mm")
    wings = [(known["wing_x_mm"], known["sense"])]
    if known["wing_x_mm"]:
        wings.append((-known["wing_x_mm"], -known["sense"]))
    rings = _rings(known, spacing)
    nodes, weights = np.polynomial.legendre.leggauss(known["n_layers"])
    places, moments = [], []
    for centre_x_mm, sense in wings:
        for node, weight in zip(nodes, weights / 2, strict=True):
            z = known["middle_z_mm"] + node * known["height_mm"] / 2
            places.append(rings[:, :3] + np.array([centre_x_mm, 0.0, z]))
            moments.append(np.column_stack((np.zeros((len(rings), 2)), sense * weight * rings[:, 3] / 1e6)))
    return Coil(
        name=coil.name,
        dipoles_mm=np.concatenate(places),
        moments_m2=np.concatenate(moments),
        didt_max_a_per_us=coil.didt_max_a_per_us,
        casing_mm=coil.casing_mm,
    )


def _rings(known: dict[str, Any], spacing_mm: float) -> FloatArray:
    """Places on the disc of one wing, mm, and their share of turns times area, mm²; (place, 4)."""
    turns = np.linspace(known["inner_radius_mm"], known["outer_radius_mm"], known["n_turns"])
    edges = np.concatenate(([0.0], turns))
    found = []
    for index, (inner, outer) in enumerate(pairwise(edges)):
        around = known["n_turns"] - index  # turns that this ring lies within
        n_rings = max(2, int(np.ceil((outer - inner) / spacing_mm)))
        nodes, weights = np.polynomial.legendre.leggauss(n_rings)
        for radius, width in zip(
            (inner + outer) / 2 + nodes * (outer - inner) / 2, weights * (outer - inner) / 2, strict=True
        ):
            n = max(6, 2 * int(np.ceil(np.pi * radius / spacing_mm)))
            angle = (np.arange(n) + 0.5) * 2 * np.pi / n
            share = np.full(n, around * 2 * np.pi * radius * width / n)
            found.append(np.column_stack((radius * np.cos(angle), radius * np.sin(angle), np.zeros(n), share)))
    rings: FloatArray = np.concatenate(found)
    return rings
