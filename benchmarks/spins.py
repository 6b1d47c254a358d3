"""Spin test: false positives on smooth random maps, and time against a k-d tree.

    python -m benchmarks.spins [--maps 100] [--spins 199] [--subdivisions 4]

Prints one line of JSON for the time, and one for each smoothness; asserts nothing. The random maps are bumps of random
height at random places of two icospheres with a medial wall: no rotation changes their law, so that 5 % of tests should
reach p <= .05. `rate` is the share that does, with its standard error as of independent tests; `family_rate` the share
of families of five in which the largest does, after adjustment; `difference_rate` is that of means inside and outside
the winner's patches of five such maps; `naive_rate` that of a correlation test that takes vertices for independent.

The time is that of 1,000 spins against 15 networks on the template's spheres (32,492 vertices a side). The reference
looks each vertex up in a k-d tree of the turned sphere and correlates one network after another; it is timed on `few`
spins and scaled up.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
from scipy.spatial import cKDTree
from scipy.stats import pearsonr

from actionloop import files
from actionloop.evidence.overlap import compare_inside, correlate
from actionloop.evidence.spins import Spinner, draw_rotations, mirrored
from actionloop.files.targetmeshes import sphere_mesh

WIDTHS_DEG = (8.0, 15.0, 25.0)
FAMILY, NETWORKS, SPINS, FEW = 5, 15, 1000, 3
WALL_COSINE = 0.83  # 8.5 % of the sphere, as on fsLR
ALPHA = 0.05


def smooth_maps(unit: np.ndarray, n: int, *, width_deg: float, rng: np.random.Generator) -> np.ndarray:
    """Random maps on both spheres; (n, vertex)."""
    width = np.deg2rad(width_deg)
    n_bumps = max(60, int(12 / width**2))
    out = np.empty((n, len(unit)))
    for row in out:
        for part in (slice(0, len(unit) // 2), slice(len(unit) // 2, None)):
            centre = rng.standard_normal((n_bumps, 3))
            centre /= np.linalg.norm(centre, axis=1, keepdims=True)
            row[part] = np.exp((unit[part] @ centre.T - 1) / width**2) @ rng.standard_normal(n_bumps)
    return out


def rates(width_deg: float, *, subdivisions: int, n_maps: int, spins: int) -> dict[str, object]:
    """Count false positives at one smoothness."""
    left, _ = sphere_mesh(np.zeros(3), radius_mm=100.0, subdivisions=subdivisions)
    unit = np.concatenate([left, left * [-1, 1, 1]]) / 100
    spinner = Spinner(left, left * [-1, 1, 1])
    cortex = np.concatenate([left[:, 0], left[:, 0]]) / 100 < WALL_COSINE
    rng = np.random.default_rng(int(width_deg))
    names = [str(k) for k in range(FAMILY)]
    p, family, inside, naive, redrawn = [], [], [], [], 0
    for _ in range(n_maps):
        made = smooth_maps(unit, FAMILY + 1, width_deg=width_deg, rng=rng)
        made[:, ~cortex] = np.nan
        found = correlate(made[0], made[1:], spinner, names=names, n=spins, rng=rng)
        labels = np.where(cortex, np.nan_to_num(made[1:]).argmax(axis=0), -1)
        keys = {name: k for k, name in enumerate(names)}
        patches = compare_inside(made[0], labels, spinner, cortex=cortex, networks=keys, n=spins, rng=rng)
        p.append(found.p)
        family.append(found.p_max.min())
        inside.append(patches.p)
        redrawn += found.redrawn + patches.redrawn
        naive.append([pearsonr(made[0][cortex], other[cortex]).pvalue for other in made[1:]])
    return {
        "case": "false positives",
        "width_deg": width_deg,
        "vertices": len(unit),
        "pairs": n_maps * FAMILY,
        "spins": spins,
        "rate": round(float(np.mean(np.array(p) <= ALPHA)), 4),
        "standard_error": round(float(np.sqrt(ALPHA * (1 - ALPHA) / (n_maps * FAMILY))), 4),
        "family_rate": round(float(np.mean(np.array(family) <= ALPHA)), 4),
        "difference_rate": round(float(np.mean(np.array(inside) <= ALPHA)), 4),
        "naive_rate": round(float(np.mean(np.array(naive) <= ALPHA)), 4),
        "redrawn": redrawn,
    }


def timed() -> dict[str, object]:
    """Time of the spins of one map against 15 networks, and of the reference."""
    anatomy, axis = files.template_anatomy(), files.template_grayordinates()
    spheres = [anatomy.surface(side, "sphere").vertices for side in ("L", "R")]
    unit = np.concatenate(spheres) / 100
    maps = smooth_maps(unit, NETWORKS + 1, width_deg=15.0, rng=np.random.default_rng(0))
    cortex = np.concatenate([axis.to_mesh(np.ones(len(axis)), side, fill=np.nan) for side in ("L", "R")])
    maps *= cortex
    names = [str(k) for k in range(NETWORKS)]
    began = time.monotonic()
    spinner = Spinner(*spheres)
    built = time.monotonic() - began
    correlate(maps[0], maps[1:], spinner, names=names, n=1, rng=np.random.default_rng(0))  # compiles
    began, worked = time.monotonic(), time.process_time()
    found = correlate(maps[0], maps[1:], spinner, names=names, n=SPINS, rng=np.random.default_rng(1))
    seconds, cpu = time.monotonic() - began, time.process_time() - worked
    began, worked = time.monotonic(), time.process_time()
    rotations = draw_rotations(FEW, rng=np.random.default_rng(1))
    largest = 0.0
    for turn, (left, right) in enumerate(zip(rotations, mirrored(rotations), strict=True)):
        source = [
            cKDTree(points @ matrix.T).query(points)[1] for points, matrix in zip(spheres, (left, right), strict=True)
        ]
        turned = maps[0][np.concatenate([source[0], source[1] + len(spheres[0])])]
        for k, other in enumerate(maps[1:]):
            known = ~np.isnan(turned) & ~np.isnan(other)
            r = np.corrcoef(turned[known], other[known])[0, 1]
            largest = max(largest, abs(r - found.drawn[turn, k]))
    scale = SPINS / FEW
    reference, reference_cpu = (time.monotonic() - began) * scale, (time.process_time() - worked) * scale
    return {
        "case": "time",
        "spins": SPINS,
        "networks": NETWORKS,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "build_seconds": round(built, 1),
        "reference_seconds": round(reference, 1),
        "reference_cpu_seconds": round(reference_cpu, 1),
        "few": FEW,
        "ratio": round(reference_cpu / cpu, 1),
        "largest_difference": float(largest),
        "redrawn": found.redrawn,
    }


def main(argv: list[str] | None = None) -> int:
    """Run the cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--maps", type=int, default=100)
    parser.add_argument("--spins", type=int, default=199)
    parser.add_argument("--subdivisions", type=int, default=4)
    given = parser.parse_args(argv)
    print(json.dumps(timed()), flush=True)
    for width_deg in WIDTHS_DEG:
        found = rates(width_deg, subdivisions=given.subdivisions, n_maps=given.maps, spins=given.spins)
        print(json.dumps(found), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
