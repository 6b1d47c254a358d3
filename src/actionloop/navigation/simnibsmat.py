"""MATLAB files of SimNIBS, from bytes: bounded before anything is unpacked."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np

from actionloop.errors import InputError

MAX_BYTES = 32_000_000
# Of one array; also of its cells or structures, each of which takes memory before it is read.
MAX_ELEMENTS = 2_000_000
_MAX_PARTS, _MAX_DEPTH = 200_000, 24
_SHAPE, _FLAGS, _MATRIX, _COMPRESSED, _HEADER = 5, 6, 14, 15, 128


def load_mat(data: bytes, *, source: str) -> dict[str, Any]:
    """Load the variables of a MATLAB file of version 5 to 7.

    Parameters
    ----------
    data : bytes
    source : str
        File name, for errors.

    Returns
    -------
    dict
        Structures as dicts, arrays without axes of length one.

    Raises
    ------
    InputError
        Another format (version 7.3 is HDF5), damaged, or larger than any list of poses.
    """
    from scipy.io import loadmat

    if len(data) < _HEADER or not data.startswith(b"MATLAB 5.0") or data[126:128] not in (b"IM", b"MI"):
        newer = data.startswith(b"MATLAB 7.3") or data.startswith(b"\x89HDF")
        raise InputError(
            "the file is MATLAB 7.3 (HDF5)" if newer else "this is not a MATLAB file",
            where=source or None,
            fix="save it with scipy.io.savemat, or in MATLAB with save -v7",
        )
    order = "<" if data[126:128] == b"IM" else ">"
    try:
        _bound(data[_HEADER:], order, [MAX_BYTES, _MAX_PARTS])
        # The stubs know file names only.
        return dict(loadmat(io.BytesIO(data), simplify_cells=True))  # type: ignore[arg-type]
    except InputError as error:
        raise InputError(error.problem, where=source or None, fix="give the file of poses only") from None
    # scipy's reader fails on damaged bytes with whatever they lead it to.
    except Exception as error:
        raise InputError(
            f"the MATLAB file is damaged ({type(error).__name__})", where=source or None, fix="save it again"
        ) from None


def _bound(body: bytes, order: str, budget: list[int], *, depth: int = 0, inside: bool = False) -> None:
    """Go through the parts of a file, bounding bytes, parts, depth and the stated size of every array.

    scipy reads the parts of a matrix one after the other whatever length the matrix states, so a matrix must be filled
    by its parts exactly: else what is bounded here would not be what is read there.
    """
    budget[0] -= 0 if inside else len(body)
    if budget[0] < 0 or depth > _MAX_DEPTH:
        raise InputError("the MATLAB file is larger or deeper than any list of poses")
    at, kinds = 0, []
    while at + 8 <= len(body):
        budget[1] -= 1
        if budget[1] < 0:
            raise InputError("the MATLAB file has more parts than any list of poses")
        kind, size = struct.unpack_from(f"{order}II", body, at)
        small = kind >> 16
        start, size, kind = (at + 4, small, kind & 0xFFFF) if small else (at + 8, size, kind)
        part = body[start : start + size]
        kinds.append(kind)
        if inside and len(kinds) == 2:
            shape = np.frombuffer(part[: len(part) // 4 * 4], dtype=f"{order}i4")
            if len(shape) > 32 or (shape < 0).any() or np.prod(shape.astype(float)) > MAX_ELEMENTS:
                raise InputError("the MATLAB file states an array larger than any list of poses")
        if kind == _COMPRESSED:
            part = zlib.decompressobj().decompress(part, max(budget[0], 0) + 1)
            _bound(part, order, budget, depth=depth + 1)
        elif kind == _MATRIX and size:
            _bound(part, order, budget, depth=depth + 1, inside=True)
        # Compressed parts are not padded to eight bytes; everything else is.
        at = at + 8 if small else start + (size if kind == _COMPRESSED else -(-size // 8) * 8)
    if inside and (at != len(body) or kinds[:2] != [_FLAGS, _SHAPE]):
        raise InputError("the MATLAB file is damaged: an array is not filled by its parts")
