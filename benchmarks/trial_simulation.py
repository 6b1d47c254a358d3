"""Simulated trials: type I error and coverage of the analyses, candidate designs, three published trials replayed.

    python -m benchmarks.trial_simulation docs/validation [--trials 4000] [--grid-trials 1000] [--processes 2]

The null trial is the connectivity-guided one: 90 people in three arms, baseline and five ratings after it, 20 % of the
people gone by the last. Bounds are 0.05 ± 3 Monte Carlo standard errors; for the score test of responders, the exactly
enumerated size ± 3 standard errors.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from actionloop import facts
from actionloop.pipeline.trialprotocol import read_protocol
from actionloop.trial.designs import Design
from actionloop.trial.estimators import METHODS, Plan, plan_of, response_of
from actionloop.trial.exactsize import exact_size
from actionloop.trial.observe import allocate, block, observe
from actionloop.trial.patients import draw_patients
from actionloop.trial.power import (
    detectable_difference,
    detectable_share,
    power_means,
    power_proportions,
    sample_size_means,
    sample_size_proportions,
)
from actionloop.trial.replay import Replay, replay, studies
from actionloop.trial.sideeffect import side_effect
from actionloop.trial.simulate import Assumptions, Grid, Row, SimulationTable, grid_cells, simulate
from actionloop.trial.workers import Workers
from actionloop.trial.worlds import Dropout, default_dropout, default_population, default_rescue, world
from actionloop.types import TrialProtocol, Visit

PROTOCOLS = Path(__file__).parents[1] / "src" / "actionloop" / "data" / "protocols"
NULL = world("no_difference")
SEED = 20260302
REPLAY_TEXT = (
    "In every replay the fall that no target gives is set so that the published fall is expected. The world",
    "'only_local_m1' was written down after the finding that it explains, and how many biomarkers were looked at is",
    "not known: its ratio is the most that the pattern can say for it, not evidence that was found blindly.",
)
NULL_TEXT = (
    "Everyone responds alike; every rejection is wrong. Bounds: 0.05 ± 3 Monte Carlo standard errors; the score test",
    "of responders against its size enumerated at the arms' actual sizes and share of responders.",
)


def null_protocol() -> TrialProtocol:
    """Return the connectivity-guided protocol with a fifth rating after baseline, at week 1."""
    protocol = read_protocol(PROTOCOLS / "connectivity_guided.yaml")
    first, *rest = protocol.visits
    return replace(protocol, visits=(first, Visit("week_1", 1.0, 3), *rest))


def null_assumptions(mechanism: str) -> Assumptions:
    """Return the assumptions of the null trial; no centre effect, so that everyone responds with one probability."""
    leaving = Dropout(0.2, mechanism)  # type: ignore[arg-type]
    return Assumptions(default_population(centre_sd=0.0), leaving, default_rescue())


def enumerated_size(
    protocol: TrialProtocol, given: Assumptions, *, n: int, trials: int, plan: Plan
) -> tuple[float, float]:
    """Size of the score test at the arms' actual sizes and the actual share of responders; that share beside."""
    (cell,) = grid_cells(protocol, [NULL], [Design()], Grid(n=(n,)), given)
    patients = draw_patients(cell.setting, [cell.seed(SEED, trial) for trial in range(trials)])
    arm = allocate(patients, block(cell.setting))
    seen = observe(patients, arm[..., None])
    share = float(response_of(seen, threshold=plan.threshold).mean())
    sizes = np.stack([(arm == one).sum(axis=1) for one in range(len(protocol.arms))], axis=1)
    control = protocol.arm_names.index(protocol.control)
    pairs = np.concatenate([sizes[:, [one, control]] for one in range(len(protocol.arms)) if one != control])
    each, count = np.unique(pairs, axis=0, return_counts=True)
    exact = [float(power_proportions(share, share, int(a), int(b), alpha=plan.alpha)) for a, b in each]
    return float(np.average(exact, weights=count)), share


def null_lines(trials: int, workers: Workers) -> Iterator[str]:
    """Type I error and coverage under no difference, for each way of leaving."""
    protocol = null_protocol()
    yield "## No difference: type I error and coverage"
    yield ""
    yield from NULL_TEXT
    yield ""
    yield from _header("people leaving analysis arm trials failed type_I_(SE) expected coverage bias_(SE) within")
    seconds, lines = {}, []
    for mechanism, n, methods in (
        ("mcar", 90, METHODS),
        ("mar", 90, METHODS),
        ("mnar", 90, METHODS),
        ("mcar", 72, METHODS[:2]),
    ):
        plan, given, grid = plan_of(protocol, methods), null_assumptions(mechanism), Grid(n=(n,))
        begun = time.perf_counter()
        rng = np.random.default_rng([SEED, n])
        table = simulate(
            protocol,
            [NULL],
            [Design()],
            n_trials=trials,
            rng=rng,
            grid=grid,
            plan=plan,
            assumptions=given,
            workers=workers,
        )
        seconds[mechanism, n] = time.perf_counter() - begun
        exact, share = enumerated_size(protocol, given, n=n, trials=trials, plan=plan)
        lines += [_null_line(row, mechanism, exact) for row in table.rows]
        _tell(exact_size(n // 3).note() or "the score test keeps its level", share=share)
    yield from lines
    told = {"trials": trials, "people": 90, "visits": 5, "processes": workers.processes}
    told["seconds"] = round(seconds["mcar", 90], 1)
    print(json.dumps(told))
    yield ""
    yield (
        f"{trials:,} trials of 90 people and 5 ratings after baseline, all four analyses, MMRM with Kenward-Roger "
        f"degrees of freedom among them: {told['seconds']} s on {workers.processes} processes."
    )
    yield ""
    yield _outside(lines)
    yield ""
    for n in (24, 30):
        yield exact_size(n).note()


def _header(names: str) -> Iterator[str]:
    columns = [name.replace("_", " ") for name in names.split()]
    yield f"| {' | '.join(columns)} |"
    yield "| --- " * len(columns) + "|"


def _outside(lines: list[str]) -> str:
    """Say which analyses leave their bounds."""
    rows = [[cell.strip() for cell in line.split("|")] for line in lines if "familywise" not in line]
    out = [row[3] for row in rows if row[-2] != "yes"]
    told = ", ".join(f"{name} {out.count(name)}" for name in dict.fromkeys(out)) or "none"
    return f"Outside the bounds, of {len(rows)} rows: {told}."


def _null_line(row: Row, mechanism: str, exact: float) -> str:
    score = row.method == "responder" and row.arm != "any"
    expected = exact if score else 0.05
    bound = 3 * np.sqrt(expected * (1 - expected) / row.trials)
    if row.arm == "any":
        within = "familywise"
    else:
        within = "yes" if abs(row.rejected - expected) <= bound else "no"
        covered = row.method in ("responder", "responder_adjusted") or abs(row.coverage - 0.95) <= bound
        within += "" if covered else ", coverage no"
    coverage, bias = ("", "") if row.arm == "any" else (f"{row.coverage:.4f}", f"{row.bias:+.4f} ({row.bias_se:.4f})")
    return (
        f"| {row.n} | {mechanism} | {row.method} | {row.arm} | {row.trials} | {row.failed} | "
        f"{row.rejected:.4f} ({row.rejected_se:.4f}) | {expected:.4f} | {coverage} | {bias} | {within} |"
    )


def _tell(text: str, **figures: float) -> None:
    print(json.dumps({"note": text, **{name: round(value, 4) for name, value in figures.items()}}))


def power_lines() -> Iterator[str]:
    """Power and sample sizes without simulation."""
    power = power_proportions([0.47, 0.47], [0.67, 0.81], 30)
    d = detectable_difference(30, correlation=np.array([0.0, 0.5]))
    yield "## Without simulation"
    yield ""
    yield "Two-sided tests at .05, 30 people per arm unless said otherwise. Proportions: score test, pooled variance,"
    yield "no continuity correction, both binomials enumerated (with unpooled variance the first line would be 0.354)."
    yield ""
    yield "| question | answer |"
    yield "| --- | --- |"
    yield f"| 47 % against 67 % responders | power {power[0]:.3f} |"
    yield f"| 47 % against 81 % responders | power {power[1]:.3f} |"
    yield f"| share found with 80 % power against 47 % | {float(detectable_share(0.47, 30)):.2f} |"
    yield f"| people per arm for 47 % against 67 %, 80 % power | {sample_size_proportions(0.67, 0.47)} |"
    yield f"| difference of means found with 80 % power (noncentral t) | d = {d[0]:.2f} |"
    yield f"| the same with a baseline that correlates .5 | d = {d[1]:.2f} |"
    yield f"| power at d = 0.5, without and with that baseline | {_two(power_means(0.5, 30, correlation=[0, 0.5]))} |"
    people = sample_size_means(0.5, correlation=[0, 0.5])
    yield f"| people per arm for d = 0.5, without and with | {_two(people, '.0f')} |"
    sizes = ", ".join(f"{exact_size(n).maximum:.3f}" for n in (20, 24, 30, 50))
    yield f"| largest size of the score test at 20, 24, 30, 50 per arm | {sizes} |"


def _two(values: np.ndarray, form: str = ".3f") -> str:
    return " and ".join(format(float(one), form) for one in values)


def design_table(trials: int, workers: Workers) -> SimulationTable:
    """Candidate designs in several worlds and sizes."""
    protocol = read_protocol(PROTOCOLS / "connectivity_guided.yaml")
    worlds = [world(name) for name in ("no_difference", "target_matters", "low_connectivity_matters", "only_local_m1")]
    designs = [
        Design(),
        Design("enriched"),
        Design("crossover", arm="lowest_connectivity", washout_weeks=8),
        Design("drop"),
    ]
    return simulate(
        protocol,
        worlds,
        designs,
        n_trials=trials,
        rng=np.random.default_rng([SEED, 1]),
        grid=Grid(n=(60, 90, 150, 240)),
        plan=plan_of(protocol, ("responder", "ancova")),
        workers=workers,
    )


def design_lines(table: SimulationTable) -> Iterator[str]:
    """Tell of the candidate designs at 90 people; the figure has the other sizes."""
    yield "## Candidate designs, 90 people, 20 % leave by chance"
    yield ""
    yield "Lowest-connectivity site against classic M1. 'drop' tests one-sidedly at .025, corrected over both arms and"
    yield "the look (closed testing); its estimate and interval are not corrected for the look. 'enriched' takes the"
    yield "half with the lowest local M1 connectivity; 'crossover' washes out for 8 weeks. Type I error where the truth"
    yield "is 0, else power."
    yield ""
    yield from _header("world design analysis truth rejected_(SE) bias_(SE) width_(SE) coverage_(SE)")
    for row in table.rows:
        if row.n == 90 and row.arm == "lowest_connectivity" and row.method != "period_2":
            yield (
                f"| {row.world} | {row.design} | {row.method} | {row.truth:+.2f} | "
                f"{row.rejected:.3f} ({row.rejected_se:.3f}) | "
                f"{row.bias:+.3f} ({row.bias_se:.3f}) | {row.width:.2f} ({row.width_se:.3f}) | "
                f"{row.coverage:.3f} ({row.coverage_se:.3f}) |"
            )
    yield ""
    yield "A crossover of 90 puts 90 people under each target, not 30, and gains from falls that repeat within a person"
    yield "(correlation .5, assumed). It is no candidate where a benefit outlasts the washout. 'enriched' screens twice"
    yield "as many people."
    yield ""
    yield "Familywise type I error of arm dropping under no difference, nominal .025 one-sided, by people:"
    found = table.find(world="no_difference", design="drop_0.5_0", arm="any")
    yield ", ".join(f"{row.n}: {row.rejected:.4f} ({row.rejected_se:.4f})" for row in found) + "."


def leaving_lines(trials: int, workers: Workers) -> Iterator[str]:
    """Tell what leaving does to bias, where arms differ."""
    protocol = read_protocol(PROTOCOLS / "connectivity_guided.yaml")
    yield "## Leaving, 90 people, low connectivity matters"
    yield ""
    yield from _header("leaving share analysis truth power_(SE) bias_(SE) coverage_(SE)")
    for mechanism in ("mcar", "mar", "mnar"):
        table = simulate(
            protocol,
            [world("low_connectivity_matters")],
            [Design()],
            n_trials=trials,
            rng=np.random.default_rng([SEED, 2]),
            grid=Grid(dropouts=(0.2, 0.4)),
            plan=plan_of(protocol, ("ancova", "mmrm")),
            assumptions=Assumptions(dropout=replace(default_dropout(), mechanism=mechanism, strength=1.5)),
            workers=workers,
        )
        for row in table.find(arm="lowest_connectivity"):
            yield (
                f"| {mechanism} | {row.dropout:.1f} | {row.method} | {row.truth:+.2f} | {row.rejected:.3f} "
                f"({row.rejected_se:.3f}) | {row.bias:+.3f} ({row.bias_se:.3f}) | "
                f"{row.coverage:.3f} ({row.coverage_se:.3f}) |"
            )


def replay_lines(found: Replay) -> Iterator[str]:
    """One published trial in every world, and what follows."""
    yield f"## Replay: {found.title}"
    yield ""
    yield f"{found.source}. {found.people} people. Published figures {'read' if found.verified else 'not verified'}."
    yield ""
    signs = [name for name, _ in found.frequencies[0].parts]
    yield f"| world | effect | whole pattern (95 %) | ratio to 'no difference' (95 %) | {' | '.join(signs)} |"
    yield "| --- " * (4 + len(signs)) + "|"
    ratios = {(one.world, one.effect): one for one in found.ratios}
    for one in found.frequencies:
        ratio = ratios.get((one.world, one.effect))
        told = "" if ratio is None else f"{ratio.ratio:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"
        parts = " | ".join(f"{share:.3f}" for _, share in one.parts)
        yield f"| {one.world} | {one.effect:g} | {one.share:.4f} ({one.low:.4f} to {one.high:.4f}) | {told} | {parts} |"
    yield ""
    for sentence in found.sentences():
        yield f"- {sentence}"
    beside = side_effect(found.study)
    if beside is not None:
        yield f"- {beside.sentence()}"


def draw(table: SimulationTable, found: Replay, path: Path) -> None:
    """Power by people and design; likelihood ratios of the connectivity-guided trial."""
    from matplotlib.figure import Figure

    palette = facts.load("palette")
    hues, ink = list(palette["networks"].values()), palette["brain"]["ink"]
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    for number, design in enumerate(dict.fromkeys(row.design for row in table.rows)):
        rows = table.find(
            design=design,
            world="low_connectivity_matters",
            arm="lowest_connectivity",
            method="paired" if design.startswith("crossover") else "ancova",
        )
        n, power, se = (np.array([getattr(row, name) for row in rows]) for name in ("n", "rejected", "rejected_se"))
        left.errorbar(n, power, 2 * se, color=hues[number], marker="o", ms=4, lw=1.2, label=design.replace("_", " "))
    left.axhline(0.8, color=ink, lw=0.6, ls=":")
    left.set(xlabel="people", ylabel="power", ylim=(0, 1.02))
    left.set_title("lowest-connectivity site against classic M1,\n1 point per SD of lower connectivity", fontsize=10)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower left", ncols=4, frameon=False, fontsize=8)
    for place, one in enumerate(reversed(found.ratios)):
        right.plot([one.low, one.high], [place, place], color=ink, lw=1.2)
        right.plot(one.ratio, place, "o", color=hues[0], ms=4)
    names = [f"{one.world.replace('_', ' ')} × {one.effect:g}" for one in reversed(found.ratios)]
    right.set_yticks(range(len(names)), names, fontsize=8)
    right.axvline(1, color=ink, lw=0.6, ls=":")
    right.set(xscale="log", xlabel="how much more often than 'no difference'")
    right.set_title("worlds that give the null trial's pattern", fontsize=10)
    figure.savefig(path, dpi=130)


def main() -> None:
    """Run everything and write page and figure."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("out", type=Path)
    asked.add_argument("--trials", type=int, default=4000)
    asked.add_argument("--grid-trials", type=int, default=1000)
    asked.add_argument("--processes", type=int, default=2)
    given = asked.parse_args()
    workers = Workers(given.processes)
    lines = [
        "# What a trial of targets can show, by simulation",
        "",
        "Made by `python -m benchmarks.trial_simulation docs/validation`; most assumptions are only that",
        f"(data/trial_simulation.toml, version {facts.load('trial_simulation')['version']}).",
        "",
        *power_lines(),
        "",
        *null_lines(given.trials, workers),
        "",
    ]
    table = design_table(given.grid_trials, workers)
    lines += [*design_lines(table), "", *leaving_lines(given.grid_trials, workers), ""]
    replays = [
        replay(
            study,
            read_protocol(PROTOCOLS / f"{study}.yaml"),
            n_trials=given.trials,
            rng=np.random.default_rng([SEED, 3, number]),
            workers=workers,
        )
        for number, study in enumerate(studies())
    ]
    draw(table, replays[0], given.out / "trial-simulation.png")
    lines += ["![Power by design, and likelihood ratios of the null trial](trial-simulation.png)", "", *REPLAY_TEXT, ""]
    for one in replays:
        lines += [*replay_lines(one), ""]
    (given.out / "trial-simulation.md").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
