"""Every navigation system by its name: which one wrote a file, reading any, writing any."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from actionloop.errors import InputError, OptionError
from actionloop.navigation.brainsight import write_brainsight
from actionloop.navigation.brainsightfile import read_brainsight_file
from actionloop.navigation.exchange import Axes
from actionloop.navigation.found import NavigationFile
from actionloop.navigation.invesalius import read_invesalius, write_invesalius
from actionloop.navigation.localite import read_localite_file, write_localite
from actionloop.navigation.navinibs import read_navinibs, write_navinibs
from actionloop.navigation.nibsbids import read_nibsbids, write_nibsbids
from actionloop.navigation.parsing import MAX_CHARACTERS
from actionloop.navigation.simnibs import pack_simnibs, read_simnibs, read_simnibs_mat, write_simnibs
from actionloop.navigation.slicer import read_slicer, write_slicer
from actionloop.navigation.softaxic import read_softaxic
from actionloop.navigation.visor import read_visor, write_visor
from actionloop.types import CoilPose, Image

_PEEK = 4_000  # characters that tell a system
_MAT = (b"MATLAB 5.0 MAT-file", b"MATLAB 7.")


@dataclass(frozen=True)
class System:
    """A navigation system or exchange format.

    Attributes
    ----------
    name : str
        For reading, e.g. 'Brainsight'; as `NavigationFile.system`.
    suffix : str
        Of its files, e.g. '.mrk.json'.
    verified : bool
        False where no real file of it was at hand.
    writes : bool
        Whether files can be written for it.
    about : str
        One line.
    """

    name: str
    suffix: str
    verified: bool
    writes: bool
    about: str


SYSTEMS: Mapping[str, System] = {
    "brainsight": System("Brainsight", ".txt", True, True, "text with targets, version 13 (or 7 to 14)"),
    "localite": System("Localite", ".xml", True, True, "instrument markers, RAS or LPS"),
    "visor2": System("Visor2", ".mrk", True, True, "ANT Visor2 coil markers"),
    "slicer": System("Slicer", ".mrk.json", False, True, "3D Slicer point list with orientations"),
    "navinibs": System("NaviNIBS", ".json", False, True, "targets that NaviNIBS merges into a session"),
    "simnibs": System("SimNIBS", ".json", False, True, "matsimnibs matrices as JSON"),
    "simnibs-mat": System("SimNIBS", ".mat", False, True, "matsimnibs matrices as MATLAB file"),
    "invesalius": System("InVesalius", ".mkss", False, True, "InVesalius 3 markers"),
    "nibs-bids": System("NIBS-BIDS", "_markers.tsv", False, True, "markers table and sidecar of the BIDS proposal"),
    "softaxic": System("Softaxic", ".stmpx", True, False, "stored coil positions; read only"),
}


@dataclass(frozen=True)
class Reading:
    """What a person may have to say for a file that does not say it itself.

    Attributes
    ----------
    image : Image, optional
        The image of the navigation project; files that count from a corner of it are placed by it.
    assume : {'RAS', 'LPS'}, optional
        Where nothing tells which way the axes point, or name and landmarks contradict each other.
    axes : {'simnibs', 'brainsight', 'localite'}, optional
        Coil axes of a format that does not define them (Slicer, NIBS-BIDS).
    sidecar : str
        Text of the JSON beside a NIBS-BIDS table.
    """

    image: Image | None = None
    assume: Literal["RAS", "LPS"] | None = None
    axes: Axes | None = None
    sidecar: str = ""


def identify(data: bytes, *, source: str = "") -> str:
    """Tell which system a file is of, by what it holds and not by its name.

    Parameters
    ----------
    data : bytes
    source : str
        File name, for the error.

    Returns
    -------
    str
        A key of `SYSTEMS`.

    Raises
    ------
    InputError
        None of them.
    """
    if data.startswith(_MAT):
        return "simnibs-mat"
    start = _text(data[: 4 * _PEEK], source, whole=False)[:_PEEK].lstrip("\ufeff \r\n\t")
    for key, tells in _SIGNS.items():
        if tells(start):
            return key
    if start[:1] in ("{", "["):
        return _json_kind(_text(data, source))
    raise InputError(
        "this is no file of a navigation system that actionloop knows",
        where=source or None,
        fix=f"give a file of {', '.join(dict.fromkeys(one.name for one in SYSTEMS.values()))}",
    )


def read_any(
    data: bytes, *, source: str = "", system: str | None = None, reading: Reading | None = None
) -> tuple[str, NavigationFile]:
    """Read a file of any system.

    Parameters
    ----------
    data : bytes
    source : str
        File name, for errors.
    system : str, optional
        A key of `SYSTEMS`; found by the contents when left out.
    reading : Reading, optional

    Returns
    -------
    system : str
    found : NavigationFile

    Raises
    ------
    InputError, GeometryError
        Of the system's reader.
    OptionError
        A system that is not known, or an assumption that this system's files do not need.
    """
    how = reading or Reading()
    key = require_system(system) if system else identify(data, source=source)
    if how.assume and key not in ("brainsight", "nibs-bids"):
        raise OptionError(
            f"a {SYSTEMS[key].name} file says itself which way its axes point; nothing is to be assumed",
            where=source or None,
            fix="leave --assume out",
        )
    if how.axes and key not in ("slicer", "nibs-bids"):
        raise OptionError(
            f"the coil axes of a {SYSTEMS[key].name} file are known; nothing is to be said about them",
            where=source or None,
            fix="leave --axes out",
        )
    return key, _READERS[key](data, source, how)


def write_any(
    system: str,
    poses: Sequence[CoilPose],
    *,
    image: Image,
    kept: NavigationFile | None = None,
    **more: Any,
) -> dict[str, str | bytes]:
    """Write coil poses for one system.

    Parameters
    ----------
    system : str
        A key of `SYSTEMS`.
    poses : sequence of CoilPose
        RAS mm of `image`, tied to it.
    image : Image
    kept : NavigationFile, optional
        Entries of the same system that stand first, as they were read.
    **more
        Options of that system's writer, e.g. `version` (Brainsight), `space` (Localite), `intended_for` (NIBS-BIDS).

    Returns
    -------
    dict of str to str or bytes
        Contents of each file by its suffix; one file for all systems but NIBS-BIDS, whose sidecar is left out where a
        table that had none is written back.

    Raises
    ------
    GeometryError, EmptyRegionError
        Of the system's writer.
    OptionError
        A system that is not known or only read.
    """
    key = require_system(system)
    if not SYSTEMS[key].writes:
        raise OptionError(f"files of {SYSTEMS[key].name} are only read", fix=f"choose one of {', '.join(written())}")
    made = _WRITERS[key](poses, image, kept, more)
    return made if isinstance(made, dict) else {SYSTEMS[key].suffix: made}


def written() -> list[str]:
    """Return the keys of the systems that files can be written for."""
    return [key for key, one in SYSTEMS.items() if one.writes]


def require_system(name: str) -> str:
    """Return the key of a system given by any spelling, or refuse it."""
    key = name.strip().lower().replace("_", "-")
    if key not in SYSTEMS:
        raise OptionError(f"there is no navigation system {name!r}", fix=f"choose one of {', '.join(SYSTEMS)}")
    return key


def _text(data: bytes, source: str, *, whole: bool = True) -> str:
    if len(data) > 4 * MAX_CHARACTERS:
        raise InputError(
            f"the file has {len(data):,} bytes: no file of poses", where=source or None, fix="give the file of targets"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if not whole and error.start > len(data) - 4:  # a character cut in two at the end of the peek
            return data[: error.start].decode("utf-8-sig")
        if b"\0" in data[:_PEEK]:
            raise InputError(
                "this is no text file of a navigation system", where=source or None, fix="give the file of targets"
            ) from None
        return data.decode("latin-1")


def _json_kind(text: str) -> str:
    """Tell the systems that write JSON apart."""
    if '"TargetMarkers"' in text:
        return "visor2"
    if '"markups"' in text:
        return "slicer"
    if '"targets"' in text or '"coilToMRITransf"' in text:
        return "navinibs"
    return "simnibs"


_SIGNS: Mapping[str, Callable[[str], bool]] = {
    "brainsight": lambda start: start.startswith("#") and "Version:" in start and "##INVESALIUS" not in start,
    "invesalius": lambda start: start.startswith("##INVESALIUS3_MARKER_FILE_"),
    "softaxic": lambda start: start.startswith("<") and "<stmp" in start,
    "localite": lambda start: start.startswith("<"),
    "nibs-bids": lambda start: "target_id" in start.partition("\n")[0].split("\t"),
}

_READERS: Mapping[str, Callable[[bytes, str, Reading], NavigationFile]] = {
    "brainsight": lambda data, source, how: read_brainsight_file(
        _text(data, source), image=how.image, assume=how.assume, source=source
    ),
    "localite": lambda data, source, how: read_localite_file(_text(data, source), source=source),
    "visor2": lambda data, source, how: read_visor(_text(data, source), source=source, image=how.image),
    "slicer": lambda data, source, how: read_slicer(_text(data, source), source=source, axes=how.axes),
    "navinibs": lambda data, source, how: read_navinibs(_text(data, source), source=source),
    "simnibs": lambda data, source, how: read_simnibs(_text(data, source), source=source),
    "simnibs-mat": lambda data, source, how: read_simnibs_mat(data, source=source),
    "invesalius": lambda data, source, how: read_invesalius(_text(data, source), source=source, image=how.image),
    "nibs-bids": lambda data, source, how: read_nibsbids(
        _text(data, source), source=source, sidecar=how.sidecar, space=how.assume, axes=how.axes
    ),
    "softaxic": lambda data, source, how: read_softaxic(_text(data, source), source=source),
}

Written = str | bytes | dict[str, str | bytes]
_Writer = Callable[[Sequence[CoilPose], Image, NavigationFile | None, Mapping[str, Any]], Written]
_WRITERS: Mapping[str, _Writer] = {
    "localite": lambda poses, image, kept, more: write_localite(poses, image=image, kept=kept, **more),
    "visor2": lambda poses, image, kept, more: write_visor(poses, image=image, kept=kept, **more),
    "slicer": lambda poses, image, kept, more: write_slicer(poses, image=image, kept=kept, **more),
    "navinibs": lambda poses, image, kept, more: write_navinibs(poses, image=image, kept=kept, **more),
    "simnibs": lambda poses, image, kept, more: write_simnibs(poses, image=image, kept=kept, **more),
    "brainsight": lambda poses, image, kept, more: write_brainsight(poses, image=image, kept=kept, **more),
    "simnibs-mat": lambda poses, image, kept, more: _mat(pack_simnibs(poses, image=image, kept=kept, **more)),
    "invesalius": lambda poses, image, kept, more: write_invesalius(poses, image=image, kept=kept, **more),
    "nibs-bids": lambda poses, image, kept, more: _pair(write_nibsbids(poses, image=image, kept=kept, **more)),
}


def _pair(texts: tuple[str, str]) -> dict[str, str | bytes]:
    return {suffix: text for suffix, text in zip(("_markers.tsv", "_markers.json"), texts, strict=True) if text}


def _mat(variables: Mapping[str, Any]) -> bytes:
    from scipy.io import savemat

    buffer = io.BytesIO()
    savemat(buffer, dict(variables))  # type: ignore[arg-type]
    return buffer.getvalue()
