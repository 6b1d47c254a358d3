"""The commands. Each turns its words into one call of `pipeline` and returns the exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from actionloop import __version__, facts
from actionloop.cli.ask import missing_answers
from actionloop.cli.bar import shown_progress
from actionloop.cli.check import check
from actionloop.cli.group import prior
from actionloop.cli.options import BARE_SHAPE, LEVELS, SHAPE, Flag, Given, How, Places, Where, Who, read_places
from actionloop.errors import OptionError

if TYPE_CHECKING:
    from actionloop.pipeline import Outcome, Settings

Verbose = Annotated[
    bool,
    Parameter(name=("--verbose", "-v"), negative="", show_default=False, help="Show the details of an error."),
]
DataGroup = Literal["demo", "plan", "phantom"]

_WHO, _WHERE, _GIVEN, _HOW = Who(), Where(), Given(), How()

app = App(
    name="actionloop",
    help="Personal action-network maps (SCAN, AMN) and stimulation targets for chronic pain, from resting-state fMRI.",
    help_epilogue=facts.notice(),
    help_format="plaintext",
    version=__version__,
)
data = App(name="data", help="The data that actionloop reads but does not ship.")
app.command(data)
app.command(prior)
app.command(check)


@app.command(usage=f"Usage: {SHAPE}\n       {BARE_SHAPE}")
def plan(
    *words: Annotated[str, Parameter(help="DERIVATIVES OUT participant; without DERIVATIVES with --bold or --map.")],
    who: Who = _WHO,
    where: Where = _WHERE,
    given: Given = _GIVEN,
    how: How = _HOW,
    verbose: Verbose = False,
) -> int:
    """Map people, rank their targets, write files for navigation and a report.

    Input is the output folder of XCP-D, fMRIPrep (91k CIFTI) or the HCP pipelines, or files given by path.
    Results go to standard output, the log to standard error.
    """
    places = read_places(words, given)
    _say(facts.notice())
    from actionloop import pipeline

    request = pipeline.PlanRequest(
        derivatives=places.derivatives,
        out=places.out,
        level=places.level,
        **who.choice(),
        bold=given.bold,
        surfaces=given.surfaces,
        t1w=given.t1w,
        confounds=given.confounds,
        outliers=given.outliers,
        tr_s=given.tr,
        map_file=given.map_file,
        prior=given.prior,
        lesion_mask=where.lesion_mask,
        settings=_settings(where, how, ask=_is_worth_asking(places, how)),
        work_dir=how.work_dir,
        overwrite=how.overwrite,
        reports_only=how.reports_only,
        dry_run=how.dry_run,
        stop_on_first_crash=how.stop_on_first_crash,
    )
    with shown_progress() as progress:
        outcomes = pipeline.plan(request, progress=progress)
    return _tell(outcomes)


@app.command
def demo(
    out: Path,
    /,
    *,
    overwrite: Flag = False,
    random_seed: Annotated[int, Parameter(alias="--seed")] = 0,
    verbose: Verbose = False,
) -> int:
    """Run the whole line on a real person's scan, on template anatomy.

    Parameters
    ----------
    out
        Folder for the results.
    overwrite
        Write into a folder that holds other things; nothing of those is changed.
    random_seed
        Seed, written into the provenance.
    """
    _say(facts.notice())
    from actionloop import pipeline

    with shown_progress() as progress:
        outcome = pipeline.demo(out, overwrite=overwrite, seed=random_seed, progress=progress)
    return _tell([outcome])


@app.command
def phantom(
    out: Path,
    /,
    *,
    subjects: int = 1,
    minutes: float = 20.0,
    random_seed: Annotated[int, Parameter(name=("--seed", "--random-seed"))] = 0,
    layout: Literal["xcpd", "fmriprep", "hcp"] = "xcpd",
    truth_map: Path | None = None,
    verbose: Verbose = False,
) -> int:
    """Make people of known truth: a data set to try the program on, with the truth beside it.

    Parameters
    ----------
    out
        Folder for the data set.
    subjects
        Number of people.
    minutes
        Length of each person's scan.
    random_seed
        The same seed makes the same people.
    layout
        Whose output folder it looks like.
    truth_map
        Network map (dlabel) that is the truth for everybody, in place of people drawn from a group map.
    """
    from actionloop import pipeline

    with shown_progress() as progress:
        pipeline.make_phantoms(
            out,
            subjects=subjects,
            minutes=minutes,
            seed=random_seed,
            layout=layout,
            truth_map=truth_map,
            progress=progress.note,
        )
    _put(str(out))
    return 0


@app.command
def doctor(*, json: Flag = False, verbose: Verbose = False) -> int:
    """Tell what is installed, what works here, and where data come from. Changes nothing, uses no network.

    Parameters
    ----------
    json
        Write JSON in place of text.
    """
    from actionloop import pipeline
    from actionloop.cli.health import as_json, as_text

    report = pipeline.doctor()
    _put(as_json(report) if json else as_text(report))
    return 0


@data.command
def fetch(*groups: DataGroup, verbose: Verbose = False) -> int:
    """Bring the data that are not there yet, by pip, checked by hash. The only command that uses the network.

    Parameters
    ----------
    groups
        Bring only what these commands need; everything when left out.
    """
    from actionloop import pipeline

    with shown_progress() as progress:
        brought = pipeline.fetch_data(groups or None, progress=progress.note)
    for package, what in brought.items():
        _put(f"{package}\t{what}")
    return 0


@data.command
def status(*, json: Flag = False, verbose: Verbose = False) -> int:
    """Tell which data are there, where, and under which terms. Uses no network.

    Parameters
    ----------
    json
        Write JSON in place of text.
    """
    from actionloop import pipeline
    from actionloop.cli.health import data_json, data_text

    report = pipeline.doctor()
    _put(data_json(report) if json else data_text(report))
    return 0


RESUMABLE = (plan, demo)


def _is_worth_asking(places: Places, how: How) -> bool:
    """Tell whether a run will follow: nobody wants to answer questions first and read then that a folder is missing."""
    there = places.derivatives is None or places.derivatives.is_dir()
    return there and places.level == LEVELS[0] and not how.dry_run


def _settings(where: Where, how: How, *, ask: bool) -> Settings:
    """Combine configuration file, command line and, at a terminal, answers."""
    from actionloop import pipeline

    given: dict[str, Any] = {
        "pain_side": where.pain_side,
        "pain_region": where.pain_region,
        "seed": how.random_seed,
        "controls": False if how.no_controls else None,
        "reliability": False if how.no_reliability else None,
        "resamples": how.resamples,
        "force": how.force or None,
        "method": how.method,
        "device": how.device,
        "subcortex": how.subcortex or None,
        "cleaning": {
            "name": how.cleaning,
            "global_signal": False if how.no_gsr else None,
            "fd_threshold_mm": how.fd_threshold,
        },
    }
    settings = pipeline.read_settings(how.config_file, **given)
    lacking = [name for name in ("pain_side", "pain_region") if name not in settings.model_fields_set]
    if not lacking:
        return settings
    answers = missing_answers(lacking, _say, ask=ask)
    return pipeline.read_settings(how.config_file, **{**given, **answers})


def _tell(outcomes: Sequence[Outcome]) -> int:
    """Write one line per person and the best targets to stdout, errors to stderr; returns the exit code."""
    if not outcomes:
        raise OptionError("there is nobody to work on", fix="check DERIVATIVES and --participant-label")
    for outcome in outcomes:
        label = f"sub-{outcome.label.removeprefix('sub-')}"
        _put(f"{label}\t{'ok' if outcome.ok else 'failed'}\t{outcome.report or '-'}")
        if outcome.ok:
            for line in outcome.message.splitlines():
                _put(f"  {line}")
        else:
            _say(f"error: {label}: {outcome.message}")
    failed = [outcome.label for outcome in outcomes if not outcome.ok]
    if len(outcomes) > 1:
        _say(f"{len(outcomes) - len(failed)} of {len(outcomes)} people finished")
    return 1 if failed else 0


def _put(text: str) -> None:
    print(text)  # noqa: T201 - results


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - the log
