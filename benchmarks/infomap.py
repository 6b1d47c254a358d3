"""Time and memory of the graph of strongest partners against blocks of the dense matrix and a partial sort.

    python -m benchmarks.infomap [--rows 4096]

Prints one line of JSON; asserts nothing. The demonstration's scan on 59,412 vertices, 0.1 % of the partners, edges
within 10 mm left out. `seconds` and `peak_gb` are those of compression, distances and the whole graph in a process of
its own. The reference multiplies blocks of rows of the series with all columns and sorts each row partially; it is
timed on `rows` rows, without distances, and scaled up to all. `partners_different` counts, on those rows, partners that
the other does not have among pairs farther apart than 10 mm.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np

from actionloop import files, signal
from actionloop.brain import Nearby
from actionloop.networks.graph import strongest_partners
from actionloop.phantom import reference_scan
from benchmarks.eta2 import apart, peak_gb

DENSITY, EXCLUSION_MM, BLOCK = 0.001, 10.0, 1024


def ours(n_rows: int, out: Any) -> None:
    """Build the graph; then, untimed, compare some rows with the reference."""
    series = reference_scan()
    started = time.monotonic()
    basis = signal.compress(series)
    nearby = Nearby(series.grayordinates, files.template_anatomy(), radius_mm=EXCLUSION_MM)
    n_partners = int(np.ceil(DENSITY * basis.valid.sum()))
    found = strongest_partners(basis, n_partners, valid=basis.valid, nearby=nearby)
    one, _, _ = found.edges(n_partners)
    seconds = time.monotonic() - started
    peak = peak_gb()
    reference, different = dense(series.data, basis.valid, found.partner, nearby, n_rows)
    out.put(
        {
            "ratio": round(reference / seconds, 1),
            "seconds": round(seconds, 1),
            "peak_gb": peak,
            "edges": len(one),
            "dimensions": basis.n_dimensions,
            "reference_seconds": round(reference, 1),
            "reference_rows": n_rows,
            "partners_different": different,
        }
    )


def dense(
    data: np.ndarray[Any, Any], valid: np.ndarray[Any, Any], partner: np.ndarray[Any, Any], nearby: Nearby, n_rows: int
) -> tuple[float, int]:
    """Seconds of the reference for all rows, and partners that differ on some."""
    unit = data - data.mean(axis=0)
    unit /= np.maximum(np.linalg.norm(unit, axis=0), 1e-30)
    rows = np.flatnonzero(valid)[:n_rows]
    n_partners, seconds, different = partner.shape[1], 0.0, 0
    for start in range(0, len(rows), BLOCK):
        some = rows[start : start + BLOCK]
        began = time.monotonic()
        block = unit[:, some].T @ unit
        np.argpartition(block, -n_partners, axis=1)[:, -n_partners:]
        seconds += time.monotonic() - began
        for place, row in enumerate(some):
            values = np.where(valid, block[place], -1)
            _, near = nearby.block(slice(int(row), int(row) + 1))
            values[near] = -1
            best = np.argpartition(values, -n_partners)[-n_partners:]
            different += len(np.setdiff1d(best[values[best] > 0], partner[row]))
    return seconds * valid.sum() / len(rows), different


def main(argv: list[str] | None = None) -> int:
    """Run the case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=4096)
    given = parser.parse_args(argv)
    case = {"case": "infomap-graph-lemon", "frames": 652, "grayordinates": 59412}
    print(json.dumps(case | apart(ours, given.rows)), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
