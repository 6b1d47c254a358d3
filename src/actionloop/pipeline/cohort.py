"""A prior from people of one's own: `prior build`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from actionloop import files, signal
from actionloop.errors import ActionloopError, InputError, PriorError
from actionloop.files import Layout
from actionloop.networks.cohort import CohortSums
from actionloop.pipeline.labels import LabelMaker
from actionloop.pipeline.priorfiles import output_paths, require_free, sidecar, write_cohort
from actionloop.pipeline.progress import Progress
from actionloop.pipeline.run import Outcome, selection_of
from actionloop.pipeline.series import load_series
from actionloop.pipeline.settings import MappingSettings

TERMS = "made from people's data by the user; the terms of these data hold"


@dataclass(frozen=True)
class CohortRequest:
    """Everything that `actionloop prior build` was asked; paths as given.

    `out` is where the files go and how their names begin. `labels` is a folder with one label map per person; without
    it every person is mapped, starting from `prior` or else from the default one. `subcortex` keeps the voxels of 91k
    CIFTI series, cleaned as `plan` cleans them by default.
    """

    derivatives: Path
    out: Path
    labels: Path | None = None
    prior: Path | None = None
    participant_labels: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    acquisitions: tuple[str, ...] = ()
    bids_filter: Path | None = None
    anatomy: Path | None = None
    layout: Layout | None = None
    tr_s: float | None = None
    subcortex: bool = False
    overwrite: bool = False
    stop_on_first_crash: bool = False


@dataclass(frozen=True)
class BuiltPrior:
    """What `build_prior` made: its files by kind ('prior' is the one for --prior), and what became of everybody."""

    paths: Mapping[str, Path]
    outcomes: tuple[Outcome, ...]


def build_prior(request: CohortRequest, *, progress: Progress) -> BuiltPrior:
    """Make a prior of many people, one in memory at a time.

    A person who cannot be used is named and left out. Nothing is written unless all of it can be.

    Parameters
    ----------
    request : CohortRequest
    progress : Progress

    Returns
    -------
    BuiltPrior

    Raises
    ------
    ActionloopError
        What concerns everybody: no such data set, an OUT that is there already or cannot be written, nobody who can
        be used; with `stop_on_first_crash` also the first person's error.
    """
    files.require(groups=("plan",))
    paths = output_paths(request.out)
    require_free(paths, overwrite=request.overwrite)
    everybody = _everybody(request)
    maker = LabelMaker(request.labels, request.prior)
    sums: CohortSums | None = None
    rows: list[dict[str, Any]] = []
    outcomes: list[Outcome] = []
    progress.start(f"prior of {len(everybody)} people", len(everybody) + 1)
    with threadpool_limits(limits=1, user_api="blas"):
        for label in everybody:
            progress.step(f"sub-{label}")
            try:
                row, sums = _add_person(request, label, maker, sums, progress)
            except ActionloopError as error:
                if request.stop_on_first_crash or len(everybody) == 1:
                    raise
                outcomes.append(Outcome(label, False, str(error)))
                progress.note(f"sub-{label} is left out: {error.problem}")
            else:
                rows.append(row)
                outcomes.append(Outcome(label, True, f"{row['Minutes']:.1f} min; labels: {row['Labels']}"))
        if sums is None:
            first = outcomes[0].message.splitlines()[0]
            raise PriorError(
                f"none of the {len(everybody)} people could be used; sub-{everybody[0]}: {first}",
                where=request.derivatives,
                fix="look at one person alone: --participant-label",
            )
        progress.step("writing the prior")
        minutes = round(sum(row["Minutes"] for row in rows), 3)
        made = sums.result(source=f"prior of {len(rows)} people, {minutes:.0f} min, {maker.words}", terms=TERMS)
        about = sidecar(
            made,
            paths,
            inputs=[] if request.prior is None else [request.prior],
            method={"Labels": maker.words, "Prior": maker.start},
            Minutes=minutes,
            People=rows,
            LeftOut=[{"Label": one.label, "Reason": one.message.splitlines()[0]} for one in outcomes if not one.ok],
        )
        write_cohort(paths, made, about)
    progress.done()
    return BuiltPrior(paths, tuple(outcomes))


def _add_person(
    request: CohortRequest, label: str, maker: LabelMaker, sums: CohortSums | None, progress: Progress
) -> tuple[dict[str, Any], CohortSums]:
    """Add one person to the sums, which begin with the first one's rows; returns the person's row for the sidecar."""
    label_file = maker.file_of(label)
    selection = selection_of(request)
    person = files.find_person(
        request.derivatives, label, layout=request.layout, selection=selection, anatomy=request.anatomy
    )
    if request.tr_s is not None:
        person = replace(person, runs=tuple(replace(run, tr_s=request.tr_s) for run in person.runs))
    adjacent_mm = MappingSettings().adjacent_mm if request.subcortex else 0.0
    loaded = load_series(person, voxels=request.subcortex, adjacent_mm=adjacent_mm, say=progress.note)
    basis = signal.compress(loaded.series)
    cleaning, minutes = loaded.cleaning, loaded.series.minutes
    del loaded
    sums = sums or CohortSums(basis.grayordinates)
    sums.add(basis, maker.make(basis, label_file))
    read = [path for run in person.runs for path in run.files] + ([] if label_file is None else [label_file])
    row = {
        "Label": label,
        "Minutes": round(minutes, 3),
        "Runs": [run.name for run in person.runs],
        "Cleaning": cleaning,
        "Labels": "iterative mapping" if label_file is None else label_file.name,
        "Inputs": [
            {"File": files.shown_path(path, root=request.derivatives), "SHA256": files.file_sha256(path)}
            for path in dict.fromkeys(read)
        ],
    }
    return row, sums


def _everybody(request: CohortRequest) -> list[str]:
    labels = [label.removeprefix("sub-") for label in request.participant_labels]
    found = labels or files.list_people(request.derivatives, layout=request.layout)
    if not found:
        raise InputError("there is nobody in this data set", where=request.derivatives)
    return list(dict.fromkeys(found))
