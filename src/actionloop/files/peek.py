"""What a file's header says, read without its data: enough to choose between files and to check times."""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

_NIFTI2_SIZE = 540
_SECONDS = {b"SECOND": 1.0}
_FIRST_BYTES = 1 << 20


class SeriesHeader(NamedTuple):
    """Length and repetition time that a header states; None where it does not."""

    n_frames: int | None
    tr_s: float | None


NOTHING = SeriesHeader(None, None)


def cifti_header(path: Path) -> SeriesHeader:
    """Frames and repetition time of a CIFTI-2 series; nothing for any other or a damaged file (its reader says why)."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_NIFTI2_SIZE)
            if len(head) < _NIFTI2_SIZE:
                return NOTHING
            order = "<" if struct.unpack("<i", head[:4])[0] == _NIFTI2_SIZE else ">"
            if struct.unpack(order + "i", head[:4])[0] != _NIFTI2_SIZE:
                return NOTHING
            n_frames = struct.unpack(order + "q", head[16 + 8 * 5 : 16 + 8 * 6])[0]
            offset = struct.unpack(order + "q", head[168:176])[0]
            xml = stream.read(max(0, min(offset, 1 << 27) - _NIFTI2_SIZE))
    except OSError:
        return NOTHING
    tag = re.search(rb"<MatrixIndicesMap[^>]*CIFTI_INDEX_TYPE_SERIES[^>]*>", xml)
    if tag is None:
        return NOTHING
    stated = dict(re.findall(rb"(\w+)\s*=\s*[\"']([^\"']*)[\"']", tag.group()))
    try:
        step = float(stated[b"SeriesStep"]) * 10.0 ** int(stated.get(b"SeriesExponent", b"0"))
    except (KeyError, ValueError):
        return SeriesHeader(n_frames, None)
    scale = _SECONDS.get(stated.get(b"SeriesUnit", b"SECOND").upper())
    return SeriesHeader(n_frames, step * scale if scale and step > 0 else None)


def gifti_vertices(path: Path) -> int | None:
    """Vertices of a GIFTI file: first dimension of its first array of points or values; None if that is not found."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_FIRST_BYTES)
    except OSError:
        return None
    for tag in re.findall(rb"<DataArray\b[^>]*>", head):
        if b"TRIANGLE" not in tag:
            match = re.search(rb"Dim0\s*=\s*[\"'](\d+)[\"']", tag)
            return int(match.group(1)) if match else None
    return None


def mgh_header(path: Path) -> tuple[int | None, SeriesHeader]:
    """Vertices, frames and repetition time of a FreeSurfer .mgh or .mgz file (its header counts in ms)."""
    try:
        with gzip.open(path) if path.suffix == ".mgz" else path.open("rb") as stream:
            head = stream.read(284)
            version, i, j, k, n_frames, kind = struct.unpack(">6i", head[:24])
            width = {0: 1, 1: 4, 3: 4, 4: 2}.get(kind)
            if version != 1 or width is None:
                return None, NOTHING
            stream.seek(284 + i * j * k * n_frames * width)
            footer = stream.read(4)
    except (OSError, EOFError, zlib.error, struct.error):
        return None, NOTHING
    tr_ms = struct.unpack(">f", footer)[0] if len(footer) == 4 else 0.0
    return i * j * k, SeriesHeader(n_frames, tr_ms / 1000 if tr_ms > 0 else None)
