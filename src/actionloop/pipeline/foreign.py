"""Fields of other programs at the poses that were found here, and how they stand beside ours."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from actionloop import facts, files, navigation
from actionloop.errors import ActionloopError, EngineError, OptionError
from actionloop.field import ElementField, dipole_coil, grey_elements
from actionloop.pipeline.engines import engine_head, engine_mesh, given_files, run_script
from actionloop.pipeline.head import Head
from actionloop.pipeline.posing import Posing, coil_file
from actionloop.pipeline.progress import Progress
from actionloop.pipeline.sidebyside import ForeignField, SideBySide
from actionloop.pipeline.steps import Arrays, Steps, key_of
from actionloop.poses import PoseSearch
from actionloop.types import CoilPose, NetworkMap

if TYPE_CHECKING:
    from actionloop.pipeline.personjob import PersonJob
    from actionloop.pipeline.settings import PoseSettings

RESULT = "a result that was given"


def compare_engines(
    job: PersonJob,
    head: Head,
    network_map: NetworkMap,
    posing: Posing,
    *,
    kept: tuple[Steps, str],
    progress: Progress,
) -> tuple[ForeignField, ...]:
    """Compare the field of every best pose with that of other programs, and with results that were given.

    Parameters
    ----------
    job : PersonJob
    head : Head
    network_map : NetworkMap
    posing : Posing
    kept : (Steps, str)
        Finished steps, and the hash by `foreign_key`.
    progress : Progress

    Returns
    -------
    tuple of ForeignField
        One for each program and pose; a program that failed says why.

    Raises
    ------
    OptionError, InputError, GeometryError
        Results that were given and cannot be used.
    """
    wanted, searches = job.settings.pose, posing.searches
    if not (wanted.compare or wanted.foreign_fields) or not searches:
        return ()
    desk = SideBySide(head.anatomy, network_map)
    found = [
        desk.judge(search, RESULT, path.name, _given(path, desk, search, wanted))
        for search, path in zip(searches, _paired(wanted.foreign_fields, searches), strict=True)
        if path is not None
    ]
    steps, contents = kept
    for key in wanted.compare:
        name = str(facts.load("engines")["program"][key]["name"])
        source = engine_head(wanted).name
        matrices = [search.best.matrix.tolist() for search in searches]
        known = {"engine": key, "files": contents, "matrices": matrices, "coil": wanted.coil, "of": wanted.stimulator}
        known["facts"] = facts.load("engines")["version"]
        try:
            progress.note(f"{name} computes {len(searches)} field{'s' if len(searches) > 1 else ''}")
            compute = partial(_computed, key, job, head, posing, desk)
            arrays, _ = steps.run(f"engine{key}", key_of(known), compute)
            found += [desk.judge(one, name, source, _part(arrays, i)) for i, one in enumerate(searches)]
        except ActionloopError as error:
            progress.note(f"{name}: {error.problem}")
            found += [ForeignField(one, name, source, reason=error.problem) for one in searches]
    return tuple(found)


def foreign_key(job: PersonJob, hashes: Mapping[str, str], head_key: str) -> str:
    """Hash what shapes the field of another program, but for the poses: head, mesh, coil."""
    wanted = job.settings.pose
    read = [*given_files(wanted), coil_file(wanted.coil)]
    return key_of({"head": head_key, "files": [None if path is None else hashes[str(path)] for path in read]})


def _paired(paths: Sequence[Path], searches: Sequence[PoseSearch]) -> list[Path | None]:
    """Pair results that were given with poses, in order."""
    if paths and len(paths) != len(searches):
        names = ", ".join(search.name for search in searches)
        raise OptionError(
            f"{len(searches)} poses were found ({names}) and {len(paths)} results given",
            where="--foreign-field",
            fix="give one file for each pose in this order, or name the target with --target",
        )
    return list(paths) if paths else [None] * len(searches)


def _given(path: Path, desk: SideBySide, search: PoseSearch, wanted: PoseSettings) -> Arrays:
    field = _mesh_field(path, desk.anatomy.frame, ("magnE", "normE", "E"), didt_a_per_s=wanted.foreign_didt)
    return desk.sample(field, search)


def _mesh_field(path: Path, frame: str, names: Sequence[str], *, didt_a_per_s: float = 1e6) -> ElementField:
    """Read a result of SimNIBS for a current that rises by 1 A/µs."""
    read = files.read_mesh_field(path, frame=frame, names=names)
    return grey_elements(read.mesh, read.strength / (didt_a_per_s / 1e6))


def _computed(key: str, job: PersonJob, head: Head, posing: Posing, desk: SideBySide) -> Arrays:
    """Run another program for every pose; the fields at the cortex of each, side by side."""
    known = facts.load("engines")["program"][key]
    with tempfile.TemporaryDirectory(prefix="actionloop-") as place:
        folder = Path(place)
        script = folder / "poses.py"
        files.write_text(script, _script(key, job, head, posing, folder))
        run_script(key, script)
        arrays: Arrays = {}
        for number, search in enumerate(posing.searches):
            pattern = known["result"].format(number=number + 1)
            found = sorted(folder.rglob(pattern))
            if len(found) != 1:
                raise EngineError(f"{known['name']} ended without fault but left {len(found)} files {pattern}")
            part = desk.sample(_result(key, found[0], desk.anatomy.frame), search)
            if key == "cunibs":
                part["matrix"] = _archive(found[0])["transform"]
            arrays |= {f"{name}{number}": values for name, values in part.items()}
    return arrays


def _part(arrays: Arrays, number: int) -> Arrays:
    """Take what belongs to one pose out of a step."""
    names = ("L", "R", "inside", "matrix")
    return {name: arrays[f"{name}{number}"] for name in names if f"{name}{number}" in arrays}


def _script(key: str, job: PersonJob, head: Head, posing: Posing, folder: Path) -> str:
    """Write the coil beside the script, and return the script."""
    wanted, image = job.settings.pose, head.image
    if image is None or head.reason:
        raise EngineError(f"poses of this head cannot be handed on: {head.reason or 'there is no T1'}")
    coil = _coil_beside(key, posing, wanted, folder)
    poses = [CoilPose(one.best.matrix, image.tie, one.name) for one in posing.searches]
    if key == "cunibs":
        if posing.scalp is None:
            raise EngineError("cuNIBS lays the coil on the scalp, and there is none")
        mesh = str(engine_mesh(wanted).resolve())
        return navigation.write_cunibs_script(poses, image=image, scalp=posing.scalp, head_mesh=mesh, coil_file=coil)
    return navigation.write_simnibs_script(
        poses,
        image=image,
        head_folder=str(engine_head(wanted).resolve()),
        coil_file=coil,
        output_folder=str(folder / "fields"),
    )


def _coil_beside(key: str, posing: Posing, wanted: PoseSettings, folder: Path) -> str:
    """Write the coil as dipoles; a coil of wires goes to SimNIBS as the file that it came in."""
    coil, given = posing.coil, coil_file(wanted.coil)
    if coil is None:
        raise EngineError("there is no coil")
    if given is None:
        coil = dipole_coil(coil.name)
    elif len(coil.wires_mm):
        if key != "simnibs" or wanted.stimulator is not None:
            raise EngineError(
                f"the coil {coil.name!r} is made of pieces of wire"
                + (" of one of several stimulators" if wanted.stimulator is not None else "")
                + ", which cannot be handed on as dipoles"
            )
        return str(given.resolve())
    files.write_coil(folder / "coil.ccd", coil)
    return str(folder / "coil.ccd")


def _result(key: str, path: Path, frame: str) -> ElementField:
    if key == "simnibs":
        return _mesh_field(path, frame, facts.load("engines")["program"][key]["fields"])
    found = _archive(path)
    grey = found["tet_tags"] == int(facts.load("engines")["grey_label"])
    strength, centres = (np.asarray(found[name], dtype=np.float64) for name in ("magnE", "barycenters_mm"))
    if not grey.shape == strength.shape == centres.shape[:1]:
        raise EngineError("cuNIBS's result does not have one value for each element", where=path)
    return ElementField(centres[grey], strength[grey], source=path.name)


def _archive(path: Path) -> Arrays:
    """Read what the script for cuNIBS left."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            found = {name: stored[name] for name in ("magnE", "tet_tags", "barycenters_mm", "transform")}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise EngineError(f"cuNIBS's result cannot be read ({error})", where=path.name) from error
    return found
