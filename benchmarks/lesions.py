"""Lesion connectivity on phantoms with a planted thalamus: what it finds, and how often it is wrong.

    python -m benchmarks.lesions docs/validation [--people 20] [--minutes 15] [--lesions 60] [--nulls 199]

CM follows SCAN and VPL the effectors. All of the thalamus follows a signal that SCAN and AMN follow too, so
that degree alone makes every thalamic lesion look like SCAN. Lesions in CM and VPL ought to find their networks;
lesions at random places that touch neither ought to find any network in 5 % of tests at p <= .05. `naive` asks, as is
common, whether over people the lesion's connectivity inside SCAN exceeds that outside (one-sample t, one-sided).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse, stats

from actionloop import facts, files, phantom, signal
from actionloop.evidence import (
    SeedSums,
    lesion_at,
    lesion_rows,
    network_evidence,
    overlap_values,
    random_lesions,
    structure_of,
)
from actionloop.phantom.template import template
from actionloop.pipeline.lesionmaps import row_areas
from actionloop.pipeline.priors import cached_default_prior
from actionloop.pipeline.settings import MappingSettings
from actionloop.types import Basis, FloatArray

NETWORKS: Sequence[str] = facts.load("lesion")["command"]["networks"]
ALPHA, TR_S, EVERY = 0.05, 2.0, 8
RADIUS_MM = 3.0


@dataclass(frozen=True, eq=False)
class Cohort:
    """People as bases, and the networks that are asked for, on every eighth cortical row and all of one thalamus."""

    people: tuple[Basis, ...]
    rows: np.ndarray
    targets: FloatArray
    area: FloatArray


def people(n: int, *, seed: int, minutes: float) -> Cohort:
    """Simulate people with the hub as XCP-D leaves them, cleaned as `actionloop lesion` cleans them."""
    made: list[Basis] = []
    for number in range(n):
        rng = np.random.default_rng([seed, number])
        one = phantom.plant_thalamus(phantom.draw_person(rng))
        session = phantom.simulate_session(one, minutes=minutes, tr_s=TR_S, rng=rng)
        series = phantom.denoise(phantom.add_hub(session, one, rng=rng), with_global_signal=False, filtered=True)
        radius_mm = MappingSettings().adjacent_mm
        series = signal.regress_adjacent_cortex(series, files.template_anatomy(), radius_mm=radius_mm)
        made.append(signal.compress(signal.standardise(series)))
    axis = made[0].grayordinates
    rows = np.concatenate([np.arange(0, axis.n_cortex, EVERY), np.flatnonzero(phantom.thalamic_rows("R"))])
    prior = cached_default_prior()
    targets = np.zeros((len(NETWORKS), len(axis)))
    targets[:, : axis.n_cortex] = prior.probability[[prior.names.index(name) for name in NETWORKS]]
    return Cohort(tuple(made), rows, targets.clip(0, 1), row_areas(axis, None))


def connect(cohort: Cohort, weight: sparse.csr_array) -> tuple[Any, FloatArray]:
    """Mean maps of seeds, and each person's difference inside minus outside; (person, seed, network)."""
    sums = SeedSums(sparse.csr_array(weight[:, cohort.rows]))
    targets, area = cohort.targets[:, cohort.rows], cohort.area[cohort.rows]
    each = []
    for person in cohort.people:
        small = person.data[:, cohort.rows]
        alone = SeedSums(sparse.csr_array(weight[:, cohort.rows]), component=False)
        for one in (sums, alone):
            one.add(small)
        each.append(overlap_values(alone.result().mean_z, targets, weight=area)[0])
    return sums.result(), np.stack(each)


def judged(
    cohort: Cohort, weights: Sequence[FloatArray], *, nulls: int, rng: np.random.Generator
) -> list[dict[str, Any]]:
    """Each lesion against null lesions of its own, with and without degree, and the naive way."""
    axis = cohort.people[0].grayordinates
    drawn = [random_lesions(one, structure_of(axis, one), n=nulls, rng=rng) for one in weights]
    own = sparse.csr_array(np.stack(weights))
    maps, each = connect(cohort, sparse.csr_array(sparse.vstack([own, *drawn], format="csr")))
    targets, area = cohort.targets[:, cohort.rows], cohort.area[cohort.rows]
    confounds: Mapping[str, FloatArray] = {"degree": maps.degree, "first component": maps.component}
    found = []
    for k in range(len(weights)):
        first = len(weights) + k * nulls
        mine = np.concatenate([maps.mean_z[[k]], maps.mean_z[first : first + nulls]])
        plain = network_evidence(mine, targets, names=NETWORKS, weight=area)
        removed = network_evidence(mine, targets, names=NETWORKS, weight=area, confounds=confounds)
        naive = stats.ttest_1samp(each[:, k], 0, axis=0, alternative="greater").pvalue
        found.append({"plain": plain, "removed": removed, "naive": naive})
    return found


def planted(cohort: Cohort, *, nulls: int, seed: int) -> list[dict[str, Any]]:
    """Lesions in the middle of CM and of VPL."""
    axis, rng = cohort.people[0].grayordinates, np.random.default_rng(seed)
    entries = facts.load("phantom")["thalamus"]["nucleus"]
    weights = [
        lesion_rows(lesion_at(np.array(entry["right"], dtype=float), radius_mm=RADIUS_MM), axis).weight
        for entry in entries
    ]
    return [
        {
            "lesion": entry["name"],
            "network": name,
            "value": float(one["plain"].value[k]),
            "naive": float(one["naive"][k]),
            "p": float(one["plain"].p[k]),
            "p_max": float(one["plain"].p_max[k]),
            "p_removed": float(one["removed"].p[k]),
            "p_max_removed": float(one["removed"].p_max[k]),
        }
        for entry, one in zip(entries, judged(cohort, weights, nulls=nulls, rng=rng), strict=True)
        for k, name in enumerate(NETWORKS)
    ]


def elsewhere(cohort: Cohort, *, n: int, nulls: int, seed: int) -> dict[str, float]:
    """Share of tests at p <= .05 of lesions at random places of the right thalamus that touch nothing planted."""
    axis, rng = cohort.people[0].grayordinates, np.random.default_rng(seed)
    rows = np.concatenate([one.rows for one in phantom.planted_nuclei()])
    inside = np.flatnonzero(phantom.thalamic_rows("R"))
    xyz = template().voxel_xyz[inside - axis.n_cortex]
    weights: list[FloatArray] = []
    while len(weights) < n:
        weight = lesion_rows(lesion_at(xyz[rng.integers(len(xyz))], radius_mm=RADIUS_MM, side="R"), axis).weight
        if not weight[rows].any() and weight[inside].sum() >= 0.8 * weight.sum():
            weights.append(weight)
    found: list[dict[str, Any]] = []
    for first in range(0, n, 10):
        found += judged(cohort, weights[first : first + 10], nulls=nulls, rng=rng)
    scan = NETWORKS.index("SCAN")
    return {
        "lesions": float(n),
        "naive": float(np.mean([one["naive"][scan] <= ALPHA for one in found])),
        "null": float(np.mean([one["plain"].p <= ALPHA for one in found])),
        "null_scan": float(np.mean([one["plain"].p[scan] <= ALPHA for one in found])),
        "family": float(np.mean([one["plain"].p_max.min() <= ALPHA for one in found])),
        "removed": float(np.mean([one["removed"].p <= ALPHA for one in found])),
        "family_removed": float(np.mean([np.nanmin(one["removed"].p_max) <= ALPHA for one in found])),
        "degree_r": float(np.mean([one["removed"].confound_r["degree"] for one in found])),
    }


def page(found: Sequence[Mapping[str, Any]], rates: Mapping[str, float], how: argparse.Namespace) -> str:
    """Write the tables."""
    lines = [
        "# Does lesion connectivity find what was planted, and only that?",
        "",
        f"Made by `python -m benchmarks.lesions docs/validation`; {how.people} simulated people of {how.minutes:g} min "
        f"(TR {TR_S:g} s), global signal kept.",
        "CM follows SCAN, VPL foot, hand and mouth; all of the thalamus follows a signal that SCAN and AMN",
        "follow too. SCAN goes with AMN (r = .75), foot with hand (.4), hand with mouth (.3).",
        f"Lesions: spheres of {RADIUS_MM:g} mm on the right, each against {how.nulls} lesions of its size in the right",
        f"thalamus; connectivity on every {EVERY}th cortical row.",
        "",
        "## Lesions in what was planted",
        "",
        "| lesion | network | inside minus outside | p, naive t over people | p | FWE | p, removed | FWE, removed |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in found:
        told = ("value", "naive", "p", "p_max", "p_removed", "p_max_removed")
        numbers = [f"{row[name]:.3f}".replace("-", "−") for name in told]
        lines.append(f"| {row['lesion']} | {row['network']} | {' | '.join(numbers)} |")
    lines += [
        "",
        "'Removed': degree and first component partialled out of every map. What one lesion shows depends on people "
        "and minutes:",
        "a circuit can be there and not stand out from lesions beside it (6 people of 6 min: CM with SCAN p .060, VPL",
        "with hand .040, FWE .14 and .15).",
        "",
        f"## {rates['lesions']:.0f} lesions that touch nothing planted",
        "",
        "| what | share at p ≤ .05 |",
        "| --- | --- |",
        f"| naive: SCAN, t over people | {rates['naive']:.3f} |",
        f"| against lesions of the same size: SCAN | {rates['null_scan']:.3f} |",
        f"| against lesions of the same size: all networks | {rates['null']:.3f} |",
        f"| the same, family-wise | {rates['family']:.3f} |",
        f"| degree and first component removed: all networks | {rates['removed']:.3f} |",
        f"| the same, family-wise | {rates['family_removed']:.3f} |",
        "",
        f"Mean correlation of these lesions' maps with degree: {rates['degree_r']:.2f}. Their tests are not",
        "independent: all lesions lie in one thalamus of the same people.",
        "",
    ]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Simulate, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--lesions", type=int, default=60)
    parser.add_argument("--nulls", type=int, default=199)
    parser.add_argument("--seed", type=int, default=0)
    how = parser.parse_args(argv)
    cohort = people(how.people, seed=how.seed, minutes=how.minutes)
    found = planted(cohort, nulls=how.nulls, seed=how.seed + 1)
    rates = elsewhere(cohort, n=how.lesions, nulls=how.nulls, seed=how.seed + 2)
    files.write_table(how.out / "lesions.tsv", found)
    files.write_text(how.out / "lesions.md", page(found, rates, how))
    print(rates)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
