"""The electric field that another program left in a gmsh file: a value for each tetrahedron."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actionloop.errors import GeometryError, InputError
from actionloop.files.gmsh import GmshFile, open_gmsh
from actionloop.files.gmshparts import byte_order, damaged
from actionloop.files.opening import check_file
from actionloop.types import FloatArray, IntArray, Mesh

_SECTION = re.compile(rb"^\$(ElementData|NodeData)[ \t]*\r?\n", re.MULTILINE)
_MOST_TAGS = 100


@dataclass(frozen=True, eq=False)
class MeshField:
    """Length of the electric field in each tetrahedron of a head.

    Attributes
    ----------
    mesh : Mesh
    strength : (tetrahedron,) float64 ndarray
        |E| in V/m, for whatever rate of change of the current the file was computed with.
    name : str
        Of the field in the file.
    """

    mesh: Mesh
    strength: FloatArray
    name: str


@dataclass(frozen=True, eq=False)
class _Section:
    """One field of the file: elements or nodes, its name, the number of each element, values."""

    kind: str
    name: str
    numbers: IntArray
    values: FloatArray


def read_mesh_field(path: str | Path, *, frame: str, names: Sequence[str]) -> MeshField:
    """Read |E| of every tetrahedron of a result of SimNIBS.

    Parameters
    ----------
    path : path
        .msh of version 2.x, text or binary, in mm, with the field as 'ElementData'.
    frame : str
        Name of the frame of its coordinates.
    names : sequence of str
        What the field may be called, the first that is there counts; one of three components gives its length.

    Returns
    -------
    MeshField

    Raises
    ------
    InputError
        Not such a file, truncated, or without a field of one of these names for every tetrahedron.
    GeometryError
        A field that is not finite or negative, or a mesh that is no head in mm.

    References
    ----------
    .. [1] Gmsh reference manual, 'MSH file format version 2'; simnibs.github.io/simnibs, 'File formats'
    """
    path = check_file(path)
    opened = open_gmsh(path, frame=frame)
    if opened.version >= 3:
        raise InputError(
            f"fields are read from gmsh files of version 2, as SimNIBS writes them; this is version {opened.version:g}",
            where=path,
            fix="give SimNIBS's own result",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # text that is not a number only warns
            found = _sections(opened, path)
    except (ValueError, IndexError, OverflowError, DeprecationWarning) as error:
        raise damaged(path, "ElementData") from error
    for name in names:
        section = next((one for one in found if one.kind == "ElementData" and one.name == name), None)
        if section is not None:
            return MeshField(opened.mesh, _strength(section, opened.numbers, path), name)
    held = ", ".join(f"{one.name} ({'tetrahedra' if one.kind == 'ElementData' else 'nodes'})" for one in found)
    raise InputError(
        f"expected a field of the tetrahedra called {' or '.join(names)}, found {held or 'no field at all'}",
        where=path,
        fix="give the result of the simulation (..._scalar.msh), computed with the fields 'eE'",
    )


def _strength(section: _Section, wanted: IntArray, path: Path) -> FloatArray:
    """Length of a field in the order of the tetrahedra."""
    order = np.argsort(section.numbers, kind="stable")
    numbers = section.numbers[order]
    place = np.minimum(np.searchsorted(numbers, wanted), max(len(numbers) - 1, 0))
    if not len(numbers) or (numbers[place] != wanted).any():
        raise InputError(
            f"the field {section.name!r} has no value for some of the {len(wanted)} tetrahedra",
            where=path,
            fix="give a result of the whole head",
        )
    values = section.values[order[place]]
    if values.shape[1] not in (1, 3):
        raise InputError(f"the field {section.name!r} has {values.shape[1]} components; expected 1 or 3", where=path)
    strength: FloatArray = values[:, 0] if values.shape[1] == 1 else np.linalg.norm(values, axis=1)
    if not np.isfinite(strength).all() or (strength < 0).any():
        raise GeometryError(
            f"the field {section.name!r} holds values that are not finite, or a length below 0",
            where=path,
            fix="look at the log of the program that computed it",
        )
    return strength


def _sections(opened: GmshFile, path: Path) -> list[_Section]:
    """Read every field behind the elements."""
    data, found = opened.data, []
    at = data.find(b"$EndElements", opened.begin)
    order = byte_order(data, opened.begin, path) if opened.binary else ""
    while (start := _SECTION.search(data, at)) is not None:
        kind = start[1]
        texts, at = _tags(data, start.end(), path)
        _, at = _tags(data, at, path)
        counts, at = _tags(data, at, path)
        if not texts or len(counts) < 3:
            raise damaged(path, kind.decode())
        n_components, n_rows = int(counts[1]), int(counts[2])
        if not 1 <= n_components <= 9 or not 0 <= n_rows <= len(data):
            raise damaged(path, kind.decode())
        name = texts[0].strip().strip(b'"').decode("utf-8", "replace")
        if opened.binary:
            row = np.dtype([("number", order + "i4"), ("values", order + "f8", (n_components,))])
            if at + n_rows * row.itemsize > len(data):
                raise damaged(path, kind.decode())
            rows = np.frombuffer(data, row, n_rows, at)
            numbers, values = rows["number"].astype(np.int64), rows["values"].astype(np.float64)
            at += rows.nbytes
        else:
            end = data.find(b"$End" + kind, at)
            table = np.fromstring(data[at : max(end, at)], sep=" ").reshape(n_rows, 1 + n_components)
            numbers, values, at = table[:, 0].astype(np.int64), table[:, 1:], max(end, at)
        if not data[at : at + 64].lstrip().startswith(b"$End" + kind):
            raise damaged(path, kind.decode())
        found.append(_Section(kind.decode(), name, numbers, values))
    return found


def _tags(data: bytes, at: int, path: Path) -> tuple[list[bytes], int]:
    """Read a count and as many lines; returns also where the next line begins."""

    def line(begin: int) -> tuple[bytes, int]:
        end = data.find(b"\n", begin)
        if end < 0:
            raise damaged(path, "ElementData")
        return data[begin:end].strip(), end + 1

    said, at = line(at)
    n_tags = int(said)
    if not 0 <= n_tags <= _MOST_TAGS:
        raise damaged(path, "ElementData")
    tags = []
    for _ in range(n_tags):
        tag, at = line(at)
        tags.append(tag)
    return tags, at
