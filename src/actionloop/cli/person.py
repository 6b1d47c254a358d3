"""The commands that work on people's scans: plan for everything, pose for chosen targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from actionloop import facts
from actionloop.cli.ask import missing_answers
from actionloop.cli.bar import shown_progress
from actionloop.cli.exporting import Exporting
from actionloop.cli.options import Coiled, Given, How, Verbose, Where, Who
from actionloop.cli.places import LEVELS, Places, read_places
from actionloop.cli.streams import put, say
from actionloop.errors import OptionError

if TYPE_CHECKING:
    from actionloop.pipeline import Outcome, PlanRequest, Settings

Words = Annotated[str, Parameter(help="DERIVATIVES OUT participant; without DERIVATIVES with --bold or --map.")]

_WHO, _WHERE, _GIVEN, _COIL, _EXPORT, _HOW = Who(), Where(), Given(), Coiled(), Exporting(), How()


def plan(
    *words: Words,
    who: Who = _WHO,
    where: Where = _WHERE,
    given: Given = _GIVEN,
    coil: Coiled = _COIL,
    export: Exporting = _EXPORT,
    how: How = _HOW,
    verbose: Verbose = False,
) -> int:
    """Map people, rank their targets, compute coil poses, write files for navigation and a report.

    Input is the output folder of XCP-D, fMRIPrep (91k CIFTI) or the HCP pipelines, or files given by path.
    Results go to standard output, the log to standard error.
    """
    return _run(_request(words, who=who, where=where, given=given, coil=coil, export=export, how=how))


def pose(
    *words: Words,
    who: Who = _WHO,
    where: Where = _WHERE,
    given: Given = _GIVEN,
    coil: Coiled = _COIL,
    export: Exporting = _EXPORT,
    how: How = _HOW,
    verbose: Verbose = False,
) -> int:
    """Compute coil poses for targets by name (--target) or for a place (--coordinate).

    The same as plan in every other respect; finished steps of plan are taken from OUT.
    """
    if not coil.target and coil.coordinate is None:
        raise OptionError(
            "there is nothing to aim at", fix='give --target "SCAN middle L" (or best, or all), or --coordinate x y z'
        )
    return _run(_request(words, who=who, where=where, given=given, coil=coil, export=export, how=how))


def _request(
    words: Sequence[str], *, who: Who, where: Where, given: Given, coil: Coiled, export: Exporting, how: How
) -> PlanRequest:
    """Put together what was asked."""
    places = read_places(words, given)
    say(facts.notice())
    from actionloop import pipeline

    return pipeline.PlanRequest(
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
        settings=_settings(where, coil, export, how, ask=_is_worth_asking(places, how)),
        work_dir=how.work_dir,
        overwrite=how.overwrite,
        reports_only=how.reports_only,
        dry_run=how.dry_run,
        stop_on_first_crash=how.stop_on_first_crash,
    )


def _run(request: PlanRequest) -> int:
    from actionloop import pipeline

    with shown_progress() as progress:
        outcomes = pipeline.plan(request, progress=progress)
    return tell(outcomes)


def _is_worth_asking(places: Places, how: How) -> bool:
    """Tell whether a run will follow: nobody wants to answer questions first and read then that a folder is missing."""
    there = places.derivatives is None or places.derivatives.is_dir()
    return there and places.level == LEVELS[0] and not how.dry_run


def _settings(where: Where, coil: Coiled, export: Exporting, how: How, *, ask: bool) -> Settings:
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
        "pose": coil.choice(),
        "safety": coil.safety(),
        "export": export.choice(),
    }
    settings = pipeline.read_settings(how.config_file, **given)
    lacking = [name for name in ("pain_side", "pain_region") if name not in settings.model_fields_set]
    if not lacking:
        return settings
    answers = missing_answers(lacking, say, ask=ask)
    return pipeline.read_settings(how.config_file, **{**given, **answers})


def tell(outcomes: Sequence[Outcome]) -> int:
    """Write one line per person and the best targets to stdout, errors to stderr; returns the exit code."""
    if not outcomes:
        raise OptionError("there is nobody to work on", fix="check DERIVATIVES and --participant-label")
    for outcome in outcomes:
        label = f"sub-{outcome.label.removeprefix('sub-')}"
        put(f"{label}\t{'ok' if outcome.ok else 'failed'}\t{outcome.report or '-'}")
        if outcome.ok:
            for line in outcome.message.splitlines():
                put(f"  {line}")
        else:
            say(f"error: {label}: {outcome.message}")
    failed = [outcome.label for outcome in outcomes if not outcome.ok]
    if len(outcomes) > 1:
        say(f"{len(outcomes) - len(failed)} of {len(outcomes)} people finished")
    return 1 if failed else 0
