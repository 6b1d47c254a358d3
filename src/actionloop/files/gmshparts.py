"""What gmsh's .msh files hold, taken apart: nodes and tetrahedra of versions 2 and 4."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actionloop.errors import InputError
from actionloop.types import FloatArray, IntArray

# Nodes of each of gmsh's element types (gmsh reference manual, 'MSH file format').
_NODES = {1: 2, 2: 3, 3: 4, 4: 4, 5: 8, 6: 6, 7: 5, 8: 3, 9: 6, 10: 9, 11: 10, 12: 27, 13: 18, 14: 14, 15: 1, 16: 8}
_NODES |= {17: 20, 18: 15, 19: 13, 20: 9, 21: 10, 22: 12, 23: 15, 24: 15, 25: 21, 26: 4, 27: 5, 28: 6, 29: 20, 30: 35}
_NODES |= {31: 56, 92: 64, 93: 125}
_TETRAHEDRON = 4
# Other elements that fill space: without them the head would have holes.
_VOLUMES = {5, 6, 7, 11, 12, 13, 14, 17, 18, 19, 29, 30, 31, 92, 93}
_SAVE_AGAIN = "save it again as version 2.2 (gmsh -save -format msh22 ...)"


@dataclass(frozen=True, eq=False)
class Parts:
    """What a file holds: number and place of each node; number, node numbers and tissue of each tetrahedron."""

    tags: IntArray
    nodes: FloatArray
    numbers: IntArray
    tetrahedra: IntArray
    region: IntArray


def read_parts(data: bytes, begin: int, version: float, *, binary: bool, path: Path) -> Parts:
    """Read nodes and tetrahedra behind the header that ends at `begin`."""
    if 2.0 <= version < 3.0:
        return _read_binary(data, begin, path) if binary else _read_text_2(data, begin, path)
    if version in (4.0, 4.1) and not binary:
        return _read_text_4(data, begin, path, interleaved=version == 4.0)
    kind = f"version {version:g}{' binary' if binary else ''}"
    raise InputError(f"this is a gmsh file of {kind}, which is not read", where=path, fix=_SAVE_AGAIN)


def _read_binary(data: bytes, begin: int, path: Path) -> Parts:
    order = byte_order(data, begin, path)
    n_nodes, begin = count_of(data, b"Nodes", begin + 4, path)
    nodes = np.frombuffer(data, np.dtype([("tag", order + "i4"), ("xyz", order + "f8", 3)]), n_nodes, begin)
    begin += nodes.nbytes
    n_elements, begin = count_of(data, b"Elements", begin, path)
    numbers = np.frombuffer(data, order + "i4", (len(data) - begin) // 4, begin)
    found, tetrahedra, region, used = _rows(numbers, n_elements, (0, 2, 3), path)
    if not data[begin + 4 * used :][:32].lstrip().startswith(b"$EndElements"):
        raise damaged(path, "Elements")
    return Parts(nodes["tag"].astype(np.int64), nodes["xyz"].astype(np.float64), found, tetrahedra, region)


def byte_order(data: bytes, begin: int, path: Path) -> str:
    """Return '<' or '>', by the 1 that a binary file starts with."""
    mark = data[begin : begin + 4]
    order = "<" if mark == b"\x01\0\0\0" else ">"
    if np.frombuffer(mark, order + "i4")[0] != 1:
        raise damaged(path)
    return order


def _read_text_2(data: bytes, begin: int, path: Path) -> Parts:
    nodes = numbers_of(data, b"Nodes", begin, float, path)
    n_nodes = int(nodes[0])
    if len(nodes) != 1 + 4 * n_nodes:
        raise damaged(path)
    nodes = nodes[1:].reshape(n_nodes, 4)
    elements = numbers_of(data, b"Elements", begin, int, path)
    numbers, tetrahedra, region, used = _rows(elements[1:], int(elements[0]), (1, 2, 0), path)
    if used != len(elements) - 1:
        raise damaged(path, "Elements")
    return Parts(nodes[:, 0].astype(np.int64), nodes[:, 1:].copy(), numbers, tetrahedra, region)


def _rows(
    numbers: IntArray, n_elements: int, columns: tuple[int, int, int], path: Path
) -> tuple[IntArray, IntArray, IntArray, int]:
    """Read elements one after another, whole runs of the same make at once; returns also how many numbers they are.

    Returned are number, nodes and tissue of each tetrahedron.

    `columns` are, of a header, the places of type, count of tags, and 3 where the header stands apart: a binary file's
    is type, elements that follow, tags, and each element then its number, tags and nodes; a text file's is repeated
    with each element (number, type, tags).
    """
    at, left = 0, n_elements
    found: list[IntArray] = []
    while left > 0:
        if at + 3 > len(numbers):
            raise damaged(path)
        kind, n_tags = int(numbers[at + columns[0]]), int(numbers[at + columns[1]])
        follow = int(numbers[at + 1]) if columns[2] else 1
        if kind not in _NODES or not 0 <= n_tags <= 1000 or not 1 <= follow <= left:
            raise damaged(path)
        body = (1 if columns[2] else 0) + n_tags + _NODES[kind]
        if follow > 1:
            rows, used = numbers[at + 3 :][: follow * body], 3 + follow * body
            if len(rows) != follow * body:
                raise damaged(path)
            rows, taken = rows.reshape(follow, body), follow
        else:
            rows, taken = _run(numbers[at:], 3 + body, left, columns[2] == 0)
            used = taken * (3 + body)
            if not taken:
                raise damaged(path)
        if kind == _TETRAHEDRON:
            found.append(_tetrahedra(rows, n_tags))
        elif kind in _VOLUMES:
            raise _foreign(path)
        at, left = at + used, left - taken
    if not found:
        return np.zeros(0, np.int64), np.zeros((0, 4), np.int64), np.zeros(0, np.int64), at
    # Number, physical group, entity, four nodes.
    table = np.concatenate(found).astype(np.int64)
    return table[:, 0], table[:, 3:], np.abs(table[:, 1]) if table[:, 1].any() else table[:, 2], at


def _run(numbers: IntArray, stride: int, left: int, repeated: bool) -> tuple[IntArray, int]:
    """Elements from here on whose headers are alike: number, tags and nodes."""
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
    rows = numbers[: taken * stride].reshape(-1, stride)
    return (rows[:, [0, *range(3, stride)]] if repeated else rows[:, 3:]), taken


def _tetrahedra(rows: IntArray, n_tags: int) -> IntArray:
    tags = rows[:, 1 : 1 + min(n_tags, 2)]
    physical = tags[:, :1] if n_tags else np.zeros((len(rows), 1), rows.dtype)
    entity = tags[:, 1:2] if n_tags > 1 else physical
    return np.concatenate([rows[:, :1], physical, entity, rows[:, 1 + n_tags :]], axis=1)


def _read_text_4(data: bytes, begin: int, path: Path, *, interleaved: bool) -> Parts:
    """Read versions 4.0 (`interleaved`: number and place of a node on one line) and 4.1 (numbers, then places)."""
    tags, nodes = [], []
    numbers = numbers_of(data, b"Nodes", begin, float, path)
    at = 2 if interleaved else 4
    for _ in range(_bounded(numbers[0], numbers, path)):
        one, two, parametric, count = (int(value) for value in numbers[at : at + 4])
        width = 4 + ((two if interleaved else one) if parametric else 0)
        block = numbers[at + 4 : at + 4 + _bounded(count, numbers, path) * width]
        if len(block) != count * width:
            raise damaged(path)
        table = block.reshape(count, width) if interleaved else block[count:].reshape(count, width - 1)
        tags.append((table[:, 0] if interleaved else block[:count]).astype(np.int64))
        nodes.append(table[:, 1:4] if interleaved else table[:, :3])
        at += 4 + len(block)
    physical = _physical(data, begin, path, points=6 if interleaved else 3)
    tetrahedra, region = [np.zeros((0, 5), np.int64)], [np.zeros((0, 2), np.int64)]
    elements = numbers_of(data, b"Elements", begin, int, path)
    at = 2 if interleaved else 4
    for _ in range(_bounded(elements[0], elements, path)):
        one, two, kind, count = (int(value) for value in elements[at : at + 4])
        width = 1 + _NODES.get(kind, len(elements))
        block = elements[at + 4 : at + 4 + _bounded(count, elements, path) * width]
        if len(block) != count * width:
            raise damaged(path)
        if kind in _VOLUMES:
            raise _foreign(path)
        if kind == _TETRAHEDRON:
            entity = one if interleaved else two
            tetrahedra.append(block.reshape(count, width))
            region.append(np.tile([physical.get(entity, 0), entity], (count, 1)))
        at += 4 + len(block)
    if not tags:
        raise damaged(path)
    named, table = np.concatenate(region), np.concatenate(tetrahedra)
    chosen = np.abs(named[:, 0]) if named[:, 0].any() else named[:, 1]
    return Parts(np.concatenate(tags), np.concatenate(nodes), table[:, 0], table[:, 1:], chosen)


def _physical(data: bytes, begin: int, path: Path, *, points: int) -> dict[int, int]:
    """First physical group of each volume; `points`: how many numbers place a point."""
    if re.compile(rb"^\$Entities\b", re.MULTILINE).search(data, begin) is None:
        return {}
    numbers = numbers_of(data, b"Entities", begin, float, path)
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


def numbers_of(data: bytes, section: bytes, begin: int, kind: type, path: Path) -> NDArray[Any]:
    """Read all numbers of a text section."""
    start = re.compile(rb"^\$" + section + rb"[ \t]*\r?$", re.MULTILINE).search(data, begin)
    end = data.find(b"$End" + section, begin)
    if start is None or end < start.end():
        raise damaged(path, section.decode())
    return np.fromstring(data[start.end() : end], dtype=kind, sep=" ")


def count_of(data: bytes, section: bytes, begin: int, path: Path) -> tuple[int, int]:
    """Return the count at the head of a binary section, and where its bytes begin."""
    start = re.compile(rb"\$" + section + rb"[ \t]*\r?\n[ \t]*(\d{1,18})[ \t]*\r?\n").search(data, begin)
    least = 28 if section == b"Nodes" else 4
    if start is None or int(start[1]) * least > len(data) - start.end():
        raise damaged(path, section.decode())
    return int(start[1]), start.end()


def _bounded(count: float, numbers: NDArray[Any], path: Path) -> int:
    """Return a count that the file has room for."""
    if not 0 <= count <= len(numbers):
        raise damaged(path)
    return int(count)


def _foreign(path: Path) -> InputError:
    return InputError(
        "the mesh has volume elements other than tetrahedra of four nodes",
        where=path,
        fix="make it again of first-order tetrahedra",
    )


def damaged(path: Path, section: str = "") -> InputError:
    """Return the error of a file that ends early or holds what cannot be."""
    what = f" (no complete ${section} section)" if section else ""
    return InputError(
        f"the gmsh file is truncated or damaged{what}", where=path, fix="copy or make it again, completely"
    )
