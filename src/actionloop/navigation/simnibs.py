"""SimNIBS's coil poses (matsimnibs): JSON, and arrays for .mat."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from actionloop.errors import GeometryError, InputError
from actionloop.navigation.conventions import rigid
from actionloop.navigation.found import Entry, NavigationFile
from actionloop.navigation.laterality import plain
from actionloop.navigation.parsing import MAX_POSES, parse_json, require_bottom_row
from actionloop.navigation.simnibsmat import load_mat
from actionloop.navigation.telling import name_poses, tell_frame, tell_kept, unverified
from actionloop.types import CoilPose, FloatArray, Image, ImageTie

# No scalp comes this near to the origin of a head image: such a place is relative, in metres, or was never set.
NEAREST_MM = 40.0
_UNSAID = "the subject's image in SimNIBS (the file does not say: taken as absolute RAS mm)"


def read_simnibs(text: str, *, source: str = "", absolute: bool = False) -> NavigationFile:
    """Read SimNIBS coil matrices from JSON.

    Parameters
    ----------
    text : str
        One matrix, a list of them, an array with the poses along its last axis, or an object that holds one of these
        under 'matsimnibs' (and 'names'), or positions under 'pos' or 'poslist'.
    source : str
        File name, for errors.
    absolute : bool
        True to take places near the origin as they are.

    Returns
    -------
    NavigationFile
        Targets, RAS mm. `verified` is False: no JSON of SimNIBS's own was at hand.

    Raises
    ------
    InputError
        Not such a file, damaged JSON, or an array whose shape is not that of poses.
    GeometryError
        Coordinates that are, or seem, relative to a target; axes that are no right-handed rotation.
    """
    return _read(parse_json(text, source=source), source=source, absolute=absolute)


def read_simnibs_mat(data: bytes | Mapping[str, Any], *, source: str = "", absolute: bool = False) -> NavigationFile:
    """Read SimNIBS coil matrices from a .mat file (up to version 7): an array, or a session's list of positions.

    Parameters
    ----------
    data : bytes or mapping
        The file, or its variables as `scipy.io.loadmat` gives them.
    source, absolute
        As in `read_simnibs`, as are result and errors.
    """
    variables = load_mat(data, source=source) if isinstance(data, bytes) else data
    kept = {key: value for key, value in variables.items() if not key.startswith("__")}
    if not {"matsimnibs", "pos", "poslist"} & kept.keys():
        fitting = [key for key, value in kept.items() if np.shape(value)[:2] == (4, 4) or np.shape(value)[1:] == (4, 4)]
        if len(fitting) != 1:
            raise InputError(
                f"expected 'matsimnibs' or a list of positions, found {plain(', '.join(kept)) or 'nothing'}",
                where=source or None,
                fix="save the matrices under the name matsimnibs",
            )
        kept["matsimnibs"] = kept.pop(fitting[0])
    return _read(kept, source=source, absolute=absolute)


def split_poses(values: Any, *, label: str, source: str) -> FloatArray:
    """Tell one pose from many, whichever axis counts them.

    Parameters
    ----------
    values : array-like
        (4, 4), (n, 4, 4) or (4, 4, n).
    label, source : str
        For the error.

    Returns
    -------
    (n, 4, 4) float ndarray
        Each ends in the row 0 0 0 1: four poses of four rows are told apart by that.

    Raises
    ------
    InputError
        Another shape, no numbers, or matrices that do not end in 0 0 0 1 either way.
    """
    try:
        array = np.array(values, dtype=float)
    except (TypeError, ValueError, OverflowError):
        array = np.empty(0)
    last = np.array([0.0, 0, 0, 1])
    stacks = []
    if array.shape == (4, 4):
        stacks.append(array[None])
    elif array.ndim == 3:
        stacks += [array] if array.shape[1:] == (4, 4) else []
        stacks += [np.moveaxis(array, 2, 0)] if array.shape[:2] == (4, 4) else []
    if not stacks or not 0 < len(stacks[0]) <= MAX_POSES:
        raise InputError(
            f"the array {label!r} has shape {array.shape}, expected (4, 4), (4, 4, n) or (n, 4, 4) numbers",
            where=source or None,
            fix="save each pose as a 4 x 4 matrix with the coil's axes in its columns",
        )
    stack = next((one for one in stacks if np.allclose(one[:, 3], last, atol=1e-6)), stacks[0])
    for number, matrix in enumerate(stack, start=1):
        require_bottom_row(matrix, label=f"{label} {number}", where=source)
    return stack


def write_simnibs(poses: Sequence[CoilPose], *, image: Image, kept: NavigationFile | None = None) -> str:
    """Write coil poses as JSON: a list of 4 x 4 matrices under 'matsimnibs', one or many alike, and their names.

    Parameters
    ----------
    poses : sequence of CoilPose
        RAS mm of `image`.
    image : Image
        The image that the SimNIBS head model is made from.
    kept : NavigationFile, optional
        Entries read from SimNIBS, written first and unchanged.

    Returns
    -------
    str

    Raises
    ------
    GeometryError
        Poses of another image, qform and sform that disagree or are missing, or a name that contradicts its place.
    EmptyRegionError
        Nothing to write.
    """
    comment = [*tell_frame(image), *tell_kept(kept), unverified("SimNIBS")]
    named = name_poses(poses, image=image, kept=kept, system="SimNIBS")
    before = kept.entries if kept else ()
    document = {
        "comment": comment,
        "frame": plain(image.frame),
        "image_header_sha256": image.header_sha256,
        "image_voxels_sha256": image.voxels_sha256,
        "coordinates": "absolute",
        "names": [*(entry.label for entry in before), *(name for name, _ in named)],
        "laterality": [*("as read" for _ in before), *(said for _, said in named)],
        "notes": [*(entry.note for entry in before), *(plain(pose.note) for pose in poses)],
        "matsimnibs": [*(entry.raw["matsimnibs"] for entry in before), *(pose.matrix.tolist() for pose in poses)],
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def pack_simnibs(poses: Sequence[CoilPose], *, image: Image, kept: NavigationFile | None = None) -> dict[str, Any]:
    """Arrange coil poses as variables of a .mat file (for `scipy.io.savemat`).

    Parameters and errors as in `write_simnibs`.

    Returns
    -------
    dict of str to ndarray or str
        'matsimnibs' is (4, 4, n) even for one pose, which is what SimNIBS's exporters expect; a POSITION takes
        matsimnibs[:, :, i].
    """
    document = json.loads(write_simnibs(poses, image=image, kept=kept))
    matrices = np.moveaxis(np.array(document.pop("matsimnibs"), dtype=float), 0, 2)
    texts = {
        key: np.array(value, dtype=object) if isinstance(value, list) else value for key, value in document.items()
    }
    return {"matsimnibs": matrices, **texts}


def _read(data: Any, *, source: str, absolute: bool) -> NavigationFile:
    about = data if isinstance(data, Mapping) else {}
    said = plain(str(about.get("coordinates", ""))).lower()
    if said not in ("", "absolute"):
        raise GeometryError(
            f"the file says that its coordinates are {said!r}, expected absolute mm of the subject's image",
            where=source or None,
            fix="add the target that they are relative to, and save them as absolute",
        )
    entries: list[Entry] = []
    skipped: list[str] = []
    for label, note, values in _named(data, source):
        if values is None:
            skipped.append(f"{label!r} has no matrix (SimNIBS places it on the scalp when it runs) and is left out")
            continue
        if np.allclose(values, np.eye(4), atol=1e-9):
            skipped.append(f"{label!r} holds the identity matrix (never set) and is left out")
            continue
        matrix = rigid(values, label=label, where=source)
        away_mm = float(np.linalg.norm(matrix[:3, 3]))
        if away_mm < NEAREST_MM and not (absolute or said):
            raise GeometryError(
                f"{label!r} stands {away_mm:.1f} mm from the origin, where no scalp is: its place seems relative to a "
                "target, or in metres",
                where=source or None,
                fix="save absolute mm of the subject's image, or say that they are absolute",
            )
        raw = {"matsimnibs": values.tolist(), "image_header_sha256": plain(str(about.get("image_header_sha256", "")))}
        entries.append(Entry("target", label, matrix, matrix[:3, 3].copy(), note, raw))
    if not entries:
        skipped.append("the file has no poses")
    frame = plain(str(about.get("frame", ""))) or _UNSAID
    header, voxels = (plain(str(about.get(f"image_{what}_sha256", ""))) for what in ("header", "voxels"))
    return NavigationFile(
        "SimNIBS",
        "",
        frame,
        "RAS",
        tuple(entries),
        tuple(skipped),
        verified=False,
        source=source,
        tie=ImageTie(frame, header, voxels) if header else None,
    )


def _named(data: Any, source: str) -> Iterator[tuple[str, str, FloatArray | None]]:
    """Give label, note and (4, 4) matrix of every pose; None where a position has no matrix."""
    if not isinstance(data, Mapping):
        data = {"matsimnibs": data}
    if "matsimnibs" in data:
        stack = split_poses(data["matsimnibs"], label="matsimnibs", source=source)
        names, notes = (_texts(data.get(key)) for key in ("names", "notes"))
        for key, texts in (("names", names), ("notes", notes)):
            if texts and len(texts) != len(stack):
                raise InputError(f"{len(texts)} {key} do not fit {len(stack)} poses", where=source or None)
        for index, matrix in enumerate(stack):
            yield (names[index] if names else "") or f"pose {index + 1}", notes[index] if notes else "", matrix
        return
    positions = list(_positions(data, depth=0))
    if not positions or len(positions) > MAX_POSES:
        raise InputError(
            f"expected 'matsimnibs', 'pos' or 'poslist' with 1 to {MAX_POSES} positions, found "
            f"{plain(', '.join(map(str, list(data)[:8]))) or 'nothing'}",
            where=source or None,
            fix="save the matrices under the name matsimnibs",
        )
    for number, position in enumerate(positions, start=1):
        name = plain("".join(_texts(position.get("name")))) or f"pose {number}"
        values = position["matsimnibs"]
        if values is None or (isinstance(values, str) and not values.strip()) or np.shape(values)[:1] == (0,):
            yield name, "", None
            continue
        stack = split_poses(values, label=name, source=source)
        for index, matrix in enumerate(stack, start=1):
            yield name if len(stack) == 1 else f"{name} {index}", "", matrix


def _positions(node: Any, *, depth: int) -> Iterator[Mapping[str, Any]]:
    """Find what has a field 'matsimnibs', through structures and lists of a session."""
    if depth > 8:
        return
    if isinstance(node, np.void) or (isinstance(node, np.ndarray) and node.dtype.names):
        records = np.ravel(np.asarray(node))
        node = [{name: record[name] for name in record.dtype.names or ()} for record in records]
    elif isinstance(node, np.ndarray):
        node = list(node.ravel()) if node.dtype == object else []
    if isinstance(node, Mapping):
        if "matsimnibs" in node:
            yield node
        else:
            node = [node[key] for key in ("poslist", "pos") if key in node]
    if isinstance(node, list):
        for part in node:
            yield from _positions(part, depth=depth + 1)


def _texts(value: Any) -> list[str]:
    """Flatten a text, a list of texts or an array of them."""
    if value is None:
        return []
    if isinstance(value, str):
        return [plain(value)]
    return [plain("".join(_texts(one)) if isinstance(one, list | np.ndarray) else str(one)) for one in np.ravel(value)]
