"""Long validation on people of known truth: the individual map against the prior, and how far off targets are.

    python -m benchmarks.validate docs/validation [--seeds 5] [--minutes 20 40] [--work FOLDER]

Writes phantoms.tsv, phantoms.md and phantoms.png into the folder. Every finished case is kept in the work folder, so
that a run that was stopped goes on. The second kind of phantom needs MSC06's published map (ACTIONLOOP_DATA).
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from actionloop import files
from actionloop.brain import Geodesic
from actionloop.phantom import make_phantoms
from actionloop.pipeline.controls import dice
from actionloop.pipeline.head import Head
from actionloop.pipeline.person import PersonJob, find_targets, run_person
from actionloop.pipeline.priors import cached_default_prior
from actionloop.pipeline.progress import Silent
from actionloop.pipeline.settings import PoseSettings, Settings
from actionloop.pipeline.steps import Steps
from actionloop.reliability.variants import prior_as_map
from actionloop.types import SIDES, Target

KINDS = ("drawn", "MSC06")
MSC06 = (
    "individual_msc06/sub-MSC06_ses-combined_task-rest-299minutes_truncated_bold_template_matched_Zscored_"
    "scanthresh3_recolored.dlabel.nii"
)
WITHIN_MM = 5.0
_QUICK = Settings(controls=False, reliability=False, pose=PoseSettings(engine="geometric"))
COMMAND = "python -m benchmarks.validate docs/validation"


def shared_data() -> Path:
    """Return the folder of the test data."""
    return Path(os.environ.get("ACTIONLOOP_DATA", Path(__file__).parents[2] / "shared" / "data"))


def one_case(kind: str, minutes: float, seed: int, work: Path) -> dict[str, Any]:
    """Make one person, map them through the line, and measure map and best SCAN target against the truth."""
    folder = work / f"{kind}-{minutes:g}-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    truth_map = shared_data() / MSC06 if kind == "MSC06" else None
    started = time.monotonic()
    (label,) = make_phantoms(folder / "data", subjects=1, minutes=minutes, seed=seed, truth_map=truth_map)
    made = time.monotonic()
    person = files.find_person(folder / "data", label)
    with Steps(folder / "steps") as steps:
        result = run_person(PersonJob(person, _QUICK), steps, progress=Silent())
    mapped = time.monotonic()
    truth = files.read_label_map(next((folder / "data").rglob(f"*{label}*truth*.dlabel.nii")))
    cortex = truth.label[: len(files.template_grayordinates())]
    key = {name: value for value, name in truth.names.items()}
    nodes = read_nodes(next((folder / "data").rglob(f"*{label}*nodes*truth*.tsv")))
    prior = prior_as_map(cached_default_prior())
    row: dict[str, Any] = {"kind": kind, "minutes": minutes, "seed": seed}
    for who, network_map, targets in (
        ("map", result.network_map, result.targets),
        ("prior", prior, find_targets(prior, result.head, Settings())[1]),
    ):
        for name in ("SCAN", "AMN"):
            row[f"dice_{name.lower()}_{who}"] = dice(network_map.members(name), cortex == key[name])
        row |= {f"{what}_{who}": value for what, value in best_target(targets, nodes, result.head).items()}
    row |= {"seconds_made": made - started, "seconds_mapped": mapped - made}
    shutil.rmtree(folder)
    return row


def read_nodes(path: Path) -> list[dict[str, Any]]:
    """Read the true nodes."""
    with path.open(encoding="utf-8") as rows:
        found = list(csv.DictReader(rows, delimiter="\t"))
    return [{**row, "xyz": np.array([float(row[axis]) for axis in "xyz"])} for row in found]


def best_target(targets: tuple[Target, ...] | list[Target], nodes: list[dict[str, Any]], head: Head) -> dict[str, Any]:
    """Distance of the best SCAN target to the true node of its name and to the nearest true SCAN node, mm."""
    best = next((target for target in targets if target.piece.network == "SCAN"), None)
    if best is None:
        return {"target": "none", "geodesic_mm": np.nan, "straight_mm": np.nan, "nearest_mm": np.nan}
    side = SIDES[best.piece.hemisphere]
    surface = head.anatomy.surface(best.piece.hemisphere)
    along = Geodesic(surface).from_vertices(best.vertex, exact=True)
    candidates = [node for node in nodes if node["network"] == "SCAN" and node["side"] == side]
    geodesic = [along[np.linalg.norm(surface.vertices - node["xyz"], axis=1).argmin()] for node in candidates]
    straight = [np.linalg.norm(node["xyz"] - best.xyz_mni) for node in candidates]
    same = [i for i, node in enumerate(candidates) if node["name"].startswith(best.piece.name)]
    named = min(same, key=lambda i: geodesic[i], default=None)
    return {
        "target": best.name,
        "geodesic_mm": np.nan if named is None else float(geodesic[named]),
        "straight_mm": np.nan if named is None else float(straight[named]),
        "nearest_mm": float(min(geodesic)),
    }


def interval(values: np.ndarray[Any, Any], *, rng: np.random.Generator) -> tuple[float, float]:
    """95 % bootstrap interval of the mean."""
    draws = rng.choice(values, (10_000, len(values))).mean(axis=1)
    return float(np.quantile(draws, 0.025)), float(np.quantile(draws, 0.975))


def summary(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    """One line per kind and length."""
    rng = np.random.default_rng(0)
    lines = []
    for kind in KINDS:
        for minutes in sorted({row["minutes"] for row in rows}):
            some = [row for row in rows if row["kind"] == kind and row["minutes"] == minutes]
            if not some:
                continue
            line = {"kind": kind, "minutes": f"{minutes:g}", "people": str(len(some))}
            for name in ("scan", "amn"):
                mine, prior = (np.array([row[f"dice_{name}_{who}"] for row in some]) for who in ("map", "prior"))
                # Of one or two people there is no interval worth showing.
                bounds = "[{:+.2f}, {:+.2f}]".format(*interval(mine - prior, rng=rng)) if len(some) > 2 else ""
                line |= {
                    f"{name.upper()} map": f"{mine.mean():.2f}",
                    f"{name.upper()} prior": f"{prior.mean():.2f}",
                    f"{name.upper()} gain [95 %]": f"{(mine - prior).mean():+.2f} {bounds}".rstrip(),
                }
            for who in ("map", "prior"):
                off = np.array([row[f"geodesic_mm_{who}"] for row in some], dtype=float)
                hit = np.nan_to_num(off, nan=np.inf) <= WITHIN_MM
                line |= {
                    f"target off, {who}": f"{np.nanmedian(off):.1f} mm" if np.isfinite(off).any() else "–",
                    f"≤ 5 mm, {who}": f"{hit.sum()}/{len(hit)}",
                }
            lines.append(line)
    return lines


def write_results(rows: list[dict[str, Any]], out: Path, *, missing: int = 0) -> None:
    """Write table, summary and figure."""
    files.write_table(out / "phantoms.tsv", rows)
    lines = summary(rows)
    head = list(lines[0])
    so_far = f"Not finished: {missing} people are still to be run." if missing else ""
    text = [
        "# The individual map on people of known truth",
        "",
        f"Made by `{COMMAND}` (every person: `phantoms.tsv`). {so_far}".rstrip(),
        "People are written by `actionloop phantom` in the",
        "XCP-D layout (91,282 rows, TR 0.8 s, two sessions, outliers censored) and go through the same line as",
        "`actionloop plan`. 'drawn': networks drawn around the phantom's own group map, not around the default prior.",
        "'MSC06': a real person's published map is the truth, the signals differ by seed. Dice with the true cortical",
        "label. The target is the best-ranked SCAN target (pain not stated); its distance is along the template's",
        "midthickness (exact geodesic) to the centre of the true node of the same name; a target whose node this",
        "person lacks counts as a miss and is left out of the median.",
        "",
        "| " + " | ".join(head) + " |",
        "| " + " | ".join("---" for _ in head) + " |",
        *("| " + " | ".join(line[column] for column in head) + " |" for line in lines),
        "",
        "![Dice and target distance](phantoms.png)",
        "",
    ]
    files.write_text(out / "phantoms.md", "\n".join(text))
    draw(rows, out / "phantoms.png")


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Dice of map and prior, and distance of the best SCAN target, person by person."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), layout="constrained")
    panels = figure.subplots(1, 3)
    cases = sorted({(row["kind"], row["minutes"]) for row in rows}, key=lambda case: (KINDS.index(case[0]), case[1]))
    wanted = (("dice_scan", "SCAN, Dice"), ("dice_amn", "AMN, Dice"), ("geodesic_mm", "best SCAN target, mm off"))
    for panel, (what, title) in zip(panels, wanted, strict=True):
        for place, case in enumerate(cases):
            some = [row for row in rows if (row["kind"], row["minutes"]) == case]
            for who, colour, shift in (("prior", "#8a8f98", -0.12), ("map", "#a3122c", 0.12)):
                values = [row[f"{what}_{who}"] for row in some]
                panel.plot(
                    [place + shift] * len(values), values, "o", color=colour, ms=4, label=who if not place else None
                )
        panel.set_xticks(range(len(cases)), [f"{kind}\n{minutes:g} min" for kind, minutes in cases], fontsize=8)
        panel.set_title(title, fontsize=10)
        panel.set_ylim(0, 1 if what.startswith("dice") else None)
    panels[2].axhline(WITHIN_MM, color="#1c2430", lw=0.8, ls="--")
    panels[0].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=130)


def main(argv: list[str] | None = None) -> int:
    """Run what is missing, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--minutes", type=float, nargs="+", default=[20.0, 40.0])
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--work", type=Path, default=Path("build/validate"))
    parser.add_argument("--finished", action="store_true", help="tables from the finished cases only; runs none")
    asked = parser.parse_args(argv)
    asked.out.mkdir(parents=True, exist_ok=True)
    asked.work.mkdir(parents=True, exist_ok=True)
    rows = []
    for seed in range(1, asked.seeds + 1):
        for minutes in asked.minutes:
            for kind in asked.kinds:
                kept = asked.work / f"{kind}-{minutes:g}-{seed}.json"
                if asked.finished and not kept.is_file():
                    continue
                if not kept.is_file():
                    row = one_case(kind, minutes, seed, asked.work)
                    files.write_json(kept, {k: None if v != v else v for k, v in row.items()})  # noqa: PLR0124 (NaN)
                row = json.loads(kept.read_text(encoding="utf-8"))
                rows.append({key: np.nan if value is None else value for key, value in row.items()})
                print(json.dumps(row), file=sys.stderr, flush=True)
    rows.sort(key=lambda row: (KINDS.index(row["kind"]), row["minutes"], row["seed"]))
    write_results(rows, asked.out, missing=asked.seeds * len(asked.minutes) * len(asked.kinds) - len(rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
