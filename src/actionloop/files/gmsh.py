"""Heads of tetrahedra in gmsh's .msh files: version 2 (text or binary), versions 4.0 and 4.1 (text)."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actionloop.errors import GeometryError, InputError
from actionloop.files.gmshparts import Parts, damaged, read_parts
from actionloop.files.opening import check_file
from actionloop.types import IntArray, Mesh

# A head, or a part of one, in mm; narrower or wider, and the file counts in another unit.
_LEAST_EXTENT_MM, _MOST_EXTENT_MM = 50.0, 1500.0


@dataclass(frozen=True, eq=False)
class GmshFile:
    """An open file: its bytes, where its sections begin, its version, and how numbers are written.

    Attributes
    ----------
    mesh : Mesh
    numbers : (tetrahedron,) int64 ndarray
        Number of each tetrahedron, by which fields name it.
    data : bytes
    begin : int
    version : float
    binary : bool
    """

    mesh: Mesh
    numbers: IntArray
    data: bytes
    begin: int
    version: float
    binary: bool


def read_mesh(path: str | Path, *, frame: str) -> Mesh:
    """Read the tetrahedra of a gmsh file; triangles, lines and data are left aside.

    The tissue of a tetrahedron is its first physical group, or where the file has no such groups its entity.

    Parameters
    ----------
    path : path
        .msh of version 2.x, text or binary of either byte order, or 4.0 or 4.1 as text; in mm.
    frame : str
        Name of the frame of its coordinates.

    Returns
    -------
    Mesh

    Raises
    ------
    InputError
        Missing, truncated, damaged, not of gmsh, another version, or without tetrahedra.
    GeometryError
        Not in millimetres, coordinates that are not finite, or tetrahedra that name nodes that are not there.
    """
    return open_gmsh(check_file(path), frame=frame).mesh


def open_gmsh(path: Path, *, frame: str) -> GmshFile:
    """Read the tetrahedra with their numbers, and keep the file's bytes for its fields; errors as in `read_mesh`."""
    data = path.read_bytes()
    head = re.search(rb"\$MeshFormat\s+(\d+(?:\.\d+)?)\s+(\d+)\s+(\d+)[ \t]*\r?\n", data[:4096])
    if head is None:
        raise InputError("this is not a gmsh file ($MeshFormat is missing)", where=path, fix="give a .msh head")
    version, binary = float(head[1]), head[2] != b"0"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # text that is not a number only warns
            parts = read_parts(data, head.end(), version, binary=binary, path=path)
    except (ValueError, IndexError, OverflowError, DeprecationWarning) as error:
        raise damaged(path) from error
    return GmshFile(_mesh(parts, path, frame), parts.numbers, data, head.end(), version, binary)


def _mesh(parts: Parts, path: Path, frame: str) -> Mesh:
    """Return the mesh, its nodes named by their place in the list, if it can be a head in mm."""
    if not len(parts.tetrahedra):
        raise InputError(
            "the mesh has no tetrahedra (only surfaces, or nothing)", where=path, fix="give the head's volume mesh"
        )
    if not np.isfinite(parts.nodes).all():
        raise GeometryError("coordinates of the mesh hold NaN or infinite values", where=path)
    order = np.argsort(parts.tags, kind="stable")
    tags = parts.tags[order]
    if (np.diff(tags) == 0).any():
        raise GeometryError("two nodes of the mesh have the same number", where=path, fix="make or copy it again")
    place = np.minimum(np.searchsorted(tags, parts.tetrahedra), len(tags) - 1)
    if (tags[place] != parts.tetrahedra).any():
        raise GeometryError("tetrahedra name nodes that are not there", where=path, fix="make or copy it again")
    tetrahedra: IntArray = order[place]
    used = parts.nodes[tetrahedra.ravel()]
    extent = float((used.max(axis=0) - used.min(axis=0)).max())
    if not _LEAST_EXTENT_MM <= extent <= _MOST_EXTENT_MM:
        raise GeometryError(
            f"the mesh is {extent:.3g} wide; expected a head in millimetres ({_LEAST_EXTENT_MM:g} to "
            f"{_MOST_EXTENT_MM:g})",
            where=path,
            fix="it is probably in metres or centimetres: scale its coordinates to mm",
        )
    return Mesh(parts.nodes, tetrahedra, parts.region, frame, str(path))
