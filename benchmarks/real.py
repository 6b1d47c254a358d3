"""The ways of mapping on real scans: whether halves of one person agree, and methods with each other.

    python -m benchmarks.real docs/validation

Writes real.md and real.tsv into the folder (some minutes). Needs the test data (ACTIONLOOP_DATA): four people of the
HCP as 360 parcels, and the WashU-120 templates for the demonstration's scan.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from actionloop import files, signal
from actionloop.brain import Parcels, label_parcels
from actionloop.networks import METHODS, InfomapSettings, map_networks, parcellate_prior
from actionloop.pipeline.controls import dice
from actionloop.pipeline.priors import cached_default_prior
from actionloop.types import HEMISPHERES, NetworkMap, Prior, Timeseries
from benchmarks.validate import shared_data

COMMAND = "python -m benchmarks.real docs/validation"
HCP_TR_S = 0.72
# 360 parcels are too few for the published density: at 5 % every parcel keeps 18 partners.
PARCEL_OPTIONS = {"infomap": InfomapSettings(density=0.05, densities=(0.05,), min_rows=2)}


def hcp_people() -> tuple[list[Timeseries], Parcels]:
    """Read the four people of the HCP, band-passed, global signal regressed; one column per HCP-MMP area."""
    import h5py

    label, names = files.atlas("mmp")
    template = files.template_anatomy()
    surfaces = {side: template.surface(side) for side in HEMISPHERES}
    parcels, order = label_parcels(label, names, files.template_grayordinates(), surfaces)
    people = []
    for path in sorted((shared_data() / "parcellated_rest" / "hcp_glasser360").glob("*.h5")):
        with h5py.File(path, "r") as stored:
            data = np.asarray(stored["restdata"], dtype=np.float64).T
        filtered = signal.bandpass(data, tr_s=HCP_TR_S, band_hz=(0.01, 0.1))
        series = Timeseries(filtered[:, order].astype(np.float32), parcels.axis, HCP_TR_S, path.name)
        people.append(signal.regress(series, signal.global_signal(series)[:, None], names=["global signal"]))
    return people, parcels


def halves_of(people: Sequence[Timeseries], prior: Prior, method: str) -> list[tuple[NetworkMap, NetworkMap]]:
    """Map both halves of everybody."""
    settings = PARCEL_OPTIONS.get(method)
    maps = []
    for series in people:
        bases = [signal.compress(signal.select_frames(series, half)) for half in signal.halves(series.n_frames)]
        one, other = (map_networks(basis, prior, None, method=method, settings=settings) for basis in bases)
        maps.append((one, other))
    return maps


def agreement(maps: Sequence[tuple[NetworkMap, NetworkMap]]) -> tuple[float, float]:
    """Share of equal labels between the halves of one person, and between halves of different people."""
    within, between = [], []
    for a, b in product(range(len(maps)), repeat=2):
        one, other = maps[a][0].label, maps[b][1].label
        known = (one > 0) | (other > 0)
        (within if a == b else between).append(float((one == other)[known].mean()))
    return float(np.mean(within)), float(np.mean(between))


def lemon_maps(columns: slice = slice(None)) -> dict[str, NetworkMap]:
    """Map the demonstration's scan by eta² and by Dice with the WashU-120 templates, on some rows of the left cortex.

    All rows by default; else the rows of the slice, which must be left ones.
    """
    from actionloop.phantom import reference_scan
    from actionloop.types import Grayordinates

    series = reference_scan()
    prior = files.read_prior(shared_data() / "networks" / "networkTemplates.mat")
    prior = files.align_prior(prior, series.grayordinates)
    if columns != slice(None):
        axis = Grayordinates(series.grayordinates.left[columns], np.array([], dtype=np.int64))
        series = replace(series, data=series.data[:, columns], grayordinates=axis)
        probability = np.full((len(prior.names), len(axis)), 1 / len(prior.names), dtype=np.float32)
        fingerprint = np.asarray(prior.fingerprint)[:, columns]
        prior = replace(prior, probability=probability, fingerprint=fingerprint, grayordinates=axis)
    basis = signal.compress(series)
    anatomy = files.template_anatomy()
    return {method: map_networks(basis, prior, anatomy, method=method) for method in ("eta2", "dice")}


def lemon_overlap(maps: dict[str, NetworkMap]) -> float:
    """Dice between the two maps' cingulo-opercular network."""
    return dice(*(made.members("AMN") for made in maps.values()))


def main(argv: list[str] | None = None) -> int:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(argv).folder
    folder.mkdir(parents=True, exist_ok=True)
    people, parcels = hcp_people()
    prior = parcellate_prior(cached_default_prior(), parcels)
    rows: list[dict[str, Any]] = []
    for method in METHODS:
        print(method, file=sys.stderr, flush=True)
        within, between = agreement(halves_of(people, prior, method))
        rows.append({"method": method, "within": round(within, 3), "between": round(between, 3)})
    overlap = lemon_overlap(lemon_maps())
    files.write_table(folder / "real.tsv", rows)
    minutes = people[0].minutes / 2
    text = [
        "# Ways of mapping on real scans",
        "",
        f"Made by `{COMMAND}`.",
        "",
        f"## {len(people)} people of the HCP, {len(parcels)} parcels",
        "",
        f"One run each, band-passed, global signal regressed, cut into two halves of {minutes:.1f} min; default prior.",
        "Share of parcels with the same label in two halves: of one person, and of different people. Maps that follow",
        "the person agree more within than between; what they agree on between people is largely the prior.",
        "",
        "| method | within | between | difference |",
        "| --- | --- | --- | --- |",
        *(
            f"| {r['method']} | {r['within']:.2f} | {r['between']:.2f} | {r['within'] - r['between']:+.2f} |"
            for r in rows
        ),
        "",
        "## The demonstration's scan with the WashU-120 templates",
        "",
        f"Dice between the cingulo-opercular networks that eta² and Dice matching find: {overlap:.2f}.",
        "",
    ]
    files.write_text(folder / "real.md", "\n".join(text))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
