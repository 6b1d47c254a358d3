"""Coil poses by the field they make: time, memory, and how personal poses compare with conventional ones.

    python -m benchmarks.poses [docs/validation] [--resolution 1.5] [--targets best] [--people msc06 template]

Prints one JSON line per target: poses scored, forward solves, seconds, peak memory, and the cost of a pose by
reciprocity as a share of a forward solve's (measured in the same run). With a folder it writes poses.md and poses.tsv
there: MSC06 (a real person's surfaces and published map, the template's head carried over) and the template's head with
the group's networks.
"""

from __future__ import annotations

import argparse
import json
import resource
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np

from actionloop import files
from actionloop.field import FieldTable, adjoint_currents, primary_field_on_lattice
from actionloop.files import PersonFiles
from actionloop.pipeline.aiming import wanted_targets
from actionloop.pipeline.head import Head, read_head, template_head
from actionloop.pipeline.headmodels import field_head
from actionloop.pipeline.person import PersonJob, find_targets
from actionloop.pipeline.posebench import PoseBench
from actionloop.pipeline.posetables import pose_table
from actionloop.pipeline.posing import choose_coil
from actionloop.pipeline.priors import cached_default_prior
from actionloop.pipeline.progress import Silent
from actionloop.pipeline.settings import PoseSettings, Settings
from actionloop.pipeline.stages import given_map
from actionloop.pipeline.steps import Steps
from actionloop.poses import PoseAim, PoseHead
from actionloop.poses.first import cells_of_elements
from actionloop.poses.target import gather_focus
from actionloop.reliability.variants import prior_as_map
from actionloop.types import NetworkMap, Target
from benchmarks.validate import shared_data

PEOPLE = ("msc06", "template")
LEAST = 0.1
COMMAND = "python -m benchmarks.poses docs/validation"


def person_of(name: str) -> tuple[PersonFiles, Head, NetworkMap]:
    """Return files, head and map of one of `PEOPLE`."""
    rows = np.zeros(len(files.template_grayordinates()), dtype=bool)
    if name == "template":
        group = prior_as_map(cached_default_prior())
        return files.bare_geometry("template", surfaces=None, t1w=None), template_head(), group
    folder = shared_data() / "individual_msc06"
    person = files.bare_geometry("MSC06", surfaces=folder, t1w=None)
    (path,) = folder.glob("sub-MSC06*.dlabel.nii")
    return person, read_head(person), given_map(path, rows)


def measured(name: str, asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Search the poses of one person's targets; one row per pose compared."""
    person, head, network_map = person_of(name)
    pose = PoseSettings(resolution_mm=asked.resolution, draws=asked.draws)
    job = PersonJob(person, Settings(pose=pose))
    _, targets, sites = find_targets(network_map, head, job.settings)
    wanted: list[Target] = wanted_targets("best" if asked.targets == ["best"] else asked.targets[0], targets, targets)
    coil = choose_coil(asked.coil)
    start = time.perf_counter()
    with Steps(asked.work / name) as steps:
        made = field_head(job, head, steps, f"{name}-{asked.resolution:g}")
    head_s = time.perf_counter() - start
    bench = PoseBench(job, head, network_map, sites, None, made, coil)
    rows = []
    for target in wanted:
        start = time.perf_counter()
        found = bench.search(target, Silent())
        seconds = time.perf_counter() - start
        costs = costs_of(bench.ready, target)
        print(
            json.dumps(
                {
                    "case": f"{name}-{asked.resolution:g}mm",
                    "target": target.name,
                    "ratio": round(costs["pose_s"] / costs["solve_s"], 6),
                    "poses": found.n_poses,
                    "solved": found.n_solved,
                    "seconds": round(seconds, 1),
                    "head_s": round(head_s, 1),
                    "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
                    **{key: round(value, 5) for key, value in costs.items()},
                    "numerical_error": round(found.numerical_error, 4),
                }
            ),
            flush=True,
        )
        head_s = 0.0
        rows += [{"person": name, "seconds": round(seconds, 1), **row} for row in pose_table([found])]
    return rows


def costs_of(ready: PoseHead, target: Target) -> dict[str, float]:
    """Seconds that one more pose costs by reciprocity, and by a forward solve."""
    focus = gather_focus(PoseAim.of(target), ready.anatomy.surface(target.piece.hemisphere), radius_mm=5.0)
    matrices = ready.solved.matrices
    currents = adjoint_currents(ready.solver, ready.solver.reader(focus.points_mm), focus.weights)
    region = cells_of_elements(ready.coil, matrices, cell_mm=4.0)
    table = FieldTable.build(ready.solver.centres_mm, currents, region, spacing_mm=4.0)
    many = np.repeat(matrices, -(-1000 // len(matrices)), axis=0)
    table.values(ready.coil, many[:8])
    start = time.perf_counter()
    table.values(ready.coil, many)
    pose_s = (time.perf_counter() - start) / len(many)
    start = time.perf_counter()
    dadt = primary_field_on_lattice(ready.coil, matrices[0], ready.solver.centres_mm, tolerance=1e-3)
    ready.reader.field(ready.solver.solve(ready.solver.drive(dadt), tolerance=1e-5), dadt)
    return {"pose_s": pose_s, "solve_s": time.perf_counter() - start}


def write_page(rows: list[dict[str, Any]], out: Path, asked: argparse.Namespace) -> None:
    """Write the table and the page."""
    out.mkdir(parents=True, exist_ok=True)
    files.write_table(out / "poses.tsv", rows, columns=list(rows[0]))
    lines = [
        "# Personal poses against conventional ones",
        "",
        *textwrap.wrap(
            f"Made by `{COMMAND}`. Head models of {asked.resolution:g} mm voxels, "
            f"coil {choose_coil(asked.coil).name}, fields at 1 A/µs. MSC06 is a real person with a published map (299 "
            "minutes of rest); no T1 of that person is public here, so the template's head is carried over. 'template' "
            "is the template's head with the networks of the default prior. Share: of the stimulated cortex inside the "
            "network (99th to 99.9th percentile of |E|); the pose was chosen by it, less what falls on networks to "
            "avoid, averaged over 5 mm of navigation error. Chance: draws on target with uncertainty of map, "
            "registration, placement and conductivity; the maps here were not judged from a scan.",
            120,
        ),
        "",
        "| person | target | pose | share | avoided | score | field on target | peak | lift | chance |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        chance = "–" if row["chance"] is None else f"{row['chance']:.0%}"
        lines.append(
            f"| {row['person']} | {row['target']} | {row['pose']} | {row['on_target']:.0%} | {row['avoided']:.0%} | "
            f"{row['score']:.2f} | {row['field']:.2f} | {row['peak']:.2f} | {row['lift']:.1f} | {chance} |"
        )
    wins = {
        kind: sum(
            best["on_target"] > row["on_target"]
            for best in rows
            if best["pose"] == "best"
            for row in rows
            if (row["person"], row["target"], row["pose"]) == (best["person"], best["target"], kind)
        )
        for kind in sorted({row["pose"] for row in rows} - {"best"})
    }
    counts = {kind: sum(row["pose"] == kind for row in rows) for kind in wins}
    lines += [
        "",
        "The personal pose has the larger share in "
        + ", ".join(f"{wins[kind]} of {counts[kind]} against {kind}" for kind in wins)
        + ". It was chosen for that share on the same map, so this says what choosing gains, not what patients gain.",
        "",
    ]
    missed = [f"{row['person']} {row['target']}" for row in rows if row["pose"] == "best" and row["on_target"] < LEAST]
    if missed:
        lines += [
            f"No pose brings more than {LEAST:.0%} of the stimulated cortex into the network for",
            f"{', '.join(missed)}: the",
            "crowns around a node in a sulcus get the stronger field, and the chance of hitting says so.",
            "",
        ]
    files.write_text(out / "poses.md", "\n".join(lines))


def main(argv: list[str] | None = None) -> int:
    """Measure, and write where a folder was given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--resolution", type=float, default=1.5)
    parser.add_argument("--targets", nargs="+", default=["all"])
    parser.add_argument("--people", nargs="+", default=list(PEOPLE), choices=PEOPLE)
    parser.add_argument("--coil", default=None)
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--work", type=Path, default=Path("build/poses"))
    asked = parser.parse_args(argv)
    rows = [row for name in asked.people for row in measured(name, asked)]
    if asked.out:
        write_page(rows, asked.out, asked)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
