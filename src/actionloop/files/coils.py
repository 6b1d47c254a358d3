"""Reading coils: dipoles (.ccd) and coil definitions (.tcd)."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from actionloop.errors import InputError
from actionloop.files.coildefinition import parse_definition
from actionloop.files.opening import check_file, reading
from actionloop.types import Coil, FloatArray

_MOST_BYTES = 256 * 2**20
"""Real coil files have 0.1 to 40 MB; the largest hold a sampled field, which is not read."""
_SMALLEST_MM = 5.0
"""Extent of the elements of the smallest coils for rodents, roughly; smaller ones are a matter of units."""
_LARGEST_MOMENT_M2 = 10.0
"""Sum of all moments; coils for people have 0.05 to 0.2 m²."""
_DIDT_A_PER_US = (1.0, 1000.0)
"""Largest rates of change that stimulators reach lie at 30 to 300 A/µs."""
_NOT_SAID = {"", "none", "nan", "unknown", "n/a", "-"}


def read_coil(path: str | Path, *, stimulator: str | int | None = None) -> Coil:
    """Read a coil file.

    Parameters
    ----------
    path : path
        .ccd: text; header of `key=value` after semicolons (dIdtmax in A/µs, coilname, brand; all may be missing),
        number of dipoles, rows of x y z (m) and moment (A·m² per A). .tcd: JSON; dipoles or pieces of wire in mm, as
        arrays or compressed, with stimulators and casings.
    stimulator : str or int, optional
        Of a .tcd file whose elements belong to several stimulators: name or number (from 0) of the one whose elements
        are read. There is no default then: each stimulator has its own current, so that one coil made of all elements,
        or of the first stimulator's without anybody's saying so, would give the field of something nobody uses.

    Returns
    -------
    Coil

    Raises
    ------
    InputError
        Missing, empty, truncated or foreign file, a sampled field (.nii.gz, elements of type 3), moving parts that are
        not at rest, several stimulators and none chosen, or values that only another unit explains.
    GeometryError
        Elements without a field, not finite, or too far away.

    References
    ----------
    .. [1] Thielscher, Kammer 2004, doi:10.1016/j.clinph.2004.02.019 (coils as dipoles)
    .. [2] Formats: simnibs.github.io/simnibs, "File formats" and the schema of .tcd files
    """
    path = check_file(path)
    name = path.name.lower()
    if name.endswith((".nii", ".nii.gz")):
        raise InputError(
            "this is a sampled field of a coil (NIfTI), which is not read",
            where=path,
            fix="give the coil's .ccd or .tcd file; most coils come as both",
        )
    if not name.endswith((".ccd", ".tcd")):
        raise InputError("expected a coil file ending in .ccd or .tcd", where=path)
    with reading(path, "coil"):
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(
                f"the file has {path.stat().st_size / 2**20:.0f} MB; coil files have at most {_MOST_BYTES // 2**20}",
                where=path,
                fix="check that this is a coil file",
            )
        text = _text(path)
        coil = parse_definition(text, path, stimulator) if name.endswith(".tcd") else _parse_dipoles(text, path)
    if stimulator is not None and name.endswith(".ccd"):
        raise InputError("a .ccd file has one stimulator; there is none to choose", where=path)
    _require_plausible(coil, path, lengths="mm" if name.endswith(".tcd") else "metres")
    return coil


def _text(path: Path) -> str:
    """Contents of a text file."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(
            "this is not a text file in UTF-8, as coil files are",
            where=path,
            fix="check that the right file was given, or save it again as UTF-8",
        ) from None


def _parse_dipoles(text: str, path: Path) -> Coil:
    """Take a .ccd file apart: comments with the header in the first of them, the count, and the rows."""
    header: dict[str, str] = {}
    count: int | None = None
    rows: list[list[float]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("#"):
            if not rows:
                header.update(re.findall(r";\s*(\w+)\s*=\s*([^;]*)", line))
            continue
        words = line.split()
        if len(words) == 1 and count is None and not rows and words[0].isdecimal() and len(words[0]) < 10:
            count = int(words[0])
        elif words:
            rows.append(_numbers(words, number, path))
    if not rows:
        raise InputError("the file has no dipoles", where=path, fix="check that this is a complete .ccd file")
    if count is not None and count > len(rows):
        raise InputError(
            f"the file says {count} dipoles and has {len(rows)}: it is truncated, or the count is wrong",
            where=path,
            fix="copy it again; if it is complete, correct the count in its second line",
        )
    values = np.array(rows)
    said = {key.lower(): "" if value.strip().lower() in _NOT_SAID else value.strip() for key, value in header.items()}
    return Coil(
        name=said.get("coilname") or path.stem,
        dipoles_mm=1000 * values[:, :3],
        moments_m2=values[:, 3:],
        didt_max_a_per_us=_largest_didt(said.get("didtmax", ""), path),
        brand=said.get("brand", ""),
        source=str(path),
    )


def _numbers(words: list[str], line: int, path: Path) -> list[float]:
    """Six numbers of one line."""
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if len(values) != 6:
        raise InputError(
            f"line {line}: expected six numbers (x y z in metres and the moment), found {' '.join(words)[:60]!r}",
            where=path,
            fix="check that this is a complete .ccd file",
        )
    return values


def _largest_didt(said: str, path: Path) -> float | None:
    """Largest rate of change of the current in the header of a .ccd file."""
    if not said:
        return None
    try:
        return float(said)
    except ValueError:
        raise InputError(
            f"dIdtmax is not a number: {said[:40]!r}", where=path, fix="correct or remove it in the first line (A/µs)"
        ) from None


def _require_plausible(coil: Coil, path: Path, *, lengths: str) -> None:
    """Refuse values that only another unit explains; `Coil` has refused what is too large."""
    places: FloatArray = np.concatenate((coil.dipoles_mm, coil.wires_mm))
    extent = float(np.ptp(places, axis=0).max())
    if len(places) > 1 and extent < _SMALLEST_MM:
        raise InputError(
            f"the coil is {extent:.3g} mm across, which is too small for one",
            where=path,
            fix=f"the file's lengths are probably in another unit than {lengths}",
        )
    moment = float(np.linalg.norm(coil.moments_m2, axis=1).sum())
    if moment > _LARGEST_MOMENT_M2:
        raise InputError(
            f"the dipoles add up to {moment:.3g} A·m² per A, which is too much for a coil",
            where=path,
            fix="moments must be in A·m² for a current of 1 A",
        )
    low, high = _DIDT_A_PER_US
    didt = coil.didt_max_a_per_us
    if didt is not None and not (math.isfinite(didt) and low <= didt <= high):
        raise InputError(
            f"the largest dI/dt comes out as {didt:.3g} A/µs; {low:g} to {high:g} is possible",
            where=path,
            fix="correct or remove it: dIdtmax of a .ccd file is in A/µs, maxdIdt of a .tcd file in A/s",
        )
