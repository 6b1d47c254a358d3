"""The field solver on a sphere of five tissues, for which the exact field is known.

    python -m benchmarks.field [docs/validation] [--edges 3 2 1.5] [--coil MagVenture_Cool-B65.ccd]

Prints one line of JSON for each voxel size (error, times, memory) and one for reciprocity; with a folder it writes
field.tsv, field.md and field.png there. The coil is one of ACTIONLOOP_DATA/coils, or else a parametric figure of eight.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from actionloop import files
from actionloop.field import (
    FieldSolver,
    FieldTable,
    HeadModel,
    adjoint_currents,
    figure_of_eight,
    primary_field,
    sphere_field,
)
from actionloop.field.assemble import gradients
from actionloop.files import write_table, write_text
from actionloop.types import Coil
from benchmarks.validate import shared_data

RADII_MM = (67.0, 74.0, 78.0, 85.0, 92.0)
EDGES_MM = (3.0, 2.0, 1.5)
GAP_MM = 4.0
INTERIOR_MM = 2.0
POINTS = 20_000
SIDE_BY_SIDE = 16
POSES = 300
CHECKED = 4
LIMITS = {"grey": 0.08, "interior": 0.04}
COMMAND = "python -m benchmarks.field docs/validation"


def sphere(edge_mm: float) -> HeadModel:
    """Return concentric spheres as voxels."""
    half = int(np.ceil(RADII_MM[-1] / edge_mm)) + 1
    axis = (np.arange(2 * half) - half + 0.5) * edge_mm
    radius = np.linalg.norm(np.stack(np.meshgrid(axis, axis, axis, indexing="ij")), axis=0)
    tissue = np.zeros(radius.shape, dtype=np.uint8)
    for number, limit in enumerate(RADII_MM[::-1]):
        tissue[radius < limit] = 5 - number
    return HeadModel(tissue, np.full(3, axis[0]), edge_mm, "sphere", "concentric spheres")


def pose(rng: np.random.Generator | None = None) -> np.ndarray:
    """Return a pose over the sphere, tangential; with `rng` near the first one and turned at will."""
    up = np.array([0.3, 0.5, 0.81])
    side = np.array([1.0, 0.2, 0.0])
    if rng is not None:
        up, side = up / np.linalg.norm(up) + 0.2 * rng.normal(size=3), rng.normal(size=3)
    up = up / np.linalg.norm(up)
    y = np.cross(up, side)
    y /= np.linalg.norm(y)
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([np.cross(y, -up), y, -up], axis=1)
    matrix[:3, 3] = (RADII_MM[-1] + GAP_MM) * up
    return matrix


def coil_of(name: str) -> Coil:
    """Read a coil of the test data, or make one."""
    path = shared_data() / "coils" / name
    return files.read_coil(path) if path.is_file() else figure_of_eight()


def grey_points() -> np.ndarray:
    """Draw points of the grey shell, more of them under the coil."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(POINTS, 3)) - 2 * pose()[:3, 2]
    radius = rng.uniform(RADII_MM[0], RADII_MM[1], (POINTS, 1))
    return points / np.linalg.norm(points, axis=1, keepdims=True) * radius


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return what work returns, and seconds of processor time: on a busy machine the clock says little."""
    started = time.process_time()
    result = work()
    return result, time.process_time() - started


def errors(found: np.ndarray, exact: np.ndarray) -> dict[str, float]:
    """Relative error (root of the mean square over that of the exact field) of the vector and of its length."""
    lengths = np.linalg.norm(exact, axis=1)
    away = np.linalg.norm(np.linalg.norm(found, axis=1) - lengths)
    return {
        "vector": float(np.linalg.norm(found - exact) / np.linalg.norm(exact)),
        "magnitude": float(away / np.linalg.norm(lengths)),
    }


def measure_size(edge_mm: float, coil: Coil) -> dict[str, Any]:
    """Solve one pose and hold it against the exact field."""
    compile_loops()
    head, matrix = sphere(edge_mm), pose()
    solver, set_up_s = timed(lambda: FieldSolver(head))
    dadt = primary_field(coil, matrix, solver.centres_mm)
    drive = solver.drive(dadt)
    potential, solve_s = timed(lambda: solver.solve(drive))
    more = np.random.default_rng(2).normal(size=(SIDE_BY_SIDE, 3)) * np.abs(dadt).mean()
    many = np.stack([solver.drive(dadt + even) for even in more], axis=1)
    _, many_s = timed(lambda: solver.solve(many))
    points = grey_points()
    exact = sphere_field(coil, matrix, points, centre_mm=np.zeros(3))
    found = solver.reader(points).field(potential, dadt)
    radius = np.linalg.norm(points, axis=1)
    inside = np.minimum(radius - RADII_MM[0], RADII_MM[1] - radius) >= INTERIOR_MM
    voxels = np.flatnonzero(head.tissue[tuple(head.voxels.T)] == 2)
    voxels = voxels[:: max(1, len(voxels) // POINTS)]
    raw = -gradients(potential, solver.corners[voxels], solver.edge_m) - dadt[voxels]
    exact_raw = sphere_field(coil, matrix, solver.centres_mm[voxels], centre_mm=np.zeros(3))
    return {
        "what": "sphere",
        "edge_mm": edge_mm,
        "nodes": solver.n_nodes,
        "set_up_s": round(set_up_s, 2),
        "solve_s": round(solve_s, 2),
        "each_of_many_s": round(many_s / SIDE_BY_SIDE, 2),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        **named("grey", errors(found, exact)),
        **named("interior", errors(found[inside], exact[inside])),
        **named("voxels", errors(raw, exact_raw)),
    }


def compile_loops() -> None:
    """Solve something small, so that compiling is not timed."""
    solver = FieldSolver(sphere(10.0))
    drive = solver.drive(np.random.default_rng(0).normal(size=solver.centres_mm.shape))
    for count in (1, 3, SIDE_BY_SIDE):
        solver.solve(np.repeat(drive[:, None], count, axis=1))


def named(what: str, values: dict[str, float]) -> dict[str, float]:
    """Put a word before each name, and round."""
    return {f"{what}_{name}": round(value, 4) for name, value in values.items()}


def measure_reciprocity(edge_mm: float, coil: Coil) -> dict[str, Any]:
    """Score many poses by a table, and some of them by forward solves."""
    compile_loops()
    solver = FieldSolver(sphere(edge_mm))
    rng = np.random.default_rng(1)
    points = pose()[:3, 2] * -71 + 5 * rng.normal(size=(100, 3))
    points *= 71 / np.linalg.norm(points, axis=1, keepdims=True)
    weights = np.zeros((3, 100, 3))
    for axis in range(3):
        weights[axis, :, axis] = 1 / 100
    reader = solver.reader(points)
    currents, adjoint_s = timed(lambda: adjoint_currents(solver, reader, weights))
    poses = np.stack([pose(rng) for _ in range(POSES)])
    elements = np.concatenate([coil.dipoles_mm, coil.wires_mm])
    region = (elements @ poses[:, :3, :3].transpose(0, 2, 1) + poses[:, None, :3, 3]).reshape(-1, 3)
    FieldTable.build(solver.centres_mm[:100], currents[:, :100], region[:10])
    table, table_s = timed(lambda: FieldTable.build(solver.centres_mm, currents, region))
    table.values(coil, poses[:1])
    values, poses_s = timed(lambda: table.values(coil, poses))
    adjoint_off, table_off, forward_s = [], [], []
    for matrix, value in zip(poses[:CHECKED], values[:CHECKED], strict=True):
        dadt = primary_field(coil, matrix, solver.centres_mm)
        drive = solver.drive(dadt)
        forward_s.append(timed(lambda drive=drive: solver.solve(drive))[1])
        exact = (weights * reader.field(solver.solve(drive, tolerance=1e-9), dadt)).sum(axis=(1, 2))
        size = np.linalg.norm(exact)
        adjoint_off.append(float(np.linalg.norm((currents * dadt).sum(axis=(1, 2)) - exact) / size))
        table_off.append(float(np.linalg.norm(value - exact) / size))
    return {
        "what": "reciprocity",
        "edge_mm": edge_mm,
        "adjoint_s": round(adjoint_s, 2),
        "table_nodes": len(table.magnetic),
        "table_s": round(table_s, 2),
        "pose_ms": round(1e3 * poses_s / POSES, 3),
        "forward_s": round(float(np.mean(forward_s)), 2),
        "forward_over_pose": round(float(np.mean(forward_s)) / (poses_s / POSES)),
        "adjoint_off": float(f"{max(adjoint_off):.1e}"),
        "table_off": float(f"{max(table_off):.1e}"),
    }


def page(rows: list[dict[str, Any]], reciprocity: dict[str, Any], coil: Coil) -> str:
    """Write the page."""
    lines = [
        "# Is the electric field right?",
        "",
        f"Made by `{COMMAND}` (every figure: `field.tsv`). Concentric spheres of white and grey matter, CSF, skull and "
        f"scalp ({', '.join(f'{radius:g}' for radius in RADII_MM)} mm), coil {coil.name}, {GAP_MM:g} "
        "mm over the scalp. "
        "Exact field: Sarvas 1987 (doi:10.1088/0031-9155/32/1/004) by reciprocity. Errors are root mean squares over "
        "the grey matter relative to the exact field there: of the vector, and of its length. Seconds "
        "are of one processor; several solves run side by side on all cores, the table as well.",
        "",
        "| voxel | nodes | grey matter: vector / length | at least 2 mm from an interface | single voxels, no mean "
        "| set-up | one solve "
        "| each of 16 | peak memory |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        said = (f"{row[f'{a}_vector']:.1%} / {row[f'{a}_magnitude']:.1%}" for a in ("grey", "interior", "voxels"))
        lines.append(
            f"| {row['edge_mm']:g} mm | {row['nodes']:,} | {' | '.join(said)} | {row['set_up_s']} s "
            f"| {row['solve_s']} s | {row['each_of_many_s']} s | {row['peak_gb']} GB |"
        )
    r = reciprocity
    lines += [
        "",
        "Steps of an interface make errors of opposite sign in the voxels beside it; the mean over voxels of the same "
        "tissue near a point, which is what is used, takes most of them out.",
        "",
        f"Reciprocity at {r['edge_mm']:g} mm: three adjoint solves take {r['adjoint_s']} s and their table "
        f"({r['table_nodes']:,} nodes) {r['table_s']} s; then a pose costs {r['pose_ms']} ms, "
        f"{r['forward_over_pose']:,} times less than a forward solve ({r['forward_s']} s). Mean field over the target, "
        f"largest difference from forward solves of {CHECKED} poses: {r['adjoint_off']:.1e} by reciprocity, "
        f"{r['table_off']:.1e} with the table.",
        "",
        "![Error by voxel size](field.png)",
        "",
    ]
    return "\n".join(lines)


def draw(path: Path, rows: list[dict[str, Any]]) -> None:
    """Draw error by voxel size."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.5), layout="constrained")
    axes = figure.add_subplot()
    edges = [row["edge_mm"] for row in rows]
    for what, label in (
        ("voxels", "single voxels"),
        ("grey", "mean over the tissue (used)"),
        ("interior", "same, 2 mm from an interface"),
    ):
        axes.plot(edges, [100 * row[f"{what}_vector"] for row in rows], "o-", label=label)
    axes.set(xlabel="voxel, mm", ylabel="error of the vector in grey matter, %", ylim=(0, 13), xticks=edges)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)


def in_process(work: Callable[..., dict[str, Any]], *given: Any) -> dict[str, Any]:
    """Do work in a process of its own, so that its peak memory is its own."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(work, given)


def main() -> int:
    """Measure, print, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--edges", type=float, nargs="+", default=EDGES_MM)
    parser.add_argument("--coil", default="MagVenture_Cool-B65.ccd")
    given = parser.parse_args()
    coil = coil_of(given.coil)
    rows = []
    for edge_mm in given.edges:
        rows.append(in_process(measure_size, edge_mm, coil))
        print(json.dumps(rows[-1]), flush=True)
    reciprocity = in_process(measure_reciprocity, min(given.edges), coil)
    print(json.dumps(reciprocity), flush=True)
    if given.folder is not None:
        given.folder.mkdir(parents=True, exist_ok=True)
        write_table(given.folder / "field.tsv", rows)
        write_text(given.folder / "field.md", page(rows, reciprocity, coil))
        draw(given.folder / "field.png", rows)
    finest = min(rows, key=lambda row: row["edge_mm"])
    missed = [what for what, most in LIMITS.items() if finest[f"{what}_vector"] > most]
    for what in missed:
        print(f"the error over {what} is above {LIMITS[what]:.0%}", file=sys.stderr)
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
