"""One navigation system's file as another's: tied to one image, carried to another only by a transform."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from actionloop import files
from actionloop.errors import EmptyRegionError, OptionError, OutputError
from actionloop.navigation import (
    SYSTEMS,
    NavigationFile,
    Reading,
    image_frame,
    read_any,
    require_placed,
    require_system,
    write_any,
    write_simnibs_script,
    written,
)
from actionloop.pipeline.carrying import carry, find_way, look_after
from actionloop.pipeline.converted import Converted, ConvertRequest
from actionloop.pipeline.onhead import Doubt
from actionloop.pipeline.posefile import read_named_image, read_pose_file
from actionloop.pipeline.tying import (
    answer,
    leave_out,
    look_over,
    named_poses,
    require_sides,
    samples_of,
    sided,
    tell_kinds,
    tied_image,
)
from actionloop.types import CoilPose, Image

SCRIPT = "simnibs-script"
_OWN = {"version": "brainsight", "space": "localite", "head_folder": SCRIPT, "coil_file": SCRIPT}


@dataclass(frozen=True, eq=False)
class _Read:
    """What was read, and the image that it is tied to: None where only its name is known."""

    key: str
    found: NavigationFile
    start: Image | None


def convert_file(request: ConvertRequest) -> Converted:
    """Read a file of any system and write its poses for another, or for the same on another image.

    Parameters
    ----------
    request : ConvertRequest

    Returns
    -------
    Converted

    Raises
    ------
    OptionError
        Options that do not go together, or a system that is not written.
    InputError
        A file that cannot be read.
    GeometryError
        Another image than the file says; a file that says none, and poses that are not on the image's head, contradict
        their names or name a template's coordinates; whatever the writer refuses. Single samples off the head are no
        reason: they are left out of a new file, and named.
    EmptyRegionError
        No pose.
    OutputError
        Something stands at `out`.
    """
    key = _require_options(request)
    paths = _paths(request, key)
    image = read_named_image(request.image)
    read = _read(request, image)
    found, notes = read.found, list(read.found.skipped)
    if request.transform is None and read.start is not None:
        image = read.start
    image_frame(image)
    if not found.entries:
        raise EmptyRegionError(f"there is nothing to convert: {'; '.join(found.skipped)}", where=request.source)
    doubts, stray = look_over(found, read.start, force=request.force)
    verbatim = not doubts and request.transform is None and _keeps(found, key, request)
    found = leave_out(found, stray, notes, kept=verbatim)
    poses = named_poses(found, read.start, notes)
    if request.transform is not None:
        found, poses, image, more_doubts = _carry(
            request, request.transform, replace(read, found=found), poses, image, notes
        )
        doubts += more_doubts
    if doubts:
        poses = answer(doubts, poses, notes, force=request.force, where=request.source)
    if verbatim:
        require_sides(poses, image)
        notes.insert(0, "The entries stand in the new file as they were read, those without a coil too.")
    elif not poses:
        raise EmptyRegionError(f"{request.source.name} has no pose of a coil to write", where=request.source)
    else:
        poses = sided(poses, image, notes)
        tell_kinds(found, SYSTEMS[key].name if key in SYSTEMS else key, notes)
    if key in SYSTEMS and not SYSTEMS[key].verified:
        notes.append(f"UNVERIFIED: no real {SYSTEMS[key].name} file was at hand to compare with.")
    more = {name: getattr(request, name) for name, owner in _OWN.items() if owner == key and getattr(request, name)}
    contents = _contents(key, [] if verbatim else poses, image, found, more, verbatim=verbatim)
    _write(paths, contents)
    return Converted(paths[: len(contents)], SYSTEMS[read.key].name, key, len(found.poses), verbatim, tuple(notes))


def _require_options(request: ConvertRequest) -> str:
    key = SCRIPT if request.to.strip().lower().replace("_", "-") == SCRIPT else require_system(request.to)
    if key != SCRIPT and not SYSTEMS[key].writes:
        raise OptionError(
            f"files of {SYSTEMS[key].name} are only read", where="--to", fix=f"choose one of {', '.join(written())}"
        )
    for name, owner in _OWN.items():
        if getattr(request, name) and owner != key:
            raise OptionError(f"this option is for --to {owner} only", where=_option(name), fix="leave it out")
    if key == SCRIPT and not (request.head_folder and request.coil_file):
        raise OptionError(
            "a SimNIBS script names the head model and the coil",
            where="--to simnibs-script",
            fix="give --head-folder (m2m_...) and --coil-file",
        )
    if request.transform is None and (request.from_image or request.transform_to):
        raise OptionError(
            "another image is reached by a transform only",
            where="--from-image" if request.from_image else "--transform-to",
            fix="give --transform, or leave this out and give the image of the poses as --image",
        )
    return key


def _option(name: str) -> str:
    return "--file-version" if name == "version" else f"--{name.replace('_', '-')}"


def _paths(request: ConvertRequest, key: str) -> tuple[Path, ...]:
    suffix = SYSTEMS[key].suffix if key in SYSTEMS else ".py"
    if not request.out.name.lower().endswith(f".{suffix.rpartition('.')[2]}"):
        raise OptionError(
            f"a file for {key} ends in {suffix}, not {request.out.suffix or 'nothing'!r}",
            where=request.out,
            fix=f"name it {request.out.name.split('.')[0]}{suffix}",
        )
    paths = (request.out, request.out.with_suffix(".json")) if key == "nibs-bids" else (request.out,)
    inputs = [request.source, request.image, request.from_image, request.transform]
    for path in paths:
        if any(one is not None and path.resolve() == one.resolve() for one in inputs):
            raise OptionError("this file is read and cannot be written too", where=path, fix="give OUT another name")
        if path.is_dir() or (path.exists() and not request.overwrite):
            raise OutputError("something stands there already", where=path, fix="give another name, or --overwrite")
    return paths


def _read(request: ConvertRequest, image: Image) -> _Read:
    source = request.source
    start: Image | None = image
    if request.transform is not None:
        start = read_named_image(request.from_image) if request.from_image else None
    read = read_pose_file(source)
    how = Reading(None, request.assume, request.axes, read.sidecar)
    key, found = read_any(read.data, source=source.name, system=request.system, reading=how)
    if start is not None:
        # Hashes first: they say more than places that do not fit.
        start = tied_image(found, start, where=source)
        _, found = read_any(read.data, source=source.name, system=key, reading=replace(how, image=start))
    require_placed(found)
    if found.tie is None and start is None:
        raise OptionError(
            "the file does not say which image its poses are on, and with --transform that is not --image",
            where=source,
            fix="give the image that the poses are on (--from-image)",
        )
    return _Read(key, found, start)


def _carry(
    request: ConvertRequest, transform: Path, read: _Read, poses: list[CoilPose], image: Image, notes: list[str]
) -> tuple[NavigationFile, list[CoilPose], Image, list[Doubt]]:
    """Carry poses to the image by the transform; returns the file and its poses without strays, the image, doubts."""
    found, tie = read.found, read.start.tie if read.start is not None else read.found.tie
    if tie and tie.frame == image.frame and tie.header_sha256 != image.header_sha256:
        image = replace(image, frame=f"{image.frame} ({request.image.name})")
    name = tie.frame if tie else ""
    way = find_way(transform, start=read.start, name=name, image=image, asked=request.transform_to)
    poses = carry(poses, way, image)
    notes.append(f"The poses were carried {way.told}.")
    doubts, stray = look_after(poses, way, image, samples=() if request.force else samples_of(found))
    kept = [pose for position, pose in enumerate(poses) if position not in stray]
    return leave_out(found, stray, notes), kept, image, doubts


def _keeps(found: NavigationFile, key: str, request: ConvertRequest) -> bool:
    """Whether the entries can stand in the new file as they were read."""
    if key == SCRIPT or SYSTEMS[key].name != found.system:
        return False
    if key == "brainsight":
        return request.version is None or str(request.version) == found.version
    if key == "localite":
        planned = all(entry.kind == "target" for entry in found.entries)
        return planned and (request.space or found.space) == found.space
    return key != "slicer" or found.space == "LPS"


def _contents(
    key: str, poses: list[CoilPose], image: Image, found: NavigationFile, more: dict[str, Any], *, verbatim: bool
) -> list[bytes]:
    if key == SCRIPT:
        return [write_simnibs_script(poses, image=image, **more).encode()]
    if verbatim:
        more = {"space": found.space} if key == "localite" else {}
    if key == "invesalius":
        kinds = [entry.kind for entry in found.poses]
        more["samples"] = {pose.label for pose, kind in zip(poses, kinds, strict=False) if kind == "sample"}
    made = write_any(key, poses, image=image, kept=found if verbatim else None, **more)
    return [text.encode() if isinstance(text, str) else text for text in made.values()]


def _write(paths: tuple[Path, ...], contents: list[bytes]) -> None:
    """Write all files under temporary names before the first takes its own."""
    try:
        with contextlib.ExitStack() as stack:
            for path, content in zip(paths, contents, strict=False):
                stack.enter_context(files.atomic_path(path)).write_bytes(content)
    except OSError as error:
        raise OutputError(f"the file cannot be written ({error.strerror})", where=paths[0]) from None
