"""Coil poses for every navigation system that was asked for, each read back before it counts as written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from actionloop import facts, files, navigation
from actionloop.errors import GeometryError
from actionloop.field import dipole_coil
from actionloop.navigation import SYSTEMS, Reading
from actionloop.pipeline.exported import ExportedFile, Handed, Shelf, side_words
from actionloop.pipeline.personjob import PersonResult
from actionloop.pipeline.posing import coil_file
from actionloop.reliability import VERDICT_WORDS, TargetReliability
from actionloop.types import CoilPose, FloatArray, Image, Target

SCRIPT = "simnibs-script"
# What a text file of a navigation system may round off.
_ROUNDED_MM, _ROUNDED_AXES = 2e-3, 1e-3


def navigation_state(result: PersonResult) -> str:
    """Say what became of the navigation files: 'written', 'forced', or why there are none."""
    if result.head.reason or not result.targets:
        return result.head.reason or "no target"
    if not result.exported:
        return f"withheld: {withheld_words(result)}"
    untrusted = len(result.targets) > len(result.trusted) or result.job.safety.screening.positive
    return "forced" if result.job.settings.force and untrusted else "written"


def withheld_words(result: PersonResult) -> str:
    """Say why no target is exported; empty where some are."""
    if result.exported:
        return ""
    safety, reasons = result.job.safety, []
    if not result.trusted and not result.asked:
        reasons.append(f"no reliable target{f' ({result.unjudged})' if result.unjudged else ''}")
    if safety.stopped(force=result.job.settings.force):
        reasons.append(safety.screening.in_words())
    return "; ".join(reasons)


def withheld_poses(result: PersonResult) -> dict[str, str]:
    """Say by target why no pose of it stands in a file that a machine reads; targets that are exported are left out."""
    safety, exported = result.job.safety, {one.name for one in result.exported}
    stopped = safety.stopped(force=result.job.settings.force)
    return {
        target.name: safety.screening.in_words() if stopped else _doubt_words(result, target)
        for target in (*result.targets, *result.asked)
        if target.name not in exported
    }


def told_withheld(targets: Sequence[Target], withheld: Mapping[str, str]) -> list[Target]:
    """Put the reason why a pose is withheld in place of its note."""
    return [
        replace(target, pose=replace(target.pose, note=f"withheld: {withheld[target.name]}"))
        if target.pose is not None and target.name in withheld
        else target
        for target in targets
    ]


def _doubt_words(result: PersonResult, target: Target) -> str:
    if verdict_of(result, target) is None:
        return f"its reliability could not be judged: {result.unjudged}"
    return f"it is not reliable ({_verdict_words(result, target)})"


def navigation_poses(result: PersonResult) -> list[CoilPose]:
    """Return the coil poses that may be exported, best first; none where `head.reason` says why not.

    Notes say how far a target is to be trusted, and that nobody judged it; the name says so of a forced one.
    """
    return [pose for _, pose in posed_targets(result)]


def posed_targets(result: PersonResult) -> list[tuple[Target, CoilPose]]:
    """Return each target that may be exported with its pose as it is exported."""
    if result.head.reason:
        return []
    return [
        (target, replace(target.pose, label=told_name(result, target), note=_told_note(result, target)))
        for target in result.exported
        if target.pose is not None
    ]


def verdict_of(result: PersonResult, target: Target) -> TargetReliability | None:
    """Return the verdict on a target; None where there is none."""
    return None if result.reliability is None else result.reliability.of(target)


def told_name(result: PersonResult, target: Target) -> str:
    """Name a target in an export; the name of a forced one says so."""
    reasons = ["screening yes"] if result.job.safety.screening.positive else []
    if _forced(result, target):
        reasons.insert(0, f"not {'judged' if verdict_of(result, target) is None else 'reliable'}")
    return f"{target.name} FORCED {' and '.join(reasons)}" if reasons else target.name


def _forced(result: PersonResult, target: Target) -> bool:
    """Tell whether a target is exported only because of --force; a place that was asked for never is."""
    trusted = {one.name for one in result.trusted}
    return target.name not in trusted and any(target.name == one.name for one in result.targets)


def told_verdict(result: PersonResult, target: Target) -> str:
    """Say in one line how far a target is to be trusted, and what the screening said."""
    safety = result.job.safety
    forced = "exported with --force although " if safety.screening.positive else ""
    return f"{_verdict_words(result, target)}; {forced}{safety.in_words()}"


def _verdict_words(result: PersonResult, target: Target) -> str:
    verdict = verdict_of(result, target)
    if verdict is None and _forced(result, target):
        return f"exported with --force although its reliability could not be judged: {result.unjudged}"
    if verdict is None:
        return "reliability not judged"
    said = f"{VERDICT_WORDS[verdict.verdict]}: probability {verdict.probability:.2f} within {verdict.near_mm:g} mm"
    return f"exported with --force although there is {said}" if _forced(result, target) else said


def _told_note(result: PersonResult, target: Target) -> str:
    """Put the verdict into the note of a pose."""
    pose = "" if target.pose is None else target.pose.note
    return "; ".join(part for part in (pose, told_verdict(result, target)) if part)


def put_navigation(shelf: Shelf, result: PersonResult, handed: Handed) -> None:
    """Write the poses for every system that was asked for; one that cannot take this image is left out, and why.

    Parameters
    ----------
    shelf : Shelf
    result : PersonResult
    handed : Handed
        Is told what was written and what was left out.

    Raises
    ------
    GeometryError
        Poses that belong to another image, or names that contradict their places: then nothing is written for any
        system.
    """
    told, image = posed_targets(result), result.head.image
    if not told or image is None:
        return
    poses = [pose for _, pose in told]
    navigation.name_poses(poses, image=image, kept=None, system="")
    frame = _frame_words(image)
    for system in result.job.settings.export.systems():
        try:
            made = navigation.write_any(system, poses, image=image, **_more(system, result, told))
            words = _read_back(system, made, poses, image)
        except GeometryError as error:
            handed.leave_out(SYSTEMS[system].name, error.problem)
            continue
        about = ExportedFile(
            "navigation", SYSTEMS[system].name, f"{frame}{words}", _verified(system), side_words(image, poses)
        )
        for suffix, content in made.items():
            key = f"{system}_json" if suffix.endswith("_markers.json") else system
            handed.add(about, shelf.put(key, partial(_write, content=content)))
        if system == "simnibs":
            _put_script(shelf, result, handed, about=about, poses=poses)


def _put_script(
    shelf: Shelf, result: PersonResult, handed: Handed, *, about: ExportedFile, poses: Sequence[CoilPose]
) -> None:
    """Write the script for SimNIBS, and beside it a coil that comes with this program, which SimNIBS does not have."""
    image, given = result.head.image, coil_file(result.job.settings.pose.coil)
    assert image is not None
    name = "" if given is None else given.name
    if given is None:
        beside = shelf.put("simnibs-coil", partial(files.write_coil, coil=dipole_coil(_coil_name(result))))
        name = beside.rpartition("/")[2]
        handed.add(
            about, beside, name="SimNIBS coil", note="The program's own coil as dipoles; keep it beside the script."
        )
    script = navigation.write_simnibs_script(
        poses, image=image, head_folder=_head_folder(result), coil_file=name, coil_beside=given is None
    )
    path = shelf.put(SCRIPT, partial(files.write_text, text=script))
    handed.add(about, path, name="SimNIBS script", note=_coil_note(result))


def _write(path: Path, *, content: str | bytes) -> None:
    if isinstance(content, str):
        files.write_text(path, content)
    else:
        path.write_bytes(content)


def _more(system: str, result: PersonResult, told: Sequence[tuple[Target, CoilPose]]) -> dict[str, Any]:
    """Return what one system's file has room for besides the poses."""
    if system == "navinibs":
        return {"aimed_ras": {pose.label: target.xyz_ras for target, pose in told}}
    if system == "visor2":
        return {"coil_type": _coil_name(result)}
    return {}


def _head_folder(result: PersonResult) -> str:
    return f"m2m_{result.job.person.label}"


def _coil_name(result: PersonResult) -> str:
    """Name the coil that the poses are for."""
    coil = result.posing.coil
    if coil is not None:
        return coil.name
    given = result.job.settings.pose.coil
    path = coil_file(given)
    return path.stem if path is not None else given or str(facts.load("field")["coil"]["default"])


def _coil_note(result: PersonResult) -> str:
    """Say what has to be done before the script runs."""
    folder = f"Run it beside the head model {_head_folder(result)!r} made from this T1."
    given = coil_file(result.job.settings.pose.coil)
    if given is not None:
        return f"{folder} Unless SimNIBS itself has the coil {given.name!r}, put the full path into 'fnamecoil'."
    return (
        f"{folder} SimNIBS has no coil {_coil_name(result)!r}: the file written beside the script holds it. Name your "
        "stimulator's own coil in 'fnamecoil' where its field matters."
    )


def _frame_words(image: Image) -> str:
    frame = navigation.image_frame(image)
    return f"{image.frame}: NIfTI {frame.form}form, {frame.name}"


def _verified(system: str) -> str:
    return "tried on real files" if SYSTEMS[system].verified else "unverified: check one pose by eye"


def _read_back(system: str, made: Mapping[str, str | bytes], poses: Sequence[CoilPose], image: Image) -> str:
    """Read what was made as a stranger would, refuse it where poses or image come out otherwise; say its axes."""
    parts = {suffix: text.encode() if isinstance(text, str) else text for suffix, text in made.items()}
    sidecar = next((data.decode() for suffix, data in parts.items() if suffix.endswith("_markers.json")), "")
    name = SYSTEMS[system].name
    _, found = navigation.read_any(
        parts[SYSTEMS[system].suffix], source=name, system=system, reading=Reading(image=image, sidecar=sidecar)
    )
    back = {pose.label: pose for pose in navigation.poses_of(found)}
    for pose in poses:
        there = back.get(navigation.plain(pose.label))
        if there is None or not _alike(there.matrix, pose.matrix) or there.tie.why_not(image.tie):
            raise GeometryError(f"the pose {pose.label!r} does not read back from the {name} file as it was written")
    axes = {"RAS": "; RAS mm", "LPS": "; LPS mm (x and y of the opposite sign)"}.get(found.space, "")
    return axes or f"; {found.frame}"


def _alike(one: FloatArray, other: FloatArray) -> bool:
    return bool(
        np.abs(one[:3, 3] - other[:3, 3]).max() <= _ROUNDED_MM
        and np.abs(one[:3, :3] - other[:3, :3]).max() <= _ROUNDED_AXES
    )
