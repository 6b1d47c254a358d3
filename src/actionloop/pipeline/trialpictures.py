"""Pictures of a trial's results: all comparisons, the course of each arm, a biomarker, what tips the answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from actionloop.errors import ActionloopError
from actionloop.figures import (
    Course,
    IntervalPanel,
    IntervalRow,
    courses,
    difference_by_marker,
    forest_plot,
    tipping_plot,
)
from actionloop.pipeline.trialfindings import TrialResults
from actionloop.trial import AnalysisResult, Effect, fit_mmrm, percent
from actionloop.types import TrialOutcome

_WAYS = {
    "risk difference": (
        "Share of responders",
        "percentage points (right: more responders in the first arm)",
    ),
    "difference in change": ("Change from baseline", "difference, units of the outcome"),
    "log odds ratio": ("Better rating", "odds ratio (right: better in the first arm)"),
}


@dataclass(frozen=True)
class Drawn:
    """A picture, the analysis it belongs to (empty: all of them), and its words."""

    kind: str
    analysis: str
    png: bytes
    alt: str
    caption: str


def draw_results(results: TrialResults) -> Iterator[Drawn]:
    """Draw what the findings allow."""
    panels = _panels(results)
    if panels:
        yield Drawn(
            "comparisons",
            "",
            forest_plot(panels),
            "Every comparison of arms with its interval; the table below holds the same numbers.",
            "Estimates with their intervals. Strong: the primary analysis. Shaded: differences within the margin. An "
            "equivalence row has the shorter interval that its test looks at.",
        )
    for result in results.found.results:
        if result.finding is not None:
            yield from _of_one(results, result)


def _of_one(results: TrialResults, result: AnalysisResult) -> Iterator[Drawn]:
    one = result.analysis
    outcome = results.protocol.outcome(one.outcome)
    assert result.finding is not None
    if one.kind == "mmrm" and one.missing == "as_observed":
        yield from _course(results, result, outcome)
    for k, found in enumerate(result.finding.markers, 1):
        pair = f"{found.effect.arm} − {found.effect.reference}"
        told = ", ".join(f"{bound:.3g}" for bound in found.bounds) or "nowhere"
        yield Drawn(
            f"marker{k}",
            one.name,
            difference_by_marker(
                found.grid,
                found.difference,
                found.low,
                found.high,
                bounds=found.bounds,
                across=results.protocol.outcome(str(one.biomarker)).label,
                up=f"{pair}: {outcome.label}",
            ),
            f"Difference {pair} along the biomarker with its pointwise interval, which touches 0 at: {told}.",
            "Difference of the change between the arms at each value of the biomarker that was seen (Johnson and "
            "Neyman). Darker where the pointwise interval leaves 0. Exploratory.",
        )
    for k, tip in enumerate(result.finding.tipping, 1):
        at = [shift for shift in (tip.below, tip.above) if shift is not None]
        scale = 100.0 if tip.effects[0].measure == "risk difference" else 1.0
        estimate, low, high = (
            scale * np.array([getattr(effect, name) for effect in tip.effects]) for name in ("estimate", "low", "high")
        )
        yield Drawn(
            f"tipping{k}",
            one.name,
            tipping_plot(
                tip.deltas,
                estimate,
                low,
                high,
                at=at,
                across=f"shift of what was imputed after drop-out in {tip.arm}",
                up=f"{tip.arm} − {tip.reference}",
            ),
            f"The effect of {tip.arm} against {tip.reference} under each shift; significance changes at "
            f"{', '.join(f'{shift:+.2f}' for shift in at) or 'no shift'}.",
            "Filled squares: the interval leaves out 0. Open circles: it holds 0.",
        )


def _course(results: TrialResults, result: AnalysisResult, outcome: TrialOutcome) -> Iterator[Drawn]:
    data, one = results.data[outcome.name], result.analysis
    try:
        fit = fit_mmrm(data, adjust=one.adjust)
    except ActionloopError:  # the finding says why
        return
    labels = {arm.name: arm.label for arm in results.protocol.arms}
    level = 1 - results.protocol.alpha
    lines, said = [], []
    for arm in fit.arms:
        means = [fit.mean(arm, visit, level=level) for visit in fit.visits]
        value, low, high = (np.array([getattr(mean, name) for mean in means]) for name in ("estimate", "low", "high"))
        lines.append(Course(labels.get(arm, arm), data.weeks, value, low, high))
        said.append(f"{labels.get(arm, arm)} {value[-1]:.2f} ({low[-1]:.2f} to {high[-1]:.2f})".replace("-", "−"))
    yield Drawn(
        "course",
        one.name,
        courses(lines, across="week", up=f"change of: {outcome.label}", none=0.0),
        f"Mean change of each arm over weeks with intervals; at {fit.visits[-1].replace('_', ' ')}: {'; '.join(said)}.",
        f"Means of the mixed model at the mean baseline, {percent(level)} intervals, arms moved apart for reading. "
        "Whether arms differ is read from the comparisons, not from these intervals.",
    )


def _panels(results: TrialResults) -> list[IntervalPanel]:
    """Gather comparisons that share a measure and an outcome."""
    groups: dict[tuple[str, str], list[tuple[AnalysisResult, Effect, float | None]]] = {}
    for result in results.found.results:
        if result.finding is None or result.analysis.kind in ("bayes", "biomarker"):
            continue
        for k, effect in enumerate(result.effects):
            margin, drawn = None, effect
            if result.finding.equivalence:
                judged = result.finding.equivalence[k]
                margin = judged.margin
                drawn = replace(effect, low=judged.low, high=judged.high, alpha=2 * effect.alpha)
            groups.setdefault((drawn.measure, result.analysis.outcome), []).append((result, drawn, margin))
    return [_panel(results, measure, outcome, rows) for (measure, outcome), rows in groups.items()]


def _panel(
    results: TrialResults, measure: str, name: str, rows: list[tuple[AnalysisResult, Effect, float | None]]
) -> IntervalPanel:
    outcome = results.protocol.outcome(name)
    title, axis = _WAYS[measure]
    if measure == "difference in change":
        axis += f" ({'left: less' if outcome.better == 'lower' else 'right: more'} is better, in the first arm)"
    turn = _turned(measure)
    drawn = []
    for result, effect, margin in rows:
        estimate, low, high = (turn(value) for value in (effect.estimate, effect.low, effect.high))
        level = f", {percent(1 - effect.alpha)}" if margin is not None else ""
        drawn.append(
            IntervalRow(
                f"{result.analysis.name}{level}: {effect.arm} − {effect.reference}",
                estimate,
                low,
                high,
                f"{estimate:.2f} ({low:.2f} to {high:.2f})".replace("-", "−"),
                result.analysis.role == "primary",
            )
        )
    margins = [margin for *_, margin in rows if margin is not None]
    ratio = measure == "log odds ratio"
    return IntervalPanel(
        f"{title}: {outcome.label}",
        axis,
        drawn,
        none=1.0 if ratio else 0.0,
        margin=margins[0] if margins and not ratio else None,
        logarithmic=ratio,
    )


def _turned(measure: str) -> Any:
    """Return how a measure is drawn: points of per cent, ratios, or as it is."""
    ways = {"risk difference": lambda value: 100 * value, "log odds ratio": lambda value: float(np.exp(value))}
    return ways.get(measure, lambda value: value)
