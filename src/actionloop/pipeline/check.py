"""Who in a data set has usable data, who has not, and what would mend it: before anything is mapped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from actionloop import files
from actionloop.errors import ActionloopError, InputError, ResourceError
from actionloop.files import PersonFiles, Selection, VolumeRun
from actionloop.pipeline import advice
from actionloop.pipeline.checked import CheckReport, Finding, PersonCheck
from actionloop.pipeline.checkrun import check_run, check_volume
from actionloop.pipeline.choice import Choice
from actionloop.pipeline.judge import judge_anatomy, judge_dropout, judge_minutes, judge_times
from actionloop.pipeline.priors import cached_default_prior
from actionloop.pipeline.progress import Progress
from actionloop.pipeline.usable import thresholds_mm
from actionloop.types import BoolArray

NETWORKS = ("SCAN", "AMN")
Found = PersonFiles | tuple[VolumeRun, ...]


@dataclass(frozen=True)
class CheckRequest(Choice):
    """Everything that `actionloop check` was asked; as for `plan`."""

    derivatives: Path


def check_data(request: CheckRequest, *, progress: Progress) -> CheckReport:
    """Look at everybody's files, motion and signal; nothing is written.

    Of a series only the rows of SCAN and AMN are read. An error in one person is that person's finding.

    Parameters
    ----------
    request : CheckRequest
    progress : Progress

    Returns
    -------
    CheckReport

    Raises
    ------
    ActionloopError
        No such folder, nothing in it that is known, or a BIDS filter file that cannot be used.
    """
    layout, people = _people(request)
    wanted, notes = _wanted_rows()
    found = {label: _attempt(look, layout, label) for label, look in people.items()}
    progress.start("check", sum(_size(one) for one in found.values()))
    checked = []
    with threadpool_limits(limits=1, user_api="blas"):
        for label, one in found.items():
            if isinstance(one, PersonCheck):
                progress.step(f"sub-{label}")
                checked.append(one)
            elif isinstance(one, PersonFiles):
                checked.append(_guarded(one, layout, request, wanted, progress))
            else:
                progress.step(f"sub-{label}")
                checked.append(_check_volumes(label, one, layout, request))
    progress.done()
    return CheckReport(files.shown_path(request.derivatives), layout, thresholds_mm(), tuple(checked), notes)


def _people(request: CheckRequest) -> tuple[str, Mapping[str, Callable[[], Found]]]:
    """Tell the layout, and for each person how to find the files."""
    root = request.derivatives
    selection = request.selection()
    try:
        layout = request.layout or files.detect_layout(root)
    except InputError as unknown:
        if not root.is_dir():
            raise
        special = _special(root, selection)
        if special is None:
            raise unknown from None
        named, people = special
        return named, _chosen(people, request, root)
    labels = files.list_people(root, layout=layout)
    if not labels:
        raise InputError(
            "there is nobody in this folder", where=root, fix="give the folder that holds the sub- folders"
        )

    def finder(label: str) -> Callable[[], Found]:
        return lambda: _find(request, label, layout, selection)

    return layout, _chosen({label: finder(label) for label in labels}, request, root, finder)


def _special(root: Path, selection: Selection) -> tuple[str, dict[str, Callable[[], Found]]] | None:
    """Recognise what `plan` takes by path only: DCAN's output, tedana's, a folder with one series."""
    dcan = files.dcan_people(root)
    if dcan:
        return "dcan", {
            label: partial(files.find_dcan, root, folder, selection=selection) for label, folder in dcan.items()
        }
    tedana = files.tedana_people(root)
    if tedana:
        return "tedana", {label: partial(_of_tedana, root, paths) for label, paths in tedana.items()}
    bare = files.find_bare_folder(root)
    return None if bare is None else ("bare", {bare.label: lambda: bare})


def _of_tedana(root: Path, paths: list[Path]) -> Found:
    return tuple(files.find_tedana(root, paths))


def _chosen(
    people: Mapping[str, Callable[[], Found]],
    request: CheckRequest,
    root: Path,
    finder: Callable[[str], Callable[[], Found]] | None = None,
) -> Mapping[str, Callable[[], Found]]:
    wanted = [label.removeprefix("sub-") for label in request.participant_labels]

    def absent(label: str) -> Callable[[], Found]:
        def refuse() -> Found:
            raise InputError(f"participant {label!r} is not there; found {', '.join(people)}", where=root)

        return refuse if finder is None else finder(label)

    return {label: people.get(label) or absent(label) for label in wanted} if wanted else people


def _find(request: CheckRequest, label: str, layout: str, selection: Selection) -> Found:
    try:
        return files.find_person(
            request.derivatives,
            label,
            layout=layout,  # type: ignore[arg-type]
            selection=selection,
            anatomy=request.anatomy,
        )
    except InputError:
        folder = request.derivatives / f"sub-{label}"
        if layout != "fmriprep" or not folder.is_dir():
            raise
        volumes = files.fmriprep_volumes(request.derivatives, folder)
        if not volumes:
            raise
        return tuple(volumes)


def _wanted_rows() -> tuple[dict[str, BoolArray], tuple[str, ...]]:
    """Rows where SCAN and AMN are the likeliest networks of the default prior."""
    try:
        prior = cached_default_prior()
    except ResourceError:
        return {}, (
            "dropout over SCAN and AMN is not told: the data for it are not there (actionloop data fetch plan)",
        )
    likeliest = np.where(prior.probability.any(axis=0), prior.probability.argmax(axis=0), -1)
    return {name: likeliest == prior.index(name) for name in NETWORKS}, ()


def _attempt(look: Callable[[], Found], layout: str, label: str) -> Found | PersonCheck:
    try:
        return look()
    except Exception as error:  # one person's damaged files must not keep the others from being checked
        return PersonCheck(label, layout, readable=False, findings=(_as_finding(error),))


def _guarded(
    person: PersonFiles, layout: str, request: CheckRequest, wanted: Mapping[str, BoolArray], progress: Progress
) -> PersonCheck:
    try:
        return _check_person(person, layout, request, wanted, progress)
    except Exception as error:  # as above
        return PersonCheck(person.label, layout, readable=False, findings=(_as_finding(error),))


def _check_person(
    person: PersonFiles, layout: str, request: CheckRequest, wanted: Mapping[str, BoolArray], progress: Progress
) -> PersonCheck:
    findings: list[Finding] = []
    notes = list(person.notes)
    runs = []
    for number, run in enumerate(person.runs):
        progress.step(f"sub-{person.label} {run.name}")
        given = run if request.tr_s is None else replace(run, tr_s=request.tr_s)
        others = [other.entities for i, other in enumerate(person.runs) if i != number]
        try:
            checked, found, said = check_run(given, wanted, layout=layout, others=others)
        except Exception as error:  # one damaged run must not hide what the others are
            findings.append(_as_finding(error, run.name, advice.leave_out(run.entities, others) if others else ""))
            continue
        runs.append((checked, run.entities))
        findings += found
        notes += said
    whole = PersonCheck(
        person.label,
        layout,
        readable=bool(runs),
        runs=tuple(run for run, _ in runs),
        surfaces=advice.surfaces_in_words(person),
        t1w=person.t1w is not None,
    )
    findings += [*judge_times(runs), *judge_minutes(whole), *judge_dropout(whole), *judge_anatomy(person, layout)]
    return replace(whole, findings=_in_order(findings), notes=tuple(dict.fromkeys(notes)))


def _check_volumes(label: str, runs: tuple[VolumeRun, ...], layout: str, request: CheckRequest) -> PersonCheck:
    """Tell what can be told of a person whose series are not on the cortex."""
    what = "the series are voxels only; `plan` needs them on the cortex (fsLR or fsaverage5/6)"
    findings = [Finding("red", what, advice.TEDANA if layout == "tedana" else advice.CIFTI)]
    notes: list[str] = []
    checked = []
    for run in runs:
        try:
            one, found, said = check_volume(run if request.tr_s is None else replace(run, tr_s=request.tr_s))
        except Exception as error:  # as above
            findings.append(_as_finding(error, run.name))
            continue
        checked.append((one, run.entities))
        findings += found
        notes += said
    whole = PersonCheck(label, layout, readable=bool(checked), runs=tuple(run for run, _ in checked))
    findings += [*judge_times(checked), *judge_minutes(whole)]
    return replace(whole, findings=_in_order(findings), notes=tuple(notes))


def _as_finding(error: Exception, run: str = "", otherwise: str = "") -> Finding:
    if isinstance(error, ActionloopError):
        place = f" ({Path(error.where).name})" if error.where else ""
        fix = "; or ".join(each for each in (error.fix, otherwise) if each)
        return Finding("red", f"{error.problem}{place}", fix or "check the file, or copy it again", run)
    first = (str(error).splitlines() or [""])[0]
    what = f"unexpected error ({type(error).__name__}: {first}): this is a bug in actionloop"
    return Finding("red", what, "report it together with the output of `actionloop doctor`", run)


def _in_order(findings: list[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(dict.fromkeys(findings), key=lambda finding: finding.light != "red"))


def _size(found: Found | PersonCheck) -> int:
    return max(1, len(found.runs)) if isinstance(found, PersonFiles) else 1
