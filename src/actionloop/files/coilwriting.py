"""Writing a coil of magnetic dipoles as a .ccd file, for programs that compute fields."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from actionloop.errors import InputError
from actionloop.files.writing import write_text
from actionloop.types import Coil


def write_coil(path: Path, coil: Coil) -> None:
    """Write a coil as a .ccd file.

    Parameters
    ----------
    path : Path
    coil : Coil
        Of dipoles alone.

    Raises
    ------
    InputError
        A coil with pieces of wire: the format has none.

    References
    ----------
    .. [1] Thielscher, Kammer 2004, doi:10.1016/j.clinph.2004.02.019 (coils as dipoles)
    """
    if len(coil.wires_mm) or not len(coil.dipoles_mm):
        raise InputError(
            f"the coil {coil.name!r} is made of pieces of wire, which a .ccd file cannot hold",
            where=coil.source or None,
            fix="give the coil as a .ccd file",
        )
    name = "".join(character for character in coil.name if character.isprintable() and character not in ";=#")
    said = [f"dIdtmax={coil.didt_max_a_per_us:.6g}"] if coil.didt_max_a_per_us is not None else []
    rows = np.column_stack((coil.dipoles_mm / 1000, coil.moments_m2))
    lines = [
        ";".join(["# dipoles of a coil, written by actionloop", *said, f"coilname={name}"]),
        str(len(rows)),
        "# centres (m) and moments (A m2 for 1 A)",
        *(" ".join(f"{value:.9e}" for value in row) for row in rows),
    ]
    write_text(path, "\n".join(lines) + "\n")
