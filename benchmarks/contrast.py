"""SCAN against foot, hand and mouth in the demonstration's person, with and without global signal regression.

    python -m benchmarks.contrast docs/validation

Writes contrast.md and contrast.tsv into the folder (a minute), measuring as `actionloop contrast` does.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from actionloop import files
from actionloop.evidence import ContrastTable
from actionloop.pipeline import ContrastRequest, Silent, demo_person
from actionloop.pipeline.contrastperson import ContrastSource, measure_person

COMMAND = "python -m benchmarks.contrast docs/validation"
CASES = {"with GSR": False, "without GSR": True}
Rows = list[dict[str, Any]]


def measure(out: Path) -> Iterator[tuple[str, float, ContrastTable]]:
    """Measure both cases: words, minutes, table."""
    for case, no_gsr in CASES.items():
        request = ContrastRequest(None, out / case, no_gsr=no_gsr, given=(demo_person(),))
        source = ContrastSource(request)
        row, table, _, _ = measure_person(request, source, source.labels[0], progress=Silent())
        yield case, row["Minutes"], table


def rows_of(case: str, table: ContrastTable) -> Iterator[dict[str, Any]]:
    """One row a region and effector."""
    for r, region in enumerate(table.regions):
        for e, effector in enumerate(table.seeds[1:]):
            yield {
                "case": case,
                "region": region,
                "against": effector,
                "scan_z": table.fisher_z[0, r],
                "against_z": table.fisher_z[e + 1, r],
                "difference": table.difference[e, r],
                "low": table.difference_low[e, r],
                "high": table.difference_high[e, r],
            }


def write_page(rows: Rows, *, minutes: float, first: ContrastTable, out: Path) -> None:
    """Write table and page."""
    files.write_table(out / "contrast.tsv", rows)
    amn = [row for row in rows if row["region"] == "AMN"]
    ahead = sum(row["low"] > 0 for row in amn)
    lines = [
        "# SCAN against foot, hand and mouth",
        "",
        f"Made by `{COMMAND}` (every number: `contrast.tsv`), as `actionloop contrast` measures.",
        f"MPI-LEMON sub-{demo_person().label}, {minutes:.1f} minutes, template anatomy, mapped and read on the same",
        "scan: what the map gains by looking for SCAN's template is part of the difference. Fisher z, and SCAN's",
        f"minus the effector's with its {first.bootstrap.level:.0%} interval from {first.bootstrap.n:,} resamples of "
        f"{first.bootstrap.block_s:g}-s blocks.",
        "",
        f"With AMN SCAN is above the effectors by the interval in {ahead} of {len(amn)} comparisons. The scan has no",
        "voxels, so that thalamus, putamen and cerebellum are not covered.",
        "",
        "| Series | Region | SCAN | Against | Effector | Difference | Interval |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        numbers = (f"{row[name]:.2f}" for name in ("scan_z", "against_z", "difference"))
        scan, effector, difference = numbers
        cells = (row["case"], row["region"], scan, row["against"], effector, difference)
        lines.append(f"| {' | '.join(cells)} | {row['low']:.2f} to {row['high']:.2f} |")
    files.write_text(out / "contrast.md", "\n".join([*lines, ""]))


def main(argv: list[str] | None = None) -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    asked = parser.parse_args(argv)
    asked.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(limits=1, user_api="blas"):
        found = list(measure(Path(folder)))
    rows = [row for case, _, table in found for row in rows_of(case, table)]
    write_page(rows, minutes=found[0][1], first=found[0][2], out=asked.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
