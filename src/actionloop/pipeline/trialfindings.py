"""What the analyses of a trial found, as rows: of the exported tables and of the page's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from actionloop import facts, files
from actionloop.errors import ActionloopError, InputError
from actionloop.pipeline.trialprotocol import protocol_digest
from actionloop.pipeline.trialstudy import Study
from actionloop.report import Table
from actionloop.trial import (
    AnalysisResult,
    BlindedLook,
    Effect,
    TrialAnalysis,
    analysis_digest,
    exclusion,
    interval_words,
    look_at_events,
    look_at_variance,
    p_words,
    percent,
    responded,
    run_analyses,
    visit_index,
)
from actionloop.types import Analysis, TrialData, TrialProtocol


@dataclass(frozen=True, eq=False)
class Source:
    """Where a result comes from: an open study or none, the files that were read, the seed, the journal's receipt."""

    study: Study | None
    inputs: tuple[Path, ...]
    seed: int
    receipt: str = ""

    def at(self, receipt: str) -> Source:
        """Return the same with the receipt of the entry that tells of it."""
        return replace(self, receipt=receipt)


@dataclass(frozen=True, eq=False)
class TrialResults:
    """A protocol's analyses as they were run, with the data that they read."""

    protocol: TrialProtocol
    data: Mapping[str, TrialData]
    found: TrialAnalysis


@dataclass(frozen=True)
class BlindedRow:
    """One figure of everybody together, and the size that follows; or why it cannot be told."""

    outcome: str
    visit: str
    what: str
    difference: float | None
    planned: int
    look: BlindedLook | None = None
    problem: str = ""


def run_locked(protocol: TrialProtocol, data: Mapping[str, TrialData], *, seed: int) -> TrialResults:
    """Run a protocol's analyses on data."""
    kept = {name: data[name] for name in dict.fromkeys(one.outcome for one in protocol.analyses)}
    return TrialResults(protocol, kept, run_analyses(protocol, kept, rng=np.random.default_rng(seed)))


def described(protocol: TrialProtocol, source: Source, **options: Any) -> dict[str, Any]:
    """Return provenance with the protocol's digests and the study's place in its journal."""
    made = dict(files.provenance(source.inputs, options={"protocol": protocol.title, **options}, seed=source.seed))
    return {
        **made,
        "ProtocolDigest": protocol_digest(protocol),
        "AnalysisDigest": analysis_digest(protocol),
        "Receipt": source.receipt or None,
        "Version": facts.load("trial_results")["version"],
    }


# --- everybody together ----------------------------------------------------------------------------------------------
def look_at_everybody(protocol: TrialProtocol, data: Mapping[str, TrialData]) -> tuple[BlindedRow, ...]:
    """Pool variance and responders of every scale that is analysed, at the visits where arms will be compared.

    Raises
    ------
    InputError
        Nothing can be told yet.
    """
    rows: list[BlindedRow] = []
    for name, visit in dict.fromkeys((one.outcome, one.visit) for one in protocol.analyses):
        if protocol.outcome(name).kind == "scale":
            rows += _looks(protocol, data[name], name, visit)
    if not any(row.look for row in rows):
        problem = rows[0].problem if rows else "no scale is analysed"
        raise InputError(f"there is nothing to look at yet: {problem}", fix="wait for more ratings")
    return tuple(rows)


def _looks(protocol: TrialProtocol, data: TrialData, name: str, visit: str) -> Iterator[BlindedRow]:
    known = facts.load("trial_results")["blinded"]
    own = [one for one in protocol.analyses if one.outcome == name]
    margin = next((one.margin for one in own if one.margin is not None), None)
    threshold = next((one.threshold for one in own if one.threshold is not None), float(known["threshold"]))
    planned = max(protocol.sample_size // len(protocol.arms), 2)
    rated = data.value[:, visit_index(data, visit)]
    better = protocol.outcome(name).better
    response = responded(data.baseline, rated, threshold=threshold, better=better)
    asked = float(known["response_difference"])
    tries = (
        ("SD of the change", margin, 1.0, rated - data.baseline, look_at_variance),
        (f"share with {percent(threshold)} relief", asked, asked, response, look_at_events),
    )
    for what, difference, used, values, look in tries:
        row = BlindedRow(name, visit, what, difference, planned)
        try:
            seen = look(values, difference=used if difference is None else difference, planned_per_arm=planned)
        except ActionloopError as error:
            yield replace(row, problem=error.problem)
        else:
            yield replace(row, look=seen)


def blinded_rows(rows: tuple[BlindedRow, ...]) -> list[dict[str, Any]]:
    """Rows of the table of a blinded look."""
    return [
        {
            "outcome": one.outcome,
            "visit": one.visit,
            "what": one.what,
            "n": one.look.n if one.look else None,
            "pooled": one.look.pooled if one.look else None,
            "low": one.look.low if one.look else None,
            "high": one.look.high if one.look else None,
            "difference": one.difference,
            "per_arm": one.look.per_arm if one.look and one.difference is not None else None,
            "unlimited": one.look.unlimited if one.look and one.difference is not None else None,
            "planned_per_arm": one.planned,
            "problem": one.problem,
        }
        for one in rows
    ]


# --- by arm ----------------------------------------------------------------------------------------------------------
def result_rows(results: TrialResults) -> list[dict[str, Any]]:
    """Rows of the table of results: one for each comparison of each analysis, and of each other way beside it."""
    rows: list[dict[str, Any]] = []
    for result in results.found.results:
        one, better = result.analysis, results.protocol.outcome(result.analysis.outcome).better
        if result.finding is None:
            rows += [
                {**_head(one), "arm": pair[0], "reference": pair[1], "words": f"not run: {result.problem}"}
                for pair in one.comparisons
            ]
            continue
        for effect, adjusted in zip(result.effects, result.adjusted_p, strict=True):
            words = " ".join(sentences_of(result, effect))
            rows.append(
                {**_effect(one, effect), "p_adjusted": adjusted, "missing": result.finding.missing} | {"words": words}
            )
        for way, effects in result.finding.beside:
            rows += [
                {**_effect(one, effect), "way": way, "words": exclusion(effect, better=better)} for effect in effects
            ]
    return rows


def sentences_of(result: AnalysisResult, effect: Effect) -> list[str]:
    """Return what an analysis says of one comparison."""
    return [one for one in result.sentences if one.startswith((f"{effect.versus}:", f"{effect.versus},"))]


def _head(one: Analysis) -> dict[str, Any]:
    return {"analysis": one.name, "role": one.role, "kind": one.kind, "outcome": one.outcome, "visit": one.visit}


def _effect(one: Analysis, effect: Effect) -> dict[str, Any]:
    return {
        **_head(one),
        "arm": effect.arm,
        "reference": effect.reference,
        "measure": effect.measure,
        "estimate": effect.estimate,
        "se": effect.se,
        "low": effect.low,
        "high": effect.high,
        "level": 1 - effect.alpha,
        "df": effect.df if np.isfinite(effect.df) else None,
        "p": effect.p,
        "n_arm": effect.n[0],
        "n_reference": effect.n[1],
    }


def comparison_table(results: TrialResults) -> Table:
    """Return the page's table of all comparisons."""
    rows: list[tuple[Any, ...]] = []
    for result in results.found.results:
        one = result.analysis
        if result.finding is None:
            rows.append((one.name, one.role, "not run", None, str(result.problem), None, None))
            continue
        holm = one.multiplicity == "holm" and len(result.effects) > 1
        for effect, adjusted in zip(result.effects, result.adjusted_p, strict=True):
            pair, n = effect.versus, f"{effect.n[0]}, {effect.n[1]}"
            p = _p(adjusted) if holm else ""
            rows.append((one.name, one.role, pair, n, interval_words(effect), _p(effect.p), p))
        for way, effects in result.finding.beside:
            for effect in effects:
                pair, n = effect.versus, f"{effect.n[0]}, {effect.n[1]}"
                rows.append((f"{one.name}: {way}", one.role, pair, n, interval_words(effect), _p(effect.p), ""))
    return Table(
        "Every comparison that the protocol names, arm minus reference",
        ["Analysis", "Role", "Comparison", "n", "Estimate", "p", "p, Holm"],
        rows,
        "p is two-sided, of no difference. n: analysed in arm and reference. Holm: within an analysis.",
    )


def _p(p: float) -> str:
    return p_words(p).removeprefix("p ").removeprefix("= ")


def detail_tables(result: AnalysisResult) -> list[Table]:
    """Return what one analysis tells beyond its effects: posteriors, slopes."""
    finding = result.finding
    tables: list[Table] = []
    if finding is None:
        return []
    if finding.posteriors:
        rows: list[tuple[Any, ...]] = [
            (
                effect.versus,
                one.prior,
                f"{_number(one.prior_mean)} ({_number(one.prior_sd)})",
                f"{_number(one.mean)} ({_number(one.low)} to {_number(one.high)})",
                one.below,
                one.within,
                one.above,
            )
            for effect, each in zip(finding.effects, finding.posteriors, strict=True)
            for one in each
        ]
        margin = result.analysis.margin
        columns = ["Comparison", "Prior", "Mean (SD)", "Posterior (interval)"]
        columns += [f"P(below −{margin:g})", f"P(within ±{margin:g})", f"P(above {margin:g})"]
        tables.append(Table("Posterior of the difference under each stated prior", columns, rows))
    if finding.markers:
        rows = [
            (
                one.effect.versus,
                interval_words(one.effect),
                one.centre,
                ", ".join(_number(bound) for bound in one.bounds) or "nowhere",
                one.left_out,
            )
            for one in finding.markers
        ]
        columns = [
            "Comparison",
            "Difference of slopes, per unit",
            "Mean of the marker",
            "Interval touches 0 at",
            "Left out",
        ]
        tables.append(Table("Change on the marker, arm minus reference", columns, rows))
    return tables


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def plain_results(results: TrialResults) -> dict[str, Any]:
    """Return what JSON keeps beyond the table."""
    told = {}
    for result in results.found.results:
        finding = result.finding
        entry: dict[str, Any] = {"Label": result.label, "Sentences": list(result.sentences), "Problem": result.problem}
        if finding is not None:
            entry |= {"Model": finding.model, "Missing": finding.missing, "Notes": list(finding.notes)}
            entry["Equivalence"] = [
                {"Margin": one.margin, "Low": one.low, "High": one.high, "P": one.p, "Shown": one.equivalent}
                for one in finding.equivalence
            ]
            entry["Posteriors"] = [
                {"Prior": one.prior, "Mean": one.mean, "Low": one.low, "High": one.high, "Within": one.within}
                for each in finding.posteriors
                for one in each
            ]
            entry["Tipping"] = [
                {"Arm": one.arm, "Reference": one.reference, "Below": one.below, "Above": one.above}
                for one in finding.tipping
            ]
            entry["JohnsonNeyman"] = [list(one.bounds) for one in finding.markers]
        told[result.analysis.name] = {key: value for key, value in entry.items() if value not in ([], None)}
    return {"Conclusions": list(results.found.conclusions), "Analyses": told}
