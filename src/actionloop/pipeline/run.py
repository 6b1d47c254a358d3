"""The verbs: plan for people in a data set, demo for the person that comes with the resources."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from actionloop import files
from actionloop.errors import ActionloopError, OptionError
from actionloop.files import OutputFolder, PersonFiles
from actionloop.pipeline.brought import require_one_person, require_one_place
from actionloop.pipeline.choice import Choice
from actionloop.pipeline.engines import require_engines
from actionloop.pipeline.exports import write_results
from actionloop.pipeline.lemon import demo_person
from actionloop.pipeline.page import in_short, write_report
from actionloop.pipeline.person import STEPS, PersonJob, PersonResult, job_keys, run_person
from actionloop.pipeline.progress import Progress
from actionloop.pipeline.safety import read_safety
from actionloop.pipeline.settings import Settings
from actionloop.pipeline.steps import Steps


@dataclass(frozen=True)
class PlanRequest(Choice):
    """Everything that `actionloop plan` was asked; paths as given.

    Either `derivatives`, or bare paths (`bold`), or a finished map (`map_file`) with or without either.
    """

    out: Path
    derivatives: Path | None = None
    level: str = "participant"
    bold: tuple[Path, ...] = ()
    surfaces: tuple[Path, ...] = ()
    t1w: Path | None = None
    confounds: tuple[Path, ...] = ()
    outliers: tuple[Path, ...] = ()
    map_file: Path | None = None
    prior: Path | None = None
    lesion_mask: Path | None = None
    settings: Settings = field(default_factory=Settings)
    work_dir: Path | None = None
    overwrite: bool = False
    reports_only: bool = False
    dry_run: bool = False
    stop_on_first_crash: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of one person.

    Attributes
    ----------
    label : str
    ok : bool
    message : str
        Best targets, or what went wrong.
    report : Path or None
    """

    label: str
    ok: bool
    message: str
    report: Path | None = None


def plan(request: PlanRequest, *, progress: Progress) -> list[Outcome]:
    """Map, rank, export and report everybody asked for.

    Each person is worked on alone: an error in one leaves the others' results whole. A run that was killed goes on
    where it stopped; a person who is finished, with the same inputs, options and version, is left as is.

    Parameters
    ----------
    request : PlanRequest
    progress : Progress

    Returns
    -------
    list of Outcome
        One per person, in order.

    Raises
    ------
    ActionloopError
        What concerns everybody: no such data set, options that cannot be used, an OUT that cannot be written.
    """
    if request.level != "participant":
        raise OptionError(
            f"the analysis level {request.level!r} is not there yet", fix="use 'participant'; group maps come later"
        )
    files.require(groups=("plan",))
    require_one_person(request.settings, len(_labels(request)))
    require_engines(request.settings.pose, len(_labels(request)))
    safety = read_safety(request.settings.safety)
    found: list[tuple[str, PersonFiles | ActionloopError]] = []
    for label in _labels(request):
        try:
            found.append((label, _as_asked(_find(request, label), request)))
        except ActionloopError as error:
            if request.stop_on_first_crash or len(_labels(request)) == 1:
                raise
            found.append((label, error))
    people = [one for _, one in found if isinstance(one, PersonFiles)]
    require_one_place(request.settings, people, n_people=len(found))
    if request.dry_run:
        return [Outcome(label, isinstance(one, PersonFiles), _dry(one)) for label, one in found]
    outcomes: list[Outcome] = []
    for label, one in found:
        try:
            if isinstance(one, ActionloopError):
                raise one
            given = (request.prior, request.map_file, request.lesion_mask)
            job = PersonJob(one, request.settings, *given, safety=safety)
            outcomes.append(_finish(job, request, progress))
        except ActionloopError as error:
            if request.stop_on_first_crash:
                raise
            outcomes.append(Outcome(label, False, str(error)))
    return outcomes


def demo(out: Path, *, overwrite: bool = False, seed: int = 0, progress: Progress) -> Outcome:
    """Run the whole line on a real person: LEMON sub-010188, on template anatomy.

    Parameters
    ----------
    out : Path
    overwrite : bool
    seed : int
    progress : Progress

    Returns
    -------
    Outcome

    Raises
    ------
    ActionloopError
    """
    job = PersonJob(demo_person(), Settings(seed=seed), template_image=True)
    request = PlanRequest(out=out, overwrite=overwrite, settings=job.settings)
    return _finish(job, request, progress)


def _finish(job: PersonJob, request: PlanRequest, progress: Progress) -> Outcome:
    """Do whatever of one person's work is not done yet. Bad input leaves nothing behind."""
    OutputFolder.check(request.out, overwrite=request.overwrite)
    # Products of thin matrices gain nothing from more threads, and on a busy machine those wait for each other (the
    # demo took twice the processor time). One thread also gives the same digits on any number of cores.
    with threadpool_limits(limits=1, user_api="blas"), Steps(_work_folder(job, request)) as steps:
        progress.start(f"sub-{job.person.label}", len(STEPS))
        stamp = steps.folder / "finished.json"
        key = job_keys(job, steps.hash_files(job.inputs))["person"]
        finished = _finished(stamp, key, request.out)
        if finished is not None and not request.reports_only:
            progress.note("already finished with these inputs and options; nothing to do")
            progress.done()
            return finished
        result = run_person(job, steps, progress=progress)
        return _deliver(result, request, stamp, progress)


def _deliver(result: PersonResult, request: PlanRequest, stamp: Path, progress: Progress) -> Outcome:
    """Write the files, the report and the stamp that says so."""
    job = result.job
    sources = [] if request.derivatives is None else [files.source_dataset(request.derivatives, out=request.out)]
    progress.step(STEPS[7])
    out = OutputFolder(request.out, overwrite=request.overwrite, sources=sources)
    root = request.derivatives or _common_folder(job.inputs)
    shelf, handed, provenance = write_results(out, result, root=root, say=progress.note)
    progress.step(STEPS[8])
    page = write_report(shelf, result, handed, provenance, say=progress.note)
    message = in_short(result, handed)
    names = [name for _, name in shelf.written]
    _drop_stale(out, stamp, names)
    state = {"key": result.key, "label": job.person.label, "report": page, "message": message, "written": names}
    files.write_json(stamp, state)
    progress.done()
    return Outcome(job.person.label, True, message, out.path / page)


def _work_folder(job: PersonJob, request: PlanRequest) -> Path:
    return (request.work_dir or request.out / ".work") / f"sub-{job.person.label}"


def _finished(stamp: Path, key: str, out: Path) -> Outcome | None:
    """Tell what a finished person's run left, if it had the same key and every file is still there."""
    state = _read_stamp(stamp)
    if state is None or state["key"] != key:
        return None
    if not all((out / name).is_file() for name in (*state["written"], state["report"])):
        return None
    return Outcome(str(state["label"]), True, str(state["message"]), out / str(state["report"]))


def _drop_stale(out: OutputFolder, stamp: Path, written: Sequence[str]) -> None:
    """Remove files of this person's earlier run that this one did not write: they no longer belong to the result."""
    state = _read_stamp(stamp)
    for name in set(state["written"] if state else ()) - set(written):
        place = out.path / name
        if place.is_file():
            place.unlink()


def _read_stamp(stamp: Path) -> Mapping[str, Any] | None:
    try:
        state = json.loads(stamp.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return (
        state if isinstance(state, dict) and {"key", "label", "written", "report", "message"} <= state.keys() else None
    )


def _labels(request: PlanRequest) -> list[str]:
    """Return the labels of the people asked for; everybody in the data set if none was named."""
    wanted = [label.removeprefix("sub-") for label in request.participant_labels]
    if request.derivatives is None:
        if not request.bold and request.map_file is None:
            raise OptionError(
                "there is nothing to work on",
                fix="give DERIVATIVES (a folder), or --bold files, or --map with a finished map",
            )
        if len(wanted) > 1:
            raise OptionError("bare paths are one person's; give one --participant-label")
        return wanted or ["01"]
    return wanted or files.list_people(request.derivatives, layout=request.layout)


def _find(request: PlanRequest, label: str) -> PersonFiles:
    if request.derivatives is None:
        return _bare(request, label)
    selection = request.selection()
    return files.find_person(
        request.derivatives,
        label,
        layout=request.layout,
        selection=selection,
        anatomy=request.anatomy,
    )


def _bare(request: PlanRequest, label: str) -> PersonFiles:
    surfaces: Path | Sequence[Path] | None = request.surfaces[0] if len(request.surfaces) == 1 else request.surfaces
    if request.map_file is not None and not request.bold:
        return files.bare_geometry(label, surfaces=surfaces or None, t1w=request.t1w)
    return files.bare_person(
        label,
        bold=request.bold,
        surfaces=surfaces or None,
        t1w=request.t1w,
        confounds=request.confounds,
        outliers=request.outliers,
        tr_s=request.tr_s,
    )


def _as_asked(person: PersonFiles, request: PlanRequest) -> PersonFiles:
    """Give every run the repetition time stated on the command line; where a map is given, no run is read at all."""
    if request.map_file is not None:
        return replace(person, runs=())
    if request.tr_s is None:
        return person
    return replace(person, runs=tuple(replace(run, tr_s=request.tr_s) for run in person.runs))


def _dry(one: PersonFiles | ActionloopError) -> str:
    if isinstance(one, ActionloopError):
        return str(one)
    surfaces = "none, template" if one.surfaces is None else one.surfaces.space
    return "\n".join(
        [
            f"layout {one.layout}; surfaces: {surfaces}; T1: {one.t1w.name if one.t1w else 'none'}",
            *(f"run {run.name}: {run.paths[0].name}, TR {run.tr_s}" for run in one.runs),
            *one.notes,
        ]
    )


def _common_folder(paths: Sequence[Path]) -> Path | None:
    folders = {path.resolve().parent for path in paths}
    return folders.pop() if len(folders) == 1 else None
