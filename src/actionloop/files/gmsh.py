"""Heads of tetrahedra in gmsh's .msh files: version 2 (text or binary), versions 4.0 and 4.1 (text)."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actionloop.errors import GeometryError, InputError
from actionloop.files.opening import check_file
from actionloop.types import FloatArray, IntArray, Mesh

# Nodes of each of gmsh's element types (gmsh reference manual, 'MSH file format').
_NODES = {1: 2, 2: 3, 3: 4, 4: 4, 5: 8, 6: 6, 7: 5, 8: 3, 9: 6, 10: 9, 11: 10, 12: 27, 13: 18, 14: 14, 15: 1, 16: 8}
_NODES |= {17: 20, 18: 15, 19: 13, 20: 9, 21: 10, 22: 12, 23: 15, 24: 15, 25: 21, 26: 4, 27: 5, 28: 6, 29: 20, 30: 35}
_NODES |= {31: 56, 92: 64, 93: 125}
_TETRAHEDRON = 4
# Other elements that fill space: without them the head would have holes.
_VOLUMES = {5, 6, 7, 11, 12, 13, 14, 17, 18, 19, 29, 30, 31, 92, 93}
# A head, or a part of one, in mm; narrower or wider, and the file counts in another unit.
_LEAST_EXTENT_MM, _MOST_EXTENT_MM = 50.0, 1500.0
_SAVE_AGAIN = "save it again as version 2.2 (gmsh -save -format msh22 ...)"


@dataclass(frozen=True, eq=False)
class _Parts:
    """What a file holds: number and place of each node; node numbers and tissue of each tetrahedron."""

    tags: IntArray
    nodes: FloatArray
    tetrahedra: IntArray
    region: IntArray


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
    path = check_file(path)
    data = path.read_bytes()
    head = re.search(rb"\$MeshFormat\s+(\d+(?:\.\d+)?)\s+(\d+)\s+(\d+)[ \t]*\r?\n", data[:4096])
    if head is None:
        raise InputError("this is not a gmsh file ($MeshFormat is missing)", where=path, fix="give a .msh head")
    version, binary = float(head[1]), head[2] != b"0"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # text that is not a number only warns
            parts = _read(data, head.end(), version, binary=binary, path=path)
    except (ValueError, IndexError, OverflowError, DeprecationWarning) as error:
        raise _damaged(path) from error
    return _mesh(parts, path, frame)


def _read(data: bytes, begin: int, version: float, *, binary: bool, path: Path) -> _Parts:
    if 2.0 <= version < 3.0:
        return _read_binary(data, begin, path) if binary else _read_text_2(data, begin, path)
    if version in (4.0, 4.1) and not binary:
        return _read_text_4(data, begin, path, interleaved=version == 4.0)
    kind = f"version {version:g}{' binary' if binary else ''}"
    raise InputError(f"this is a gmsh file of {kind}, which is not read", where=path, fix=_SAVE_AGAIN)


def _mesh(parts: _Parts, path: Path, frame: str) -> Mesh:
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


def _read_binary(data: bytes, begin: int, path: Path) -> _Parts:
    mark = data[begin : begin + 4]
    order = "<" if mark == b"\x01\0\0\0" else ">"
    if np.frombuffer(mark, order + "i4")[0] != 1:
        raise _damaged(path)
    n_nodes, begin = _count(data, b"Nodes", begin + 4, path)
    nodes = np.frombuffer(data, np.dtype([("tag", order + "i4"), ("xyz", order + "f8", 3)]), n_nodes, begin)
    begin += nodes.nbytes
    n_elements, begin = _count(data, b"Elements", begin, path)
    numbers = np.frombuffer(data, order + "i4", (len(data) - begin) // 4, begin)
    tetrahedra, region, used = _rows(numbers, n_elements, (0, 2, 3), path)
    if not data[begin + 4 * used :][:32].lstrip().startswith(b"$EndElements"):
        raise _damaged(path, "Elements")
    return _Parts(nodes["tag"].astype(np.int64), nodes["xyz"].astype(np.float64), tetrahedra, region)


def _read_text_2(data: bytes, begin: int, path: Path) -> _Parts:
    nodes = _numbers(data, b"Nodes", begin, float, path)
    n_nodes = int(nodes[0])
    if len(nodes) != 1 + 4 * n_nodes:
        raise _damaged(path)
    nodes = nodes[1:].reshape(n_nodes, 4)
    elements = _numbers(data, b"Elements", begin, int, path)
    tetrahedra, region, used = _rows(elements[1:], int(elements[0]), (1, 2, 0), path)
    if used != len(elements) - 1:
        raise _damaged(path, "Elements")
    return _Parts(nodes[:, 0].astype(np.int64), nodes[:, 1:].copy(), tetrahedra, region)


def _rows(
    numbers: IntArray, n_elements: int, columns: tuple[int, int, int], path: Path
) -> tuple[IntArray, IntArray, int]:
    """Read elements one after another, whole runs of the same make at once; returns also how many numbers they are.

    `columns` are, of a header, the places of type, count of tags, and 3 where the header stands apart: a binary file's
    is type, elements that follow, tags, and each element then its number, tags and nodes; a text file's is repeated
    with each element (number, type, tags).
    """
    at, left = 0, n_elements
    found: list[IntArray] = []
    while left > 0:
        if at + 3 > len(numbers):
            raise _damaged(path)
        kind, n_tags = int(numbers[at + columns[0]]), int(numbers[at + columns[1]])
        follow = int(numbers[at + 1]) if columns[2] else 1
        if kind not in _NODES or not 0 <= n_tags <= 1000 or not 1 <= follow <= left:
            raise _damaged(path)
        body = (1 if columns[2] else 0) + n_tags + _NODES[kind]
        if follow > 1:
            rows, used = numbers[at + 3 :][: follow * body], 3 + follow * body
            if len(rows) != follow * body:
                raise _damaged(path)
            rows, taken = rows.reshape(follow, body), follow
        else:
            rows, taken = _run(numbers[at:], 3 + body, left, columns[2] == 0)
            used = taken * (3 + body)
            if not taken:
                raise _damaged(path)
        if kind == _TETRAHEDRON:
            found.append(_tetrahedra(rows, n_tags, int(columns[2] > 0)))
        elif kind in _VOLUMES:
            raise _foreign(path)
        at, left = at + used, left - taken
    if not found:
        return np.zeros((0, 4), np.int64), np.zeros(0, np.int64), at
    # Physical group, entity, four nodes.
    table = np.concatenate(found).astype(np.int64)
    return table[:, 2:], np.abs(table[:, 0]) if table[:, 0].any() else table[:, 1], at


def _run(numbers: IntArray, stride: int, left: int, repeated: bool) -> tuple[IntArray, int]:
    """Elements from here on whose headers are alike, without the headers."""
    same = (1, 2) if repeated else (0, 1, 2)
    taken, reach = 0, 64
    most = min(left, len(numbers) // stride)
    while taken < most:
        block = numbers[taken * stride : min(most, taken + reach) * stride].reshape(-1, stride)
        alike = np.all([block[:, k] == numbers[k] for k in same], axis=0)
        count = len(block) if alike.all() else int(alike.argmin())
        taken, reach = taken + count, reach * 2
        if count < len(block):
            break
    return numbers[: taken * stride].reshape(-1, stride)[:, 3:], taken


def _tetrahedra(rows: IntArray, n_tags: int, first: int) -> IntArray:
    tags = rows[:, first : first + min(n_tags, 2)]
    physical = tags[:, :1] if n_tags else np.zeros((len(rows), 1), rows.dtype)
    return np.concatenate([physical, tags[:, 1:2] if n_tags > 1 else physical, rows[:, first + n_tags :]], axis=1)


def _read_text_4(data: bytes, begin: int, path: Path, *, interleaved: bool) -> _Parts:
    """Read versions 4.0 (`interleaved`: number and place of a node on one line) and 4.1 (numbers, then places)."""
    tags, nodes = [], []
    numbers = _numbers(data, b"Nodes", begin, float, path)
    at = 2 if interleaved else 4
    for _ in range(_bounded(numbers[0], numbers, path)):
        one, two, parametric, count = (int(value) for value in numbers[at : at + 4])
        width = 4 + ((two if interleaved else one) if parametric else 0)
        block = numbers[at + 4 : at + 4 + _bounded(count, numbers, path) * width]
        if len(block) != count * width:
            raise _damaged(path)
        table = block.reshape(count, width) if interleaved else block[count:].reshape(count, width - 1)
        tags.append((table[:, 0] if interleaved else block[:count]).astype(np.int64))
        nodes.append(table[:, 1:4] if interleaved else table[:, :3])
        at += 4 + len(block)
    physical = _physical(data, begin, path, points=6 if interleaved else 3)
    tetrahedra, region = [np.zeros((0, 4), np.int64)], [np.zeros((0, 2), np.int64)]
    elements = _numbers(data, b"Elements", begin, int, path)
    at = 2 if interleaved else 4
    for _ in range(_bounded(elements[0], elements, path)):
        one, two, kind, count = (int(value) for value in elements[at : at + 4])
        width = 1 + _NODES.get(kind, len(elements))
        block = elements[at + 4 : at + 4 + _bounded(count, elements, path) * width]
        if len(block) != count * width:
            raise _damaged(path)
        if kind in _VOLUMES:
            raise _foreign(path)
        if kind == _TETRAHEDRON:
            entity = one if interleaved else two
            tetrahedra.append(block.reshape(count, width)[:, 1:])
            region.append(np.tile([physical.get(entity, 0), entity], (count, 1)))
        at += 4 + len(block)
    if not tags:
        raise _damaged(path)
    named = np.concatenate(region)
    chosen = np.abs(named[:, 0]) if named[:, 0].any() else named[:, 1]
    return _Parts(np.concatenate(tags), np.concatenate(nodes), np.concatenate(tetrahedra), chosen)


def _physical(data: bytes, begin: int, path: Path, *, points: int) -> dict[int, int]:
    """First physical group of each volume; `points`: how many numbers place a point."""
    if re.compile(rb"^\$Entities\b", re.MULTILINE).search(data, begin) is None:
        return {}
    numbers = _numbers(data, b"Entities", begin, float, path)
    at, found = 4, {}
    for dimension in range(4):
        for _ in range(_bounded(numbers[dimension], numbers, path)):
            groups = at + 1 + (6 if dimension else points)
            n_groups = _bounded(numbers[groups], numbers, path)
            if dimension == 3 and n_groups:
                found[int(numbers[at])] = int(numbers[groups + 1])
            at = groups + 1 + n_groups
            if dimension:
                at += 1 + _bounded(numbers[at], numbers, path)
    return found


def _numbers(data: bytes, section: bytes, begin: int, kind: type, path: Path) -> NDArray[Any]:
    """Read all numbers of a text section."""
    start = re.compile(rb"^\$" + section + rb"[ \t]*\r?$", re.MULTILINE).search(data, begin)
    end = data.find(b"$End" + section, begin)
    if start is None or end < start.end():
        raise _damaged(path, section.decode())
    return np.fromstring(data[start.end() : end], dtype=kind, sep=" ")


def _count(data: bytes, section: bytes, begin: int, path: Path) -> tuple[int, int]:
    """Return the count at the head of a binary section, and where its bytes begin."""
    start = re.compile(rb"\$" + section + rb"[ \t]*\r?\n[ \t]*(\d{1,18})[ \t]*\r?\n").search(data, begin)
    least = 28 if section == b"Nodes" else 4
    if start is None or int(start[1]) * least > len(data) - start.end():
        raise _damaged(path, section.decode())
    return int(start[1]), start.end()


def _bounded(count: float, numbers: NDArray[Any], path: Path) -> int:
    """Return a count that the file has room for."""
    if not 0 <= count <= len(numbers):
        raise _damaged(path)
    return int(count)


def _foreign(path: Path) -> InputError:
    return InputError(
        "the mesh has volume elements other than tetrahedra of four nodes",
        where=path,
        fix="make it again of first-order tetrahedra",
    )


def _damaged(path: Path, section: str = "") -> InputError:
    what = f" (no complete ${section} section)" if section else ""
    return InputError(
        f"the gmsh file is truncated or damaged{what}", where=path, fix="copy or make it again, completely"
    )
