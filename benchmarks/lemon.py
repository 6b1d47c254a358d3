"""The demonstration's person, through the real functions: what the map shows that its prior, or noise, does not.

    python -m benchmarks.lemon docs/validation [--seeds 5]

Writes lemon.md, lemon.tsv and lemon.png into the folder (about three minutes). Needs the fetched resources and, for
the group label, the test data (ACTIONLOOP_DATA).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from actionloop import files, signal
from actionloop.brain import sphere_weights
from actionloop.phantom import fit_surrogate, realism
from actionloop.pipeline import Settings, demo_person
from actionloop.pipeline.controls import EFFECTORS, Halves, Recipe, dice, map_halves, read_across
from actionloop.pipeline.priors import choose_prior
from actionloop.pipeline.series import PersonSeries, load_series
from actionloop.types import HEMISPHERES, NetworkMap, Timeseries
from benchmarks.validate import prior_as_map, shared_data

COMMAND = "python -m benchmarks.lemon docs/validation"
GROUP_KEYS = {"SCAN": 18, "AMN": 9}
BLOCK_FRAMES = 60
SPLITS = {"contiguous halves": None, f"{BLOCK_FRAMES}-frame blocks in turn": BLOCK_FRAMES}
WITH, WITHOUT = "with GSR", "without GSR"
SHOWN = ("SCAN", *EFFECTORS)
Rows = list[dict[str, Any]]


def demo_recipe() -> Recipe:
    """Return what `actionloop demo` maps with."""
    axis = files.template_grayordinates()
    return Recipe(choose_prior(None, axis), files.template_anatomy(), Settings().mapping)


def group_label() -> np.ndarray[Any, Any]:
    """Return the published group label on the 59,412 cortical rows (18 SCAN, 9 AMN), by the nearest vertex.

    Carried from fsaverage6 over the registered spheres.
    """
    from nibabel.freesurfer import read_annot

    axis, template = files.template_grayordinates(), files.template_anatomy()
    sides = []
    for hemisphere in HEMISPHERES:
        label, _, _ = read_annot(shared_data() / "scan" / f"{hemisphere.lower()}h.Net18_fs6.annot")
        sphere = files.fsaverage_sphere(hemisphere, level=6)
        nearest = sphere_weights(sphere, template.surface(hemisphere, "sphere"), method="nearest")
        sides.append(label[nearest.indices[axis.vertices(hemisphere)]])
    return np.concatenate(sides)


def agreement(halves: Halves) -> dict[str, float]:
    """How alike the maps of two halves are: labels equal, their normalised mutual information, Dice."""
    from sklearn.metrics import normalized_mutual_info_score

    one, other = (made.label for made in halves.maps)
    known = (one > 0) & (other > 0)
    found = {
        "labels equal": float((one == other)[known].mean()),
        "NMI": float(normalized_mutual_info_score(one[known], other[known])),
    }
    for name in ("SCAN", "AMN", *EFFECTORS):
        found[f"Dice {name}"] = dice(*(made.members(name) for made in halves.maps))
    return found


def measure_halves(case: str, series: Timeseries, recipe: Recipe, *, split: str) -> Rows:
    """Map and read both halves both ways, and compare the two maps."""
    halves = map_halves(series, recipe, blocks=SPLITS[split])
    found: Rows = []
    for row in read_across(halves, variant=case):
        for name in SHOWN:
            found.append(entry(case, split, f"r {name}-AMN", row[f"{name.lower()}_amn_r"], direction=row["direction"]))
        excess = row["scan_amn_r"] - max(row[f"{name.lower()}_amn_r"] for name in EFFECTORS)
        found.append(entry(case, split, "r SCAN-AMN minus the largest effector's", excess, direction=row["direction"]))
    return found + [entry(case, split, f"{what}, halves", value) for what, value in agreement(halves).items()]


def measure_group(case: str, made: NetworkMap, recipe: Recipe, valid: np.ndarray[Any, Any]) -> Rows:
    """Dice with the group label, and with the prior, over the rows that carry signal."""
    group, prior = group_label(), prior_as_map(recipe.prior)
    found: Rows = []
    for name, key in GROUP_KEYS.items():
        mine = made.members(name) & valid
        found.append(entry(case, "whole scan", f"Dice {name} with group", dice(mine, (group == key) & valid)))
        found.append(entry(case, "whole scan", f"Dice {name} with prior", dice(mine, prior.members(name) & valid)))
    return found


def entry(case: str, split: str, measure: str, value: float, *, direction: str = "") -> dict[str, Any]:
    """One row of the table."""
    return {"case": case, "split": split, "direction": direction, "measure": measure, "value": float(value)}


def measure_scan(loaded: Mapping[str, PersonSeries], recipe: Recipe) -> Iterator[dict[str, Any]]:
    """Everything about the scan itself and the prior."""
    for case, one in loaded.items():
        for split in SPLITS:
            print(f"{case}, {split}", file=sys.stderr, flush=True)
            yield from measure_halves(case, one.series, recipe, split=split)
        yield from measure_group(case, recipe.make(one.series), recipe, signal.valid_rows(one.series))
    cleaned = loaded[WITH].series
    yield from measure_group("prior alone", prior_as_map(recipe.prior), recipe, signal.valid_rows(cleaned))
    yield from (entry(WITH, "whole scan", name, value) for name, value in realism(cleaned).figures().items())


def measure_surrogates(series: Timeseries, recipe: Recipe, *, seeds: int) -> Iterator[dict[str, Any]]:
    """Measure surrogates of the scan alike."""
    model = fit_surrogate(series)
    for seed in range(1, seeds + 1):
        case = f"surrogate {seed}"
        print(case, file=sys.stderr, flush=True)
        drawn = model.draw(np.random.default_rng(seed))
        yield from measure_halves(case, drawn, recipe, split="contiguous halves")
        yield from measure_group(case, recipe.make(drawn), recipe, model.valid)
        yield from (entry(case, "whole scan", name, value) for name, value in realism(drawn).figures().items())


def pick(rows: Rows, case: str, split: str, measure: str, direction: str = "") -> list[float]:
    """Values of one measure; over the seeds for 'surrogate', and both directions unless one is named."""
    return [
        row["value"]
        for row in rows
        if row["case"].startswith(case)
        and (row["split"], row["measure"]) == (split, measure)
        and direction in ("", row["direction"])
    ]


def shown(values: Sequence[float]) -> str:
    """Mean, and the range where there are several."""
    mean = f"{np.mean(values):.2f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.2f} to {max(values):.2f})"


def halves_lines(rows: Rows) -> list[str]:
    """Table of connectivity with AMN in the half that was not mapped."""
    lines = table_head(["Series", "Halves", "Direction", *(f"{name}–AMN, r" for name in SHOWN), "SCAN exceeds each"])
    cases = [(case, split) for case in (WITH, WITHOUT) for split in SPLITS] + [("surrogate", "contiguous halves")]
    for case, split in cases:
        for direction in ("map on half 1, read in half 2", "map on half 2, read in half 1"):
            found = [pick(rows, case, split, f"r {name}-AMN", direction) for name in SHOWN]
            ahead = np.array(pick(rows, case, split, "r SCAN-AMN minus the largest effector's", direction)) > 0
            verdict = f"{ahead.sum()} of {len(ahead)}" if len(ahead) > 1 else ("yes" if ahead[0] else "**no**")
            lines.append(line([case, split, direction, *map(shown, found), verdict]))
    return lines


def agreement_lines(rows: Rows) -> list[str]:
    """Table of how alike the maps of the halves are."""
    what = ("labels equal", "NMI", "Dice SCAN", "Dice AMN", *(f"Dice {name}" for name in EFFECTORS))
    lines = table_head(["Series", "Halves", *what])
    cases = [(case, split) for case in (WITH, WITHOUT) for split in SPLITS] + [("surrogate", "contiguous halves")]
    return lines + [
        line([case, split, *(shown(pick(rows, case, split, f"{name}, halves")) for name in what)])
        for case, split in cases
    ]


def group_lines(rows: Rows) -> list[str]:
    """Table of the overlap with the group label."""
    lines = table_head(["", "SCAN with group", "AMN with group", "SCAN with prior", "AMN with prior"])
    for words, case in (
        ("individual map, with GSR", WITH),
        ("individual map, without GSR", WITHOUT),
        ("prior alone", "prior alone"),
        ("map of surrogates", "surrogate"),
    ):
        found = (
            pick(rows, case, "whole scan", f"Dice {name} with {whom}")
            for whom in ("group", "prior")
            for name in GROUP_KEYS
        )
        lines.append(line([words, *map(shown, found)]))
    return lines


def realism_lines(rows: Rows) -> list[str]:
    """Figures of scan and surrogates side by side."""
    names = dict.fromkeys(row["measure"] for row in rows if row["measure"].split("_")[0] in _FIGURES)
    lines = table_head(["", "scan, with GSR", "surrogates"])
    return lines + [
        line([name.replace("_", " "), *(shown(pick(rows, case, "whole scan", name)) for case in (WITH, "surrogate"))])
        for name in names
    ]


_FIGURES = ("split", "lag1", "participation", "component", "correlation")


def table_head(columns: Sequence[str]) -> list[str]:
    """Two lines that open a table."""
    return [line(columns), line(["---"] * len(columns))]


def line(cells: Sequence[str]) -> str:
    """One line of a table."""
    return "| " + " | ".join(cells) + " |"


def write_results(rows: Rows, loaded: PersonSeries, out: Path, *, seeds: int) -> None:
    """Write table, page and figure."""
    files.write_table(out / "lemon.tsv", rows)
    series = loaded.series
    covered = signal.valid_rows(series).mean()
    lead = "r SCAN-AMN minus the largest effector's"
    ahead = np.array([pick(rows, f"surrogate {seed}", "contiguous halves", lead) for seed in range(1, seeds + 1)]) > 0
    text = [
        "# One real person",
        "",
        f"Made by `{COMMAND}` (every number: `lemon.tsv`): the person of `actionloop demo`, through its functions.",
        f"MPI-LEMON sub-{demo_person().label}, {series.n_frames} frames at TR {series.tr_s:g} s = {series.minutes:.1f} "
        f"minutes of rest, {covered:.1%} of the cortical vertices with signal; {loaded.cleaning}. Template anatomy.",
        "One person proves nothing about others; this page shows whether the map follows the scan at all.",
        "",
        "## SCAN goes with AMN where it was not mapped",
        "",
        "Networks are mapped on one half of the scan; r of their mean series with that of AMN is read in the other.",
        f"Surrogates (see below): mean and range over {seeds} seeds; the last column counts them. SCAN exceeds each",
        f"effector both ways in {ahead.all(axis=1).sum()} of {seeds} surrogates; one way, one in four is chance.",
        "",
        *halves_lines(rows),
        "",
        "## How alike the maps of the halves are",
        "",
        "Both start from the same prior, which alone makes them alike: read the scan's figures beside the surrogates'.",
        "",
        *agreement_lines(rows),
        "",
        "## Overlap with a group label",
        "",
        "Dice with SCAN (18) and the cingulo-opercular network (9) of a published group label on fsaverage6, carried",
        "to fsLR-32k by the nearest vertex, over the vertices with signal. There is no threshold: an overlap that the",
        "prior reaches by itself shows nothing, nor does one that noise reaches through the same map. What a map gains",
        "over its prior is measured on people of known truth (`phantoms.md`), not here.",
        prior_sentence(rows),
        "",
        *group_lines(rows),
        "",
        "## The surrogates",
        "",
        "White noise, smoothed by a mixture of Gaussian kernels (non-negative least squares on the correlation of",
        "vertices 3, 6, 10 and 20 mm apart) and filtered with the scan's mean spectrum; dropout left empty. They have",
        "no networks: more dimensions, and little connectivity that both halves share. What r they show between",
        "networks is nearness.",
        "",
        *realism_lines(rows),
        "",
        "![Connectivity with AMN in the other half; Dice with the group label](lemon.png)",
        "",
    ]
    files.write_text(out / "lemon.md", "\n".join(text))
    draw(rows, out / "lemon.png")


def prior_sentence(rows: Rows) -> str:
    """Say how the individual map's overlap with the group stands to the prior's."""
    lower = [
        name
        for name in GROUP_KEYS
        if pick(rows, WITH, "whole scan", f"Dice {name} with group")
        < pick(rows, "prior alone", "whole scan", f"Dice {name} with group")
    ]
    if not lower:
        return "Here the individual map overlaps the group label more than the prior does."
    return f"Here the prior alone overlaps the group label more than the individual map does ({', '.join(lower)})."


def draw(rows: Rows, path: Path) -> None:
    """Draw connectivity with AMN in the other half, and Dice with the group label."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    cases = ((WITH, "#a3122c", -0.25), (WITHOUT, "#d9822b", 0.0), ("surrogate", "#8a8f98", 0.25))
    for case, colour, shift in cases:
        for place, name in enumerate(SHOWN):
            values = pick(rows, case, "contiguous halves", f"r {name}-AMN")
            left.plot([place + shift] * len(values), values, "o", color=colour, ms=5, label=None if place else case)
    left.axhline(0, color="#1c2430", lw=0.6)
    left.set_xticks(range(len(SHOWN)), SHOWN)
    left.set_title("r with AMN in the half that was not mapped", fontsize=10)
    left.legend(frameon=False, fontsize=8)
    bars = ((WITH, "#a3122c", -0.2), ("prior alone", "#3f6f8f", 0.0), ("surrogate", "#8a8f98", 0.2))
    for case, colour, shift in bars:
        for place, name in enumerate(GROUP_KEYS):
            values = pick(rows, case, "whole scan", f"Dice {name} with group")
            label = None if place else {WITH: "individual map"}.get(case, case)
            right.plot([place + shift] * len(values), values, "o", color=colour, ms=5, label=label)
    right.set_xticks(range(len(GROUP_KEYS)), list(GROUP_KEYS))
    right.set_ylim(0, 1)
    right.set_title("Dice with the group label", fontsize=10)
    right.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=130)


def main(argv: list[str] | None = None) -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args(argv)
    asked.out.mkdir(parents=True, exist_ok=True)
    with threadpool_limits(limits=1, user_api="blas"):
        recipe = demo_recipe()
        loaded = {WITH: load_series(demo_person()), WITHOUT: load_series(demo_person(), global_signal=False)}
        rows = list(measure_scan(loaded, recipe))
        rows += measure_surrogates(loaded[WITH].series, recipe, seeds=asked.seeds)
    write_results(rows, loaded[WITH], asked.out, seeds=asked.seeds)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
