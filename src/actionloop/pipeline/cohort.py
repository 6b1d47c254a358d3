"""A prior from people of one's own: `prior build`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from actionloop import files, signal
from actionloop.errors import ActionloopError, OptionError, PriorError, SignalError
from actionloop.files import PersonFiles
from actionloop.networks.cohort import CohortSums
from actionloop.pipeline.choice import Choice
from actionloop.pipeline.labels import LabelMaker
from actionloop.pipeline.people import find_files, list_everybody
from actionloop.pipeline.priorfiles import output_paths, require_free, sidecar, write_cohort
from actionloop.pipeline.priors import PHANTOMS
from actionloop.pipeline.progress import Progress
from actionloop.pipeline.run import Outcome
from actionloop.pipeline.series import PersonSeries, load_series
from actionloop.pipeline.settings import MappingSettings
from actionloop.pipeline.training import session_frames, train_group, training_words
from actionloop.types import GroupParameters, Prior

TERMS = "made from people's data by the user; the terms of these data hold"
PHANTOM_TERMS = "made of simulated people (actionloop phantom); nobody was scanned"


@dataclass(frozen=True)
class CohortRequest(Choice):
    """Everything that `actionloop prior build` was asked; paths as given.

    `out` is where the files go and how their names begin. `labels` is a folder with one label map per person; without
    it every person is mapped, starting from `prior` or else from the default one. `subcortex` keeps the voxels of 91k
    CIFTI series, cleaned as `plan` cleans them by default. `train_hierarchical` reads everybody a second time to train
    the group parameters of the hierarchical model.
    """

    derivatives: Path
    out: Path
    labels: Path | None = None
    prior: Path | None = None
    subcortex: bool = False
    train_hierarchical: bool = False
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
        be used, fewer than two people to train on; with `stop_on_first_crash` also the first person's error.
    """
    files.require(groups=("plan",))
    paths = output_paths(request.out)
    require_free(paths, overwrite=request.overwrite)
    everybody = list_everybody(request, request.derivatives)
    if request.train_hierarchical and len(everybody) < 2:
        raise OptionError("--train-hierarchical needs two people or more, found one", fix="give more people")
    maker = LabelMaker(request.labels, request.prior)
    phantoms = files.is_phantom(request.derivatives)
    progress.start(f"prior of {len(everybody)} people", len(everybody) * (1 + request.train_hierarchical) + 1)
    with threadpool_limits(limits=1, user_api="blas"):
        sums, rows, outcomes = _add_everybody(request, everybody, maker, progress)
        minutes = round(sum(row["Minutes"] for row in rows), 3)
        who = f"{PHANTOMS}: {len(rows)} simulated people" if phantoms else f"of {len(rows)} people"
        terms = PHANTOM_TERMS if phantoms else TERMS
        made = sums.result(source=f"prior {who}, {minutes:.0f} min, {maker.words}", terms=terms)
        trained: dict[str, Any] = {}
        if request.train_hierarchical:
            group = _train(request, made.prior, rows, progress, phantoms=phantoms)
            made = replace(made, prior=replace(made.prior, group=group))
            trained["Hierarchical"] = training_words(group)
        progress.step("writing the prior")
        about = sidecar(
            made,
            paths,
            inputs=[] if request.prior is None else [request.prior],
            method={"Labels": maker.words, "Prior": maker.start},
            Minutes=minutes,
            Phantoms=phantoms,
            People=rows,
            LeftOut=[{"Label": one.label, "Reason": one.message.splitlines()[0]} for one in outcomes if not one.ok],
            **trained,
        )
        write_cohort(paths, made, about)
    progress.done()
    words = {row["Label"]: _in_words(row) for row in rows}
    return BuiltPrior(paths, tuple(replace(one, message=words.get(one.label, one.message)) for one in outcomes))


def _add_everybody(
    request: CohortRequest, everybody: list[str], maker: LabelMaker, progress: Progress
) -> tuple[CohortSums, list[dict[str, Any]], list[Outcome]]:
    """Add everybody to the sums; returns rows for the sidecar of those who could be used, and what became of all."""
    sums: CohortSums | None = None
    rows: list[dict[str, Any]] = []
    outcomes: list[Outcome] = []
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
            outcomes.append(Outcome(label, True, "used"))
    if sums is None:
        first = outcomes[0].message.splitlines()[0]
        raise PriorError(
            f"none of the {len(everybody)} people could be used; sub-{everybody[0]}: {first}",
            where=request.derivatives,
            fix="look at one person alone: --participant-label",
        )
    return sums, rows, outcomes


def _load(request: CohortRequest, label: str, progress: Progress) -> tuple[PersonFiles, PersonSeries]:
    """Find and read one person."""
    person = find_files(request, request.derivatives, label)
    adjacent_mm = MappingSettings().adjacent_mm if request.subcortex else 0.0
    return person, load_series(person, voxels=request.subcortex, adjacent_mm=adjacent_mm, say=progress.note)


def _add_person(
    request: CohortRequest, label: str, maker: LabelMaker, sums: CohortSums | None, progress: Progress
) -> tuple[dict[str, Any], CohortSums]:
    """Add one person to the sums, which begin with the first one's rows; returns the person's row for the sidecar."""
    label_file = maker.file_of(label)
    person, loaded = _load(request, label, progress)
    training = _sessions(request, person, loaded, progress) if request.train_hierarchical else {}
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
        **training,
    }
    return row, sums


def _sessions(request: CohortRequest, person: PersonFiles, loaded: PersonSeries, progress: Progress) -> dict[str, Any]:
    """Count the frames of each session to train on, or say why there are none."""
    try:
        frames = session_frames(person, loaded)
    except SignalError as error:
        if request.stop_on_first_crash:
            raise
        progress.note(f"sub-{person.label} is not trained on: {error.problem}")
        return {"NotTrainedOn": error.problem}
    return {"Sessions": {name: int(mask.sum()) for name, mask in frames.items()}}


def _train(
    request: CohortRequest, prior: Prior, rows: list[dict[str, Any]], progress: Progress, *, phantoms: bool
) -> GroupParameters:
    """Read once more those who have sessions, and train on them; who fails now is marked in the rows."""
    ready = {row["Label"]: row for row in rows if "Sessions" in row}
    if len(ready) < 2:
        reasons = [f"; sub-{row['Label']}: {row['NotTrainedOn']}" for row in rows if "NotTrainedOn" in row]
        raise SignalError(
            f"--train-hierarchical needs two people or more, found {len(ready)}{''.join(reasons[:1])}",
            where=request.derivatives,
            fix="add people or sessions, or leave out --train-hierarchical",
        )

    def load(label: str) -> tuple[PersonFiles, PersonSeries]:
        progress.step(f"training on sub-{label}")
        return _load(request, label, progress)

    def leave_out(label: str, error: ActionloopError) -> None:
        if request.stop_on_first_crash:
            raise error
        progress.note(f"sub-{label} is not trained on: {error.problem}")
        ready[label]["NotTrainedOn"] = error.problem
        del ready[label]["Sessions"]

    return train_group(prior, list(ready), load, leave_out, phantoms=phantoms)


def _in_words(row: Mapping[str, Any]) -> str:
    """Say how a person was used."""
    words = f"{row['Minutes']:.1f} min; labels: {row['Labels']}"
    if "Sessions" in row:
        return f"{words}; trained on {', '.join(row['Sessions'])}"
    return f"{words}; not trained on" if "NotTrainedOn" in row else words
