"""Files and pages of `trial analyse`: the results by arm, and the look at everybody together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from actionloop import __version__, facts, files
from actionloop.files import OutputFolder
from actionloop.pipeline.trialfindings import (
    BlindedRow,
    Source,
    TrialResults,
    blinded_rows,
    comparison_table,
    described,
    detail_tables,
    plain_results,
    result_rows,
)
from actionloop.pipeline.trialpictures import Drawn, draw_results
from actionloop.report import EvidenceContent, EvidenceSection, Shown, Table, render_evidence
from actionloop.trial import AnalysisResult, exclusion, null_words, percent
from actionloop.types import TrialProtocol

Told = tuple[tuple[str, ...], Path]
TOLD = ("responder", "mmrm", "ancova")
"""Kinds of analysis whose intervals are told together under 'what the data exclude'."""


def keep_drawn(out: OutputFolder, drawn: Drawn, number: int) -> Shown:
    """Write a picture into the folder; return it for a page."""
    kind = f"{drawn.kind}{number}" if number else drawn.kind
    path = out.write("trial_figure", {"kind": kind}, lambda path: path.write_bytes(drawn.png))
    return Shown(drawn.png, drawn.alt, drawn.caption, path.relative_to(out.path).as_posix())


def write_results(out: OutputFolder, results: TrialResults, source: Source) -> Told:
    """Write table, description, pictures and page of the locked analyses."""
    known, protocol = facts.load("trial_results"), results.protocol
    about = described(protocol, source, analyses=", ".join(one.name for one in protocol.analyses))
    columns = known["columns"]["results"]
    out.write("trial_results", {}, lambda path: files.write_table(path, result_rows(results), columns=list(columns)))
    told = {**about, "Columns": columns, **plain_results(results)}
    out.write("trial_results_json", {}, lambda path: files.write_json(path, told))
    content = EvidenceContent(
        title="Results of a trial",
        lead=protocol.title,
        answer=results.found.conclusions,
        sections=result_sections(out, results),
        limits=[*known["limits"]["analysed"], *([] if source.study else known["limits"]["table"])],
        methods=result_methods(results, source),
        references=known["references"]["analysed"],
        glance={
            **arm_glance(results),
            "Analyses": f"{len(results.found.results)}, locked as {results.found.digest[:12]}",
            "Journal": source.receipt[:24] or "none: a table was read",
        },
        warnings=result_warnings(results, source),
        files=[("Table", "trial_results.tsv"), ("Description", "trial_results.json")],
        provenance=about,
        sides=False,
    )
    page = out.write("trial_results_page", {}, lambda path: files.write_text(path, render_evidence(content)))
    return results.found.conclusions, page


def arm_glance(results: TrialResults) -> dict[str, str]:
    """Return each arm with its label and how many were allocated to it."""
    data = next(iter(results.data.values()))
    labels = {arm.name: arm.label for arm in results.protocol.arms}
    return {name: f"{labels[name]}, {int((data.arm == k).sum())} allocated" for k, name in enumerate(data.arms)}


def result_warnings(results: TrialResults, source: Source) -> list[str]:
    """Say what must be known before the numbers are used."""
    told = [
        f"{one.analysis.name} could not be run: {one.problem}"
        for one in results.found.results
        if one.problem is not None
    ]
    if source.study is None:
        told.append("These data were not recorded by this program: no journal vouches for them or for the allocation.")
    elif source.study.state.refusals:
        told.append(f"Changed analyses were refused {source.study.state.refusals} times; the journal says when.")
    return told


def result_sections(out: OutputFolder, results: TrialResults) -> list[EvidenceSection]:
    """Return the sections of the results: comparisons, what the data exclude, and each analysis."""
    pictures: dict[str, list[Shown]] = {}
    seen: dict[str, int] = {}
    for drawn in draw_results(results):
        number = seen[drawn.kind] = seen.get(drawn.kind, 0) + 1
        pictures.setdefault(drawn.analysis, []).append(keep_drawn(out, drawn, number if number > 1 else 0))
    sections = [
        EvidenceSection("Comparisons", (), [comparison_table(results)], pictures.get("", ())),
        EvidenceSection("What the data exclude", excluded(results)),
    ]
    return sections + [_one(result, pictures.get(result.analysis.name, ())) for result in results.found.results]


def excluded(results: TrialResults) -> list[str]:
    """Say which differences the intervals leave out."""
    told = []
    primary = results.found.primary
    nulls = [
        effect for effect, p in zip(primary.effects, primary.adjusted_p, strict=True) if p >= results.protocol.alpha
    ]
    if nulls:
        told.append(null_words(nulls))
    for result in results.found.results:
        if result.analysis.kind in TOLD:
            better = results.protocol.outcome(result.analysis.outcome).better
            told += [f"{result.analysis.name}: {exclusion(one, better=better)}" for one in result.effects]
    return told or ["No analysis could be run, so nothing is excluded."]


def _one(result: AnalysisResult, pictures: Sequence[Shown]) -> EvidenceSection:
    """Return what one analysis did and says beyond the table of comparisons."""
    finding = result.finding
    if finding is None:
        return EvidenceSection(result.analysis.name, [f"{result.label}. Not run: {result.problem}"])
    sentences = [f"{result.label}.", f"{_capital(finding.model)}. {_capital(finding.missing)}."]
    sentences += [f"{_capital(note)}." for note in finding.notes]
    told = result.analysis.kind in TOLD or finding.equivalence or finding.posteriors or finding.tipping
    if not finding.posteriors:  # the table holds them
        sentences += result.sentences[len(result.effects) :] if told else result.sentences
    return EvidenceSection(result.analysis.name, sentences, detail_tables(result), pictures)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def result_methods(results: TrialResults, source: Source) -> list[str]:
    """Return the paragraph on how it was analysed."""
    known, protocol = facts.load("trial_results")["methods"], results.protocol
    told = [known["analysed"].format(digest=results.found.digest, version=__version__, seed=source.seed)]
    for result in results.found.results:
        one = result.analysis
        model = result.finding.model if result.finding else "not run"
        adjust = ", ".join(one.adjust).replace("_", " ") or "nothing"
        told.append(
            f"{_capital(one.role)}: {protocol.outcome(one.outcome).label} at {one.visit.replace('_', ' ')}, {model}, "
            f"adjusted for {adjust}; missing values: {one.missing.replace('_', ' ')}."
        )
    told.append(f"Tests are two-sided at {percent(protocol.alpha)}; estimand: {protocol.estimand.summary.strip()}")
    return told


def write_blinded(out: OutputFolder, protocol: TrialProtocol, rows: Sequence[BlindedRow], source: Source) -> Told:
    """Write table and page of a look at everybody together."""
    known = facts.load("trial_results")
    about, columns = described(protocol, source, blinded=True), known["columns"]["blinded"]
    made = blinded_rows(tuple(rows))
    out.write("trial_blinded", {}, lambda path: files.write_table(path, made, columns=list(columns)))
    out.write("trial_blinded_json", {}, lambda path: files.write_json(path, {**about, "Columns": columns}))
    said = tuple(_look_words(one) for one in rows)
    planned = protocol.stopping.blinded_at
    content = EvidenceContent(
        title="A blinded look at a trial",
        lead=protocol.title,
        answer=said,
        sections=[EvidenceSection("Everybody together", (), [_look_table(made)])],
        limits=known["limits"]["blinded"],
        methods=[known["methods"]["blinded"].format(version=__version__)],
        references=known["references"]["blinded"],
        glance={
            "Planned": f"{protocol.sample_size} participants, {rows[0].planned} per arm",
            "Looks planned at": ", ".join(percent(share) for share in planned) or "none",
            "Journal": source.receipt[:24] or "none: a table was read",
        },
        warnings=[] if planned else ["The protocol plans no blinded look: say so where this is reported."],
        files=[("Table", "trial_blinded.tsv"), ("Description", "trial_blinded.json")],
        provenance=about,
        sides=False,
    )
    page = out.write("trial_blinded_page", {}, lambda path: files.write_text(path, render_evidence(content)))
    return said, page


def _look_words(one: BlindedRow) -> str:
    head = f"{one.outcome} at {one.visit.replace('_', ' ')}, {one.what}"
    if one.look is None:
        return f"{head}: {one.problem}."
    share = one.what.startswith("share")
    pooled, low, high = ((percent(v) if share else f"{v:.2f}") for v in (one.look.pooled, one.look.low, one.look.high))
    told = f"{head}: {pooled} ({low} to {high}), {one.look.n} participants."
    if one.difference is None:
        return told
    difference = f"{percent(one.difference).removesuffix(' %')} percentage points" if share else f"{one.difference:g}"
    within = "" if one.look.per_arm == one.look.unlimited else f" (within the stated limits {one.look.per_arm})"
    return (
        f"{told} A difference of {difference} then needs {one.look.unlimited} per arm{within}; planned {one.planned}."
    )


def _look_table(rows: Sequence[dict[str, Any]]) -> Table:
    names = ("outcome", "visit", "what", "n", "pooled", "low", "high", "difference", "unlimited", "per_arm")
    columns = [
        "Outcome",
        "Visit",
        "What",
        "n",
        "Value",
        "Low",
        "High",
        "For a difference of",
        "Per arm",
        "Within limits",
    ]
    return Table("Pooled over arms", columns, [[row[name] for name in names] for row in rows])
