"""How often targets that the program trusts are right: people of known truth, and people without any networks.

    python -m benchmarks.calibration docs/validation [--train 2001 ...] [--test 3001 ...] [--minutes 2 5 10 20 40]
        [--work FOLDER] [--finished] [--fit]

Writes calibration.tsv, calibration.md and calibration.png into the folder. Every case (a person, a length, a motion
level) is kept in the work folder, so that a run that was stopped goes on. `--fit` fits the weights on the people of
`--train` and prints them as the table that data/verdict.toml holds, and what each threshold of 'caution' would accept
of these people, each judged by a model of the others; the page is of the people of `--test` alone.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from actionloop import files, phantom, signal
from actionloop.errors import ActionloopError
from actionloop.phantom.denoise import kept_frames
from actionloop.pipeline.controls import Recipe
from actionloop.pipeline.head import template_head
from actionloop.pipeline.person import find_targets
from actionloop.pipeline.priors import area_names, cached_default_prior
from actionloop.pipeline.settings import MappingSettings, Settings
from actionloop.reliability.evidence import Evidence, gather
from actionloop.reliability.halves import cut, split_halves
from actionloop.reliability.heldout import held_out
from actionloop.reliability.places import find_places
from actionloop.reliability.resample import Draws, resample_frames
from actionloop.reliability.verdict import Model, decide, fit_model, is_admissible
from actionloop.types import Timeseries
from benchmarks.methods import draw

MINUTES = (2.0, 5.0, 10.0, 20.0, 40.0)
MOTION = {"low": 0.5, "middle": 8.0, "high": 30.0}
KINDS = ("drawn", "Gordon", "MSC06", "WashU")
TRAIN, TEST = (*range(2001, 2011), *range(3001, 3026)), tuple(range(4001, 4026))
NOISE_EVERY = 4  # one person of noise for so many of the others
TR_S = 0.8
NEAR_MM = 5.0
RESAMPLES = 40
COMMAND = "python -m benchmarks.calibration docs/validation"


# Cases


def simulate(kind: str, seed: int, minutes: float, motion: str) -> tuple[Any, Timeseries, np.ndarray]:
    """Simulate a cleaned cortical scan; returns the person, all frames, and which of them are kept."""
    person, rng = draw("drawn" if kind == "noise" else kind, seed)
    session = phantom.simulate_session(
        person, minutes=minutes, tr_s=TR_S, rng=rng, cortex_only=True, restlessness=MOTION[motion]
    )
    keep = kept_frames(session)
    return person, phantom.denoise(session, with_global_signal=True, filtered=True), keep


def without_networks(series: Timeseries, seed: int | list[int]) -> Timeseries:
    """Noise with the scan's spectrum and smoothness, and nothing else."""
    return phantom.fit_surrogate(series).draw(np.random.default_rng(seed))


def cuts_of(lengths: Sequence[float]) -> list[tuple[float, float]]:
    """Parts of a scan that are mapped on their own, (start, length), in minutes.

    Every length from the beginning, the longest first; from the middle what fits into the second half.
    """
    half = max(lengths) / 2
    return [(0.0, n) for n in sorted(lengths, reverse=True)] + [
        (half, n) for n in sorted(lengths, reverse=True) if n <= half
    ]


def cases_of(
    kind: str, seed: int, motion: str, asked: argparse.Namespace, *, late: bool = True
) -> Iterator[list[dict[str, Any]]]:
    """Every part of one scan, `late` with those from its middle; pieces that are there are read."""
    scan = None
    for start, minutes in cuts_of(asked.minutes):
        if start and not late:
            continue
        name = f"{kind}-{seed}-{motion}-{minutes:g}" + (f"-from{start:g}" if start else "")
        kept = asked.work / f"{name}.json"
        if not kept.is_file():
            if asked.finished:
                continue
            if scan is None:
                scan = simulate(kind, seed, max(asked.minutes), motion)
            person, series, keep = scan
            first, last = (round(at * 60 / TR_S) for at in (start, start + minutes))
            frames = np.arange(series.n_frames)
            some = signal.select_frames(series, (frames >= first) & (frames < last) & keep)
            if kind == "noise":
                some = without_networks(some, [seed, round(start)] if start else seed)
            try:
                rows = one_case(some, None if kind == "noise" else person)
            except ActionloopError as error:  # too short or too spoilt to be mapped at all: an abstention too
                rows = []
                print(f"{kept.stem}: {error}", file=sys.stderr)
            files.write_json(kept, {"usable": some.minutes, "rows": rows})
        found = json.loads(kept.read_text(encoding="utf-8"))
        about = {"kind": kind, "seed": seed, "motion": motion, "start": start, "length": minutes}
        about["usable"] = found["usable"]
        print(json.dumps({**about, "targets": len(found["rows"])}), file=sys.stderr, flush=True)
        yield [{**about, **row} for row in found["rows"]] or [{**about, "target": None}]


def one_case(series: Timeseries, person: Any) -> list[dict[str, Any]]:
    """Map, find targets, gather the evidence, and measure how far every target is from the truth."""
    head, template = template_head(), files.template_anatomy()
    prior = files.align_prior(cached_default_prior(), series.grayordinates)
    recipe = Recipe(prior, head.anatomy, MappingSettings())
    signal.usable(series)
    with threadpool_limits(limits=1, user_api="blas"):
        made = recipe.make(series)
        _, targets, _ = find_targets(made, head, Settings())
        if not targets:
            return []
        places = find_places(targets, made.grayordinates, head.anatomy, template, area=area_names())
        halves = split_halves(series, recipe.make, at_once=True)
        resamples = resample_frames(
            signal.compress(series), prior, head.anatomy, made=made, places=places, draws=Draws(RESAMPLES)
        )
        held = held_out(cut(series)[0], halves.maps, places, head.anatomy)
    found = gather(places, halves, resamples, held, names=made.names, minutes=series.minutes)
    rows = []
    for place, evidence in zip(places, found, strict=True):
        piece = place.target.piece
        row = {"target": place.target.name, "network": piece.network, **asdict(evidence)}
        rows.append({**row, "off_mm": None if person is None else truth_mm(place, person)})
    return rows


def truth_mm(place: Any, person: Any) -> float | None:
    """Geodesic mm to the centre of the true node of that name (of islands: the nearest); None where there is none."""
    piece = place.target.piece
    wanted = "AMN dlPFC" if piece.network == "AMN" else piece.name
    same = [node for node in person.nodes if node.hemisphere == piece.hemisphere and node.name.startswith(wanted)]
    return min((float(place.away_mm[node.vertex]) for node in same), default=None)


def is_hit(row: dict[str, Any]) -> bool:
    """Tell whether a target lies within 5 mm of the true centre."""
    return row["off_mm"] is not None and row["off_mm"] <= NEAR_MM


def evidence_of(row: dict[str, Any]) -> Evidence:
    """Rebuild the evidence of a row."""
    known = {"island": float(row["network"] == "AMN"), **row}
    return Evidence(**{name: known[name] for name in Evidence.__dataclass_fields__})


# Fitting and reading


FEATURES = ("spread_mm", "halves_mm", "stability", "held_out", "lead", "probability", "island")


def fit(rows: Sequence[dict[str, Any]]) -> Model:
    """Fit the verdict's model to the targets of some people; of noise, every target is a miss."""
    some = [row for row in rows if row["target"]]
    return fit_model([evidence_of(row) for row in some], [is_hit(row) for row in some], names=FEATURES, penalty=0.3)


def crossed(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Judge every person by a model that is fitted on the others."""
    found = []
    for seed in sorted({row["seed"] for row in rows}):
        model = fit([row for row in rows if row["seed"] != seed])
        found += judged([row for row in rows if row["seed"] == seed], model)
    return found


def thresholds_of(rows: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """Count what each threshold of 'caution' accepts: targets, and how many of these lie within 5 mm."""
    targets = [row for row in rows if row["target"]]
    lines = []
    for least in (0.8, 0.84, 0.88, 0.9, 0.92, 0.95):
        some = [row for row in targets if row["probability_hit"] >= least and is_admissible(evidence_of(row))]
        hits = f"{np.mean([row['hit'] for row in some]):.1%}" if some else "–"
        lines.append({"from": f"{least:g}", "accepted": f"{len(some)} of {len(targets)}", "within 5 mm": hits})
    return lines


def table_of(model: Model) -> str:
    """Write a model as the table of data/verdict.toml."""

    def listed(values: Sequence[float]) -> str:
        return "[" + ", ".join(f"{value:.4g}" for value in values) + "]"

    names = ", ".join(f'"{name}"' for name in model.names)
    return "\n".join(
        [
            "[model]",
            f"names = [{names}]",
            f"centre = {listed(model.centre)}",
            f"scale = {listed(model.scale)}",
            f"weight = {listed(model.weight)}",
            f"intercept = {model.intercept:.4g}",
        ]
    )


def judged(rows: Sequence[dict[str, Any]], model: Model | None = None) -> list[dict[str, Any]]:
    """Add to every target its probability, its verdict and whether it is a hit."""
    model = model or Model.calibrated()
    found = []
    for row in rows:
        if row["target"]:
            probability, verdict = decide(evidence_of(row), model)
            found.append({**row, "probability_hit": probability, "verdict": verdict, "hit": is_hit(row)})
        else:
            found.append({**row, "probability_hit": None, "verdict": "none", "hit": None})
    return found


def calibration_error(rows: Sequence[dict[str, Any]], *, bins: int = 10) -> float:
    """Find the expected calibration error over bins of equal width: mean |stated - observed|, weighted by targets."""
    stated = np.array([row["probability_hit"] for row in rows])
    hit = np.array([row["hit"] for row in rows], dtype=float)
    place = np.minimum((stated * bins).astype(int), bins - 1)
    gaps = [abs(stated[place == k].mean() - hit[place == k].mean()) * (place == k).sum() for k in np.unique(place)]
    return float(np.sum(gaps) / len(rows))


def bins_of(rows: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """Stated and observed by bins of a tenth."""
    lines = []
    for k in range(10):
        some = [row for row in rows if k / 10 <= row["probability_hit"] < (k + 1) / 10 + (k == 9)]
        if some:
            stated, seen = (float(np.mean([row[name] for row in some])) for name in ("probability_hit", "hit"))
            lines.append(
                {
                    "stated": f"{k / 10:.1f} to {(k + 1) / 10:.1f}",
                    "targets": str(len(some)),
                    "mean stated": f"{stated:.2f}",
                    "within 5 mm": f"{seen:.2f}",
                }
            )
    return lines


def conditions(rows: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """One line per motion and length: people, accepted people and targets, hits among accepted targets."""
    lines = []
    for kind in ("people", "noise"):
        for motion in MOTION:
            for minutes in MINUTES:
                some = [
                    row
                    for row in rows
                    if row["motion"] == motion
                    and row["length"] == minutes
                    and (row["kind"] == "noise") == (kind == "noise")
                ]
                if some:
                    lines.append({"whom": kind, "motion": motion, "minutes": f"{minutes:g}", **counts(some)})
    return lines


def counts(rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Count one condition."""
    everybody = {(row["kind"], row["seed"]) for row in rows}
    targets = [row for row in rows if row["target"]]
    accepted = [row for row in targets if row["verdict"] != "none"]
    people = {(row["kind"], row["seed"]) for row in accepted}
    return {
        "usable min": f"{np.mean([row['usable'] for row in rows]):.1f}",
        "people": str(len(everybody)),
        "people with a target": f"{len(people)} ({len(people) / len(everybody):.0%})",
        "targets": str(len(targets)),
        "accepted": f"{len(accepted)} ({len(accepted) / len(targets):.0%})" if targets else "0",
        "accepted within 5 mm": f"{np.mean([row['hit'] for row in accepted]):.1%}" if accepted else "–",
        "all within 5 mm": f"{np.mean([row['hit'] for row in targets]):.0%}" if targets else "–",
    }


def markdown(lines: Sequence[dict[str, str]]) -> list[str]:
    """Lines of a table."""
    head = list(lines[0])
    return [
        "| " + " | ".join(head) + " |",
        "| " + " | ".join("---" for _ in head) + " |",
        *("| " + " | ".join(line[name] for name in head) + " |" for line in lines),
    ]


def write_results(rows: Sequence[dict[str, Any]], out: Path) -> None:
    """Write table, page and figure of the people that the model was not fitted on."""
    found = judged(rows)
    targets = [row for row in found if row["target"]]
    columns = [*dict.fromkeys(name for row in targets for name in row)]
    files.write_table(
        out / "calibration.tsv", [{name: row.get(name) for name in columns} for row in found], columns=columns
    )
    accepted = [row for row in targets if row["verdict"] != "none"]
    noise = [row for row in targets if row["kind"] == "noise"]
    people = len({(row["kind"], row["seed"]) for row in found})
    used = [row for row in targets if row["verdict"] == "use"]
    text = [
        "# Whether trusted targets are right",
        "",
        f"Made by `{COMMAND}` (every target: `calibration.tsv`). {people} people that the",
        f"verdict's model was not fitted on, {len(targets)} targets, {RESAMPLES} resamples each. A scan is mapped in",
        "parts: each length from its beginning, and from its middle what fits there. A target is right if",
        "it lies within 5 mm (geodesic) of the centre of the true node of its name; islands of the dlPFC are numbered",
        "by size, so that any true one of that side counts. Kinds of people as in [methods.md](methods.md); 'noise'",
        "has the spectrum and the smoothness of such a scan and no networks: no target in it is right. Motion is a",
        f"multiple of the phantom's usual bursts ({', '.join(f'{name} {value:g}' for name, value in MOTION.items())});",
        "frames above the phantom's threshold are censored. Accepted means 'use' or 'use with caution'. Simulated",
        "people are easier than real ones: sharp borders, simple noise.",
        "",
        f"Expected calibration error (10 bins): **{calibration_error(targets):.3f}**. Accepted targets within 5 mm:",
        f"**{np.mean([row['hit'] for row in accepted]):.1%}** of {len(accepted)}; of those to 'use':"
        f" {np.mean([row['hit'] for row in used]):.1%} of {len(used)}."
        f" Noise: {sum(row['verdict'] != 'none' for row in noise)} of {len(noise)} targets accepted.",
        "",
        "## Stated probability against what happened",
        "",
        *markdown(bins_of(targets)),
        "",
        "## By length and motion",
        "",
        *markdown(conditions(found)),
        "",
        "![Reliability diagram, and share of people with an accepted target](calibration.png)",
        "",
    ]
    files.write_text(out / "calibration.md", "\n".join(text))
    picture(found, out / "calibration.png")


def picture(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw the reliability diagram, and accepted people against minutes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    lines = bins_of([row for row in rows if row["target"]])
    x, y, n = (np.array([float(line[name]) for line in lines]) for name in ("mean stated", "within 5 mm", "targets"))
    left.plot([0, 1], [0, 1], color="#8a8f98", lw=0.8)
    left.errorbar(x, y, yerr=1.96 * np.sqrt(np.maximum(y * (1 - y), 0.01) / n), fmt="o", color="#a3122c", ms=5)
    left.set_xlabel("stated probability of lying within 5 mm")
    left.set_ylabel("share that did")
    for motion, colour, marker in zip(MOTION, ("#0072b2", "#e69f00", "#3b3f46"), "osD", strict=True):
        shares = []
        for minutes in MINUTES:
            some = [
                row for row in rows if (row["motion"], row["length"]) == (motion, minutes) and row["kind"] != "noise"
            ]
            everybody = {(row["kind"], row["seed"]) for row in some}
            people = {(row["kind"], row["seed"]) for row in some if row["verdict"] != "none"}
            shares.append(len(people) / len(everybody) if everybody else np.nan)
        right.plot(MINUTES, shares, marker=marker, color=colour, ms=5, label=f"{motion} motion")
    right.set_xscale("log")
    right.set_xticks(list(MINUTES), [f"{m:g}" for m in MINUTES])
    right.minorticks_off()
    right.set_ylim(-0.05, 1.05)
    right.set_xlabel("minutes scanned")
    right.set_ylabel("people with an accepted target")
    right.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=130)


def people_of(seeds: Sequence[int]) -> list[tuple[str, int, str]]:
    """Spread kinds, noise and motion over the seeds: every seed one kind and one motion, by its last three digits."""
    motions, found = list(MOTION), []
    for seed in seeds:
        place = (seed - 1) % 1000
        kind = (
            "noise"
            if place % (NOISE_EVERY + 1) == NOISE_EVERY
            else KINDS[(place - place // (NOISE_EVERY + 1)) % len(KINDS)]
        )
        found.append((kind, seed, motions[(place + place // len(motions)) % len(motions)]))
    return found


def main(argv: list[str] | None = None) -> int:
    """Run what is missing, then fit or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--train", type=int, nargs="*", default=list(TRAIN))
    parser.add_argument("--test", type=int, nargs="*", default=list(TEST))
    parser.add_argument("--minutes", type=float, nargs="+", default=list(MINUTES))
    parser.add_argument("--work", type=Path, default=Path("build/calibration"))
    parser.add_argument("--finished", action="store_true", help="tables from finished pieces only; runs none")
    parser.add_argument("--fit", action="store_true", help="fit the weights on --train and print them")
    asked = parser.parse_args(argv)
    asked.work.mkdir(parents=True, exist_ok=True)
    asked.out.mkdir(parents=True, exist_ok=True)
    if asked.fit:
        rows = list(all_rows(people_of(asked.train), asked, late=False))
        print(table_of(fit(rows)))
        others = crossed(rows)
        error = calibration_error([row for row in others if row["target"]])
        print(f"# each person judged by the others: expected calibration error {error:.3f}")
        print("\n".join(f"# {line}" for line in markdown(thresholds_of(others))))
        return 0
    write_results(list(all_rows(people_of(asked.test), asked)), asked.out)
    return 0


def all_rows(
    people: Sequence[tuple[str, int, str]], asked: argparse.Namespace, *, late: bool = True
) -> Iterator[dict[str, Any]]:
    """Every target of some people in every part; a part without targets gives one row without one."""
    for kind, seed, motion in people:
        for rows in cases_of(kind, seed, motion, asked, late=late):
            yield from rows


if __name__ == "__main__":
    raise SystemExit(main())
