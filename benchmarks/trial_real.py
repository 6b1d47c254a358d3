"""Three real trials of back pain, analysed end to end as far as their variables allow.

    python -m benchmarks.trial_real docs/validation

Writes trial-real.md into the folder (about a minute). Needs the extra 'trial' and the folder of test data
(ACTIONLOOP_DATA, `pain_trials`: Tiwari 2022 and the Apkarian laboratory). The ratings themselves are never written.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from actionloop.trial.analyse import analyse
from actionloop.trial.estimates import Effect
from actionloop.trial.interim import look_at_events, look_at_variance
from actionloop.trial.responder import compare_responders, responded
from actionloop.trial.results import AnalysisResult, TrialAnalysis
from actionloop.trial.words import exclusion, interval_words, p_words
from actionloop.types import Allocation, Analysis, Arm, Estimand, TrialData, TrialOutcome, TrialProtocol, Visit
from benchmarks.pain_ratings import WEEKS, Ratings, read_ratings, weekly
from benchmarks.validate import shared_data

COMMAND = "python -m benchmarks.trial_real docs/validation"
SEED = 20
LDOPA_DAYS, LDOPA_PART = 158, 28


def _protocol(
    title: str,
    arms: Sequence[str],
    visits: Sequence[Visit],
    outcomes: Sequence[TrialOutcome],
    analyses: Sequence[Analysis],
) -> TrialProtocol:
    return TrialProtocol(
        title=title,
        arms=tuple(Arm(name, name, "lowest") for name in arms),
        control=arms[0],
        candidates=("none",),
        centres=("one",),
        sample_size=100,
        sessions=0,
        visits=tuple(visits),
        outcomes=tuple(outcomes),
        estimand=Estimand("those rated", "as observed"),
        analyses=tuple(analyses),
        allocation=Allocation(block_sizes=(len(arms),)),
    )


def _change_analyses(
    visit: str, pairs: tuple[tuple[str, str], ...], *, adjust: tuple[str, ...], margin: float, gaps: bool
) -> list[Analysis]:
    """Return the analyses of pain at a visit; those of missing values where the data have `gaps`."""

    def one(name: str, kind: str, role: str, **more: object) -> Analysis:
        return Analysis(name, kind, role, "pain", visit, pairs, adjust=adjust, **more)  # type: ignore[arg-type]

    found = [
        one("responders_30", "responder", "primary", threshold=0.3),
        one("change", "mmrm", "secondary"),
        one("last_visit_alone", "ancova", "sensitivity"),
        one("equivalence", "equivalence", "secondary", margin=margin, multiplicity="none"),
        one("posterior", "bayes", "secondary", margin=margin, multiplicity="none"),
    ]
    if gaps:
        found += [
            one("missing_are_no_responders", "responder", "sensitivity", threshold=0.3, missing="non_response"),
            one("imputed", "ancova", "sensitivity", missing="multiple_imputation"),
            one("from_reference", "ancova", "sensitivity", missing="reference_based"),
            one("tipping_point", "ancova", "sensitivity", missing="tipping_point"),
        ]
    return found


def _rows(result: AnalysisResult) -> Iterator[str]:
    name = result.analysis.name
    if result.finding is None:
        yield f"| {name} | cannot be run: {result.problem} | | | | |".replace("\n", " ")
        return
    holm = result.analysis.multiplicity == "holm" and len(result.effects) > 1
    for effect, adjusted in zip(result.effects, result.adjusted_p, strict=True):
        yield _row(name, effect, f"{adjusted:.3f}" if holm else "")
    for way, effects in result.finding.beside:
        yield from (_row(f"{name}: {way}", effect, "") for effect in effects)


def _row(name: str, effect: Effect, adjusted: str) -> str:
    pair, n = f"{effect.arm} against {effect.reference}", f"{effect.n[0]}, {effect.n[1]}"
    return f"| {name} | {pair} | {n} | {interval_words(effect)} | {effect.p:.3f} | {adjusted} |"


def _told(found: TrialAnalysis) -> list[str]:
    """Return table, conclusions, and what each analysis says beyond the table."""
    head = [
        "| analysis | arm against reference | n | estimate | p | p, Holm |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines = ["", *(f"- {one}" for one in found.conclusions)]
    for result in found.results:
        if result.finding is None:
            continue
        told = "; ".join((f"{result.finding.model}. {result.finding.missing}", *result.finding.notes))
        lines.append(f"- `{result.analysis.name}` ({result.label}): {told}.")
        kind = result.analysis.kind
        skipped = 0 if kind in ("mmrm", "biomarker") else len(result.effects)
        lines += [f"  - {one}" for one in result.sentences[skipped:]]
    return [*head, *(row for result in found.results for row in _rows(result)), *lines]


def placebo_one(folder: Path) -> list[str]:
    """Describe the trial without arms: its course, its spread, and what a trial like it would need."""
    ratings = read_ratings(folder / "placeboI_ratings.csv")
    people, baseline, value = weekly(ratings)
    change = value - baseline[:, None]
    lines = [
        "## Placebo I: no arm in the files",
        "",
        f"{len(people)} people, {len(ratings.day):,} usable ratings ({_aside(ratings)}). Which treatment anybody had is"
        " not in the files, so nothing is compared. What a blinded look may use:",
        "",
        "| week after phase 1 | n | mean change (SD) | responders >= 30 % |",
        "| --- | --- | --- | --- |",
    ]
    for week in range(WEEKS):
        there = np.isfinite(change[:, week])
        response = responded(baseline, value[:, week], threshold=0.3)
        n = int(np.isfinite(response).sum())
        mean, sd = change[there, week].mean(), change[there, week].std(ddof=1)
        lines.append(
            f"| {week + 1} | {there.sum()} | {mean:.2f} ({sd:.2f}) | {int(np.nansum(response))} of {n} |".replace(
                "-", "−"
            )
        )
    last = max(week for week in range(WEEKS) if np.isfinite(change[:, week]).sum() >= len(people) / 2)
    look = look_at_variance(change[:, last], difference=1.0, planned_per_arm=30)
    events = look_at_events(responded(baseline, value[:, last], threshold=0.3), difference=0.2, planned_per_arm=30)
    return [
        *lines,
        "",
        f"Week {last + 1}, everybody together: SD of the change {look.pooled:.2f} ({look.low:.2f} to {look.high:.2f});"
        f" a difference of 1 point would then need {look.unlimited} per arm (80 % power, two-sided .05, no baseline"
        f" adjustment). Responders {100 * events.pooled:.0f} % ({100 * events.low:.0f} to {100 * events.high:.0f}); 20"
        f" percentage points would need {events.unlimited} per arm.",
        "",
    ]


def _aside(ratings: Ratings) -> str:
    told = [f"{number} {what}" for what, number in ratings.set_aside.items() if number]
    return "set aside or counted: " + (", ".join(told) or "none")


def placebo_two(folder: Path) -> list[str]:
    """Compare the three groups of the second trial."""
    from openpyxl import load_workbook

    rows = list(load_workbook(folder / "placeboII_groups.xlsx", read_only=True).active.values)
    groups = [dict(zip(rows[0], row, strict=True)) for row in rows[1:] if row[0] is not None]
    ratings = read_ratings(folder / "placeboII_ratings.csv")
    people, baseline, value = weekly(ratings)
    place = {name: index for index, name in enumerate(people)}
    picked = [place[one["SID"]] for one in groups]
    arms = ("group_0", "group_1", "group_2")
    visits = [f"week_{week}" for week in range(1, WEEKS + 1)]
    data = TrialData(
        tuple(one["SID"] for one in groups),
        arms,
        np.array([int(one["group"]) for one in groups]),
        tuple(visits),
        np.arange(1.0, WEEKS + 1),
        baseline[picked],
        value[picked],
        np.zeros((len(groups), WEEKS), bool),
        markers={"dlpfc_precg": np.array([float(one["DLPFC_PreCG"]) for one in groups])},
    )
    pairs = (("group_1", "group_0"), ("group_2", "group_0"), ("group_2", "group_1"))
    analyses = _change_analyses(visits[-1], pairs, adjust=("baseline",), margin=1.0, gaps=True)
    marker = Analysis(
        "marker",
        "biomarker",
        "exploratory",
        "pain",
        visits[-1],
        (pairs[2],),
        biomarker="dlpfc_precg",
        multiplicity="none",
    )
    protocol = _protocol(
        "Placebo II",
        arms,
        [Visit("baseline", 0), *(Visit(name, week + 1) for week, name in enumerate(visits))],
        [
            TrialOutcome("pain", "Weekly mean of pain, 0-10", "scale", 0, 10),
            TrialOutcome(
                "dlpfc_precg", "Connectivity of DLPFC and precentral gyrus", "biomarker", -1, 1, visits=("baseline",)
            ),
        ],
        [*analyses, marker],
    )
    found = analyse(protocol, {"pain": data}, rng=np.random.default_rng(SEED))
    stated = np.array([float(one["Actual response"]) for one in groups])
    theirs = compare_responders(data, stated, comparisons=pairs)
    by_group = ", ".join(
        f"{int(stated[data.arm == index].sum())} of {(data.arm == index).sum()}" for index in range(len(arms))
    )
    sizes = ", ".join(str(number) for number in np.bincount(data.arm))
    return [
        "## Placebo II: three groups, 80 people",
        "",
        f"{len(people)} people rated ({len(ratings.day):,} usable ratings; {_aside(ratings)}); {len(groups)} have a"
        f" group (0, 1, 2: {sizes}; what each was given is not in the files). Baseline: mean of phase 1. Visits: weekly"
        " means after it, weeks 1 to 8.",
        "",
        *_told(found),
        "",
        f"Response as the file states it (groups 0, 1, 2: {by_group}), adjusted for baseline, {theirs.method}:",
        "",
        *(f"- {exclusion(one)} ({p_words(one.p)}, unadjusted for multiplicity.)" for one in theirs.effects),
        "",
    ]


def ldopa(folder: Path) -> list[str]:
    """Compare the two randomised arms of the trial in sub-acute pain."""
    with (folder / "ldopa_groups.csv").open(newline="", encoding="utf-8-sig") as stream:
        rows = [row for row in csv.DictReader(stream) if row["treat"] in ("1", "2")]
    days = np.array([[float(row[f"d{day}"]) for day in range(1, LDOPA_DAYS + 1)] for row in rows])
    parts = (LDOPA_DAYS // LDOPA_PART) * LDOPA_PART
    value = days[:, -parts:].reshape(len(rows), -1, LDOPA_PART).mean(axis=2)
    weeks = (LDOPA_DAYS - parts + LDOPA_PART * np.arange(1, value.shape[1] + 1)) / 7
    visits = [f"week_{week:.0f}" for week in weeks]
    arms = ("placebo", "l_dopa")
    data = TrialData(
        tuple(row["id"] for row in rows),
        arms,
        np.array([int(row["treat"] == "1") for row in rows]),
        tuple(visits),
        weeks,
        np.ones(len(rows)),
        value,
        np.zeros(value.shape, bool),
    )
    pairs = (("l_dopa", "placebo"),)
    protocol = _protocol(
        "L-DOPA",
        arms,
        [Visit("baseline", 0), *(Visit(name, float(week)) for name, week in zip(visits, weeks, strict=True))],
        [TrialOutcome("pain", "Pain as a share of the baseline, four-week means", "scale", 0, 3)],
        _change_analyses(visits[-1], pairs, adjust=(), margin=0.15, gaps=False),
    )
    found = analyse(protocol, {"pain": data}, rng=np.random.default_rng(SEED))
    stated = np.array([float(row["resp"]) for row in rows])
    theirs = compare_responders(data, stated, comparisons=pairs, adjust=())
    return [
        "## L-DOPA, sub-acute back pain: two randomised arms, 47 people",
        "",
        "57 people; `treat` 3 (10 people) was not randomised and is left out. That 1 is L-DOPA (20) and 2 placebo (27)"
        " follows from the columns `ldp_notx` and `plc_notx`. The 158 days are smoothed, without gaps, and divided by"
        " the baseline, so there is no baseline to adjust for and nothing missing to impute; responders are relative in"
        " any case. Visits: means of the last five times 28 days. Differences are shares of the baseline; margin 0.15.",
        "",
        *_told(found),
        "",
        f"Response as the file states it (L-DOPA {int(stated[data.arm == 1].sum())} of {(data.arm == 1).sum()}, placebo"
        f" {int(stated[data.arm == 0].sum())} of {(data.arm == 0).sum()}), {theirs.method}:",
        "",
        *(f"- {exclusion(one)} ({p_words(one.p)}.)" for one in theirs.effects),
        "",
    ]


def report(folder: Path) -> str:
    """Return the page."""
    allowed = [
        "| data | allowed | not there |",
        "| --- | --- | --- |",
        "| Placebo I | course, spread, blinded looks | arms: nothing can be compared |",
        "| Placebo II | weekly MMRM, ANCOVA, responders, imputation, marker × group | meaning of the groups |",
        "| L-DOPA | MMRM and t test on relative pain, responders | pain itself, its baseline, missing days |",
        "| all | | sites, strata, PGIC, adverse events, allocation, a protocol: no CONSORT flow, no ordinal analysis |",
    ]
    lines = [
        "# Three real trials of back pain",
        "",
        f"Made by `{COMMAND}` from `pain_trials` (Tiwari 2022; Apkarian laboratory). What the trial's analyses do on"
        " real ratings; no finding about the treatments is claimed: the analyses were not planned with the trials, and"
        " stand here in the order and with the roles that a protocol would give them.",
        "",
        *allowed,
        "",
        *placebo_one(folder),
        *placebo_two(folder),
        *ldopa(folder),
    ]
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    (out / "trial-real.md").write_text(report(shared_data() / "pain_trials"), encoding="utf-8")
    print(out / "trial-real.md")


if __name__ == "__main__":
    main()
