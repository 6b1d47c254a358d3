"""Files and page of `trial simulate`: what such a trial can and cannot show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from actionloop import __version__, facts, files
from actionloop.figures import share_bars
from actionloop.files import OutputFolder
from actionloop.pipeline.trialpage import keep_drawn
from actionloop.pipeline.trialpictures import Drawn
from actionloop.pipeline.trialpower import draw_power, drawn_rows
from actionloop.pipeline.trialprotocol import protocol_digest
from actionloop.report import EvidenceContent, EvidenceSection, Shown, Table, render_evidence
from actionloop.trial import (
    Replay,
    Row,
    SimulationTable,
    default_dropout,
    default_population,
    detectable_difference,
    detectable_share,
    exact_size,
    percent,
    power_proportions,
    world,
)
from actionloop.types import TrialProtocol

MOST_ROWS = 80


@dataclass(frozen=True, eq=False)
class Simulated:
    """What was simulated: the protocol, the table, replays, trials in each cell, the seed, files that were read."""

    protocol: TrialProtocol
    table: SimulationTable
    replays: tuple[Replay, ...]
    trials: int
    seed: int
    inputs: tuple[Path, ...] = ()


def write_simulation(out: OutputFolder, found: Simulated) -> tuple[tuple[str, ...], Path]:
    """Write tables, description, pictures and page."""
    known = facts.load("trial_results")
    rows = [{name: values[k] for name, values in found.table.columns().items()} for k in range(len(found.table.rows))]
    columns = known["columns"]["simulation"]
    out.write("trial_simulation", {}, lambda path: files.write_table(path, rows, columns=list(columns)))
    listed = [("Table", "trial_simulation.tsv"), ("Description", "trial_simulation.json")]
    told = {"Columns": columns}
    if found.replays:
        told["ReplayColumns"] = known["columns"]["replay"]
        names = list(known["columns"]["replay"])
        out.write("trial_replay", {}, lambda path: files.write_table(path, replay_rows(found.replays), columns=names))
        listed.append(("Replays", "trial_replay.tsv"))
    options = {"protocol": found.protocol.title, "trials": found.trials}
    about = dict(files.provenance(found.inputs, options=options, seed=found.seed))
    assumed = facts.load("trial_simulation")
    about |= {"ProtocolDigest": protocol_digest(found.protocol), "AssumptionsVersion": assumed["version"]}
    told |= {"Assumptions": {name: assumed[name] for name in ("population", "dropout", "rescue", "sites", "worlds")}}
    out.write("trial_simulation_json", {}, lambda path: files.write_json(path, {**about, **told}))
    said = tuple(can_show(found))
    methods = [
        known["methods"]["simulated"].format(
            version=__version__, assumed=assumed["version"], seed=found.seed, trials=f"{found.trials:,}"
        ),
        *([known["methods"]["replayed"].format(trials=f"{found.trials:,}")] if found.replays else []),
    ]
    content = EvidenceContent(
        title="What a trial can show",
        lead=found.protocol.title,
        answer=said,
        sections=[_without_simulation(found), *_grid_sections(out, found), *_replay_sections(out, found)],
        limits=[*known["limits"]["simulated"], *(known["limits"]["replayed"] if found.replays else [])],
        methods=methods,
        references=known["references"]["simulated"],
        glance={
            "People": str(found.protocol.sample_size),
            "Arms": str(len(found.protocol.arms)),
            "Trials in each cell": f"{found.trials:,}",
            "Assumptions": f"data/trial_simulation.toml, version {assumed['version']}",
        },
        warnings=_warnings(found),
        files=listed,
        provenance=about,
        sides=False,
    )
    page = out.write("trial_simulation_page", {}, lambda path: files.write_text(path, render_evidence(content)))
    return said, page


def replay_rows(replays: Sequence[Replay]) -> list[dict[str, Any]]:
    """Rows of the table of replays."""
    rows = []
    for one in replays:
        ratios = {(ratio.world, ratio.effect): ratio for ratio in one.ratios}
        for each in one.frequencies:
            ratio = ratios.get((each.world, each.effect))
            row = {"study": one.study, "world": each.world, "label": each.label, "effect": each.effect}
            row |= {"trials": each.trials, "matches": each.matches, "share": each.share, "low": each.low}
            row |= {"high": each.high, "ratio": ratio.ratio if ratio else None, "verified": one.verified}
            row |= {"ratio_low": ratio.low if ratio else None, "ratio_high": ratio.high if ratio else None}
            rows.append(row)
    return rows


# --- words -----------------------------------------------------------------------------------------------------------
def can_show(found: Simulated) -> Iterator[str]:
    """Say what such a trial can and cannot show."""
    protocol, known = found.protocol, facts.load("trial_results")["simulated"]
    arms, n = len(protocol.arms), protocol.sample_size // len(protocol.arms)
    wanted, alpha = float(known["wanted_power"]), protocol.alpha
    low, high = known["example"]
    power = float(power_proportions(high, low, n, alpha=alpha))
    needs = float(detectable_share(low, n, power=wanted, alpha=alpha))
    more = f"{percent(low)} against {percent(round(needs, 2))}" if np.isfinite(needs) else "more people"
    yield (
        f"With {protocol.sample_size} people in {arms} parallel arms ({n} per arm), {percent(low)} against "
        f"{percent(high)} responders is found with power {power:.2f}; power {wanted:g} needs {more}."
    )
    plain, better = (
        float(detectable_difference(n, power=wanted, alpha=alpha, correlation=r)) for r in (0.0, known["correlation"])
    )
    yield (
        f"Of means it finds, with power {wanted:g}, a difference of {plain:.2f} standard deviations, and of "
        f"{better:.2f} where the baseline correlates {known['correlation']:g}. Smaller differences are missed more "
        "often: without significance they are not excluded."
    )
    if note := exact_size(n, alpha=alpha).note():
        yield note
    for row in _headline(found):
        shown = f"{row.rejected:.3f} (Monte Carlo SE {row.rejected_se:.3f})"
        what = f"{row.design}, {row.n} people, {row.method.replace('_', ' ')}"
        label = world(row.world).label or row.world
        if row.null:
            yield f"If {label}: {what} finds a difference all the same in a share of {shown}."
        else:
            yield f"If {label} (effect × {row.effect:g}): {what} finds it with power {shown}."
    for one in found.replays:
        first, *others = one.sentences()
        yield f"{one.title}. {first}"
        yield from (told for told in others if "speaks" in told or told.startswith("The published"))


def _headline(found: Simulated) -> Iterator[Row]:
    """Return one row for each world and design: the protocol's size, or the first; the first method that is drawn."""
    seen: set[tuple[str, str]] = set()
    sizes = {row.n for row in found.table.rows}
    n = found.protocol.sample_size if found.protocol.sample_size in sizes else min(sizes)
    for row in drawn_rows(found.table.rows):
        if row.n == n and (row.world, row.design) not in seen:
            seen.add((row.world, row.design))
            yield row


def _warnings(found: Simulated) -> list[str]:
    told = ["Most of what the simulation rests on is assumed, not measured (data/trial_simulation.toml)."]
    if any(row.failed for row in found.table.rows):
        told.append("Some simulated trials could not be analysed; they count as not rejecting (column 'failed').")
    told += [f"The published figures of {one.study} are unverified." for one in found.replays if not one.verified]
    return told


# --- sections --------------------------------------------------------------------------------------------------------
def _without_simulation(found: Simulated) -> EvidenceSection:
    known, alpha = facts.load("trial_results")["simulated"], found.protocol.alpha
    sizes = sorted({found.protocol.sample_size, *(row.n for row in found.table.rows)})
    wanted, (low, high), rows = float(known["wanted_power"]), known["example"], []
    for whole in sizes:
        n = whole // len(found.protocol.arms)
        if n < 2:
            continue
        shares = [float(detectable_share(one, n, power=wanted, alpha=alpha)) for one in known["reference_shares"]]
        means = [
            float(detectable_difference(n, power=wanted, alpha=alpha, correlation=r)) for r in (0, known["correlation"])
        ]
        power, size = float(power_proportions(high, low, n, alpha=alpha)), exact_size(n, alpha=alpha)
        told = f"{size.maximum:.3f} at {percent(round(size.at, 2))}"
        rows.append(
            (
                whole,
                n,
                f"{power:.3f}",
                *(percent(round(s, 2)) if np.isfinite(s) else None for s in shares),
                *means,
                told,
            )
        )
    columns = ["People", "Per arm", f"Power, {percent(low)} against {percent(high)}"]
    columns += [f"Found against {percent(one)}" for one in known["reference_shares"]]
    columns += ["Found, SD", f"Found, SD, baseline r = {known['correlation']:g}", "Largest size of the score test"]
    note = (
        f"Two-sided at {percent(alpha)}, arms of equal size, parallel, nobody missing. Shares: score test with pooled "
        f"variance, both binomials enumerated; 'found' is with power {wanted:g}. Above {alpha:g} the test rejects too "
        "often."
    )
    return EvidenceSection("Without simulation", (), [Table("One arm against another", columns, rows, note)])


def _grid_sections(out: OutputFolder, found: Simulated) -> Iterator[EvidenceSection]:
    rows = found.table.rows
    listed = rows if len(rows) <= MOST_ROWS else tuple(drawn_rows(rows))[:MOST_ROWS]
    shown = [keep_drawn(out, one, k if k > 1 else 0) for k, one in enumerate(draw_power(found.table), 1)]
    columns = ["World", "Design", "People", "Effect ×", "Leaving", "Analysis", "Arm", "Truth", "Rejected (SE)"]
    columns += ["Bias (SE)", "Width", "Coverage"]
    told = [
        (
            row.world,
            row.design,
            row.n,
            f"{row.effect:g}",
            percent(row.dropout),
            row.method.replace("_", " "),
            row.arm,
            row.truth,
            f"{row.rejected:.3f} ({row.rejected_se:.3f}){'' if not row.null else ' null'}",
            "" if not np.isfinite(row.bias) else f"{row.bias:+.2f} ({row.bias_se:.2f})".replace("-", "−"),
            row.width,
            "" if not np.isfinite(row.coverage) else f"{row.coverage:.3f}",
        )
        for row in listed
    ]
    note = (
        "Rejected: share of trials with p below alpha, power unless marked null (then the type I error). Arm 'any': "
        "familywise. Truth, bias and width: points of the outcome, or shares with responder analyses."
    )
    if len(listed) < len(rows):
        note += f" {len(listed)} of {len(rows)} rows; trial_simulation.tsv holds all."
    yield EvidenceSection("Simulated", (), [Table("Designs in each world", columns, told, note)], shown)
    yield EvidenceSection("Assumed", _assumed(found))


def _assumed(found: Simulated) -> list[str]:
    people, leaving = default_population(), default_dropout()
    told = [
        f"Mean baseline {people.baseline_mean:g}, SD {people.sd:g}, correlation of two ratings {people.correlation:g}; "
        f"without any target pain falls by {percent(people.placebo_share)}, SD between people {people.fall_sd:g}.",
        f"Leaving: {leaving.mechanism}, {percent(leaving.rate)} by the last visit unless said otherwise.",
    ]
    labels = {row.world: world(row.world).label for row in found.table.rows}
    return told + [f"{name}: {label}." for name, label in labels.items()]


def _replay_sections(out: OutputFolder, found: Simulated) -> Iterator[EvidenceSection]:
    for k, one in enumerate(found.replays):
        rows = replay_rows([one])
        table = Table(
            f"How often each world gives the published pattern ({one.people} people, {found.trials:,} trials each)",
            [
                "World",
                "Effect ×",
                "Share (95 %)",
                "Likelihood ratio (95 %)",
                *(name for name, _ in one.frequencies[0].parts),
            ],
            [
                (
                    each.label,
                    f"{each.effect:g}" if each.effect else None,
                    f"{100 * each.share:.1f} % ({100 * each.low:.1f} to {100 * each.high:.1f})",
                    f"{row['ratio']:.2f} ({row['ratio_low']:.2f} to {row['ratio_high']:.2f})" if row["ratio"] else "1",
                    *(f"{100 * share:.0f} %" for _, share in each.parts),
                )
                for each, row in zip(one.frequencies, rows, strict=True)
            ],
            f"Source: {one.source}. Figures {'verified' if one.verified else 'unverified'}. The last columns: how "
            "often each sign of the pattern comes out alone.",
        )
        names = [f"{each.label}{f' × {each.effect:g}' if each.effect else ''}" for each in one.frequencies]
        share, low, high = (
            np.array([getattr(each, part) for each in one.frequencies]) for part in ("share", "low", "high")
        )
        bars = share_bars(names, share, low, high, across="% of simulated trials that look like the published one")
        drawn = Drawn(
            "replay",
            "",
            bars,
            "How often each world gives the published pattern.",
            "Lines: 95 % Monte Carlo intervals.",
        )
        shown: list[Shown] = [keep_drawn(out, drawn, k)]
        yield EvidenceSection(f"Replay: {one.title}", one.sentences(), [table], shown)
