"""Time and peak memory of putting people's maps together: probability atlas, preferential maps, and whole commands.

    python -m benchmarks.cohort [--people 50] [--few 10] [--flips 50]
    python -m benchmarks.cohort --walk [--people 50] [--few 10] [--scans 2] [--minutes 10]

Prints one line of JSON; asserts nothing. Labels and margins are random, on 91,282 rows with 15 networks and 4 seeds;
each person's are made, added and dropped. `growth_mb` is what the peak grows from `few` to all people.

With --walk `contrast` and `variability` go over a data set of phantoms with their true maps, from files to page. Of the
people only `scans` are drawn, the others are links to their files: time and memory do not depend on what a scan says.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from actionloop import pipeline
from actionloop.atlas.probability import MapCounts
from actionloop.evidence.preferential import PreferenceSums, PreferentialMap
from actionloop.types import Grayordinates, NetworkMap, Voxels

SEEDS = ("SCAN", "foot", "hand", "mouth")
NETWORKS = 15


def rows() -> Grayordinates:
    """Return an axis of the standard size."""
    ijk = np.stack(np.unravel_index(np.arange(31_870), (91, 109, 91)), axis=1)
    voxels = Voxels(ijk, np.repeat("CIFTI_STRUCTURE_CEREBELLUM_LEFT", len(ijk)), np.eye(4), (91, 109, 91))
    return Grayordinates(np.arange(29_696), np.arange(29_716), voxels=voxels)


def person(axis: Grayordinates, rng: np.random.Generator) -> tuple[NetworkMap, PreferentialMap]:
    """Return one person's random maps."""
    label = rng.integers(NETWORKS + 1, size=len(axis))
    keys = np.arange(1, NETWORKS + 1)
    made = NetworkMap(
        names=tuple(f"network {key}" for key in keys),
        keys=keys,
        colours=np.zeros((NETWORKS, 3)),
        probability=rng.random((NETWORKS, len(axis)), dtype=np.float32),
        label=label,
        confidence=np.zeros(len(axis), dtype=np.float32),
        grayordinates=axis,
        method="random",
    )
    margin = rng.standard_normal((4, len(axis)), dtype=np.float32)
    return made, PreferentialMap(SEEDS, margin, margin, np.ones(len(axis), dtype=bool), axis)


def peak_mb() -> float:
    """Return the peak of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Watch(pipeline.Silent):
    """Progress that notes the peak at the beginning of each step: one step a person."""

    def __init__(self) -> None:
        self.peaks_mb: list[float] = []

    def step(self, text: str) -> None:
        """Note the peak so far."""
        self.peaks_mb.append(peak_mb())


def link_people(root: Path, *, people: int, scans: int, minutes: float) -> tuple[Path, Path]:
    """Draw some phantoms and link to them under other names; returns the data set and its maps."""
    drawn, linked, maps = root / "drawn", root / "linked", root / "maps"
    labels = pipeline.make_phantoms(drawn, subjects=scans, minutes=minutes)
    maps.mkdir()
    linked.mkdir()
    (linked / "dataset_description.json").symlink_to(drawn / "dataset_description.json")
    for number in range(people):
        old, new = f"sub-{labels[number % scans]}", f"sub-{number + 1:03d}"
        for path in sorted((drawn / old).rglob("*")):
            if path.is_file():
                place = linked / new / path.relative_to(drawn / old).with_name(path.name.replace(old, new))
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(path)
        truth = next((drawn / "truth").glob(f"{old}_*.dlabel.nii"))
        (maps / truth.name.replace(old, new)).symlink_to(truth)
    return linked, maps


def walk(asked: argparse.Namespace) -> dict[str, Any]:
    """Measure both commands over the same people."""
    found: dict[str, Any] = {"people": asked.people, "scans": asked.scans, "minutes": asked.minutes}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        data, maps = link_people(root, people=asked.people, scans=asked.scans, minutes=asked.minutes)
        contrasted = pipeline.ContrastRequest(data, root / "contrast", maps=maps)
        varied = pipeline.VariabilityRequest(maps, root / "variability")
        runs: dict[str, Callable[[Watch], object]] = {
            "variability": lambda watch: pipeline.variability(varied, progress=watch),
            "contrast": lambda watch: pipeline.contrast(contrasted, progress=watch),
        }
        for name, run in runs.items():
            watch, wall, cpu = Watch(), time.perf_counter(), time.process_time()
            run(watch)
            found[name] = {
                "wall_s": round(time.perf_counter() - wall, 1),
                "cpu_s": round(time.process_time() - cpu, 1),
                f"peak_{asked.few}_mb": round(watch.peaks_mb[asked.few]),
                f"peak_{asked.people}_mb": round(watch.peaks_mb[asked.people]),
                "growth_mb": round(watch.peaks_mb[asked.people] - watch.peaks_mb[asked.few], 1),
                "end_mb": round(peak_mb()),
            }
    return found


def main(argv: list[str] | None = None) -> int:
    """Add everybody, and note the peak after a few and after all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--few", type=int, default=10)
    parser.add_argument("--flips", type=int, default=50)
    parser.add_argument("--walk", action="store_true")
    parser.add_argument("--scans", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=10.0)
    asked = parser.parse_args(argv)
    if asked.walk:
        print(json.dumps(walk(asked)))
        return 0
    axis, rng = rows(), np.random.default_rng(0)
    counts, sums = None, PreferenceSums(axis, rng=rng, n_flips=asked.flips)
    seconds = {"atlas": 0.0, "preference": 0.0}
    few_mb = start_mb = peak_mb()
    for number in range(1, asked.people + 1):
        made, preferred = person(axis, rng)
        started = time.process_time()
        counts = MapCounts.like(made) if counts is None else counts
        counts.add(made)
        between = time.process_time()
        sums.add(preferred)
        seconds["atlas"] += between - started
        seconds["preference"] += time.process_time() - between
        if number == asked.few:
            few_mb = peak_mb()
    all_mb = peak_mb()
    print(
        json.dumps(
            {
                "people": asked.people,
                "rows": len(axis),
                "flips": asked.flips,
                "atlas_cpu_s": round(seconds["atlas"], 2),
                "preference_cpu_s": round(seconds["preference"], 2),
                "start_mb": round(start_mb),
                f"peak_{asked.few}_mb": round(few_mb),
                f"peak_{asked.people}_mb": round(all_mb),
                "growth_mb": round(all_mb - few_mb, 1),
            }
        )
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
