"""Time and memory of the demonstration, and of one round of the mapping against a naive version of it.

    python -m benchmarks.demo

Prints one line of JSON; asserts nothing. `seconds`, `cpu_seconds` and `peak_gb` are those of `actionloop demo` in a
process of its own. `ratio` is measured in the same run, on the same scan: a naive round over a real one.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from actionloop.pipeline import demo_person
from actionloop.pipeline.controls import Recipe
from actionloop.pipeline.series import load_series
from actionloop.types import Timeseries
from benchmarks.lemon import demo_recipe

ROWS = 3000
REFERENCE = (
    f"naive: profiles alone, row by row in numpy (all networks at once), {ROWS} rows scaled up to all; "
    "ours: a whole round of the mapping (profiles, pooling along the surface, scores), set-up and cleaning included"
)
_BYTES = 1 if sys.platform == "darwin" else 1024  # unit of ru_maxrss


def run_demo() -> dict[str, float]:
    """Run the demonstration in a process of its own; wall and processor seconds, peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        command = [sys.executable, "-m", "actionloop", "demo", str(Path(folder) / "demo")]
        subprocess.run(command, check=True, capture_output=True)
        seconds = time.monotonic() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_gb": round(used.ru_maxrss * _BYTES / 1e9, 2),
    }


def real_round(series: Timeseries, recipe: Recipe) -> tuple[float, Any]:
    """Seconds of processor time per round of the mapping, and the map."""
    started = time.process_time()
    made = recipe.make(series)
    return (time.process_time() - started) / int(made.settings["rounds"]), made


def naive_round(series: Timeseries, label: np.ndarray[Any, Any], keys: np.ndarray[Any, Any]) -> float:
    """Seconds of processor time that the profiles of all rows would take, made row by row."""
    means = np.stack([series.data[:, label == key].mean(axis=1) for key in keys if (label == key).any()])
    rows = np.random.default_rng(0).choice(np.flatnonzero(label > 0), ROWS, replace=False)
    started = time.process_time()
    for row in rows:
        one = series.data[:, row] - series.data[:, row].mean()
        centred = means - means.mean(axis=1, keepdims=True)
        r = centred @ one / (np.linalg.norm(centred, axis=1) * np.linalg.norm(one))
        np.arctanh(np.clip(r, -0.999, 0.999))
    return (time.process_time() - started) / ROWS * series.data.shape[1]


def main() -> int:
    """Measure and print."""
    line = {"case": "demo", **run_demo()}
    with threadpool_limits(limits=1, user_api="blas"):
        series = load_series(demo_person()).series
        ours, made = real_round(series, demo_recipe())
        naive = naive_round(series, made.label, made.keys)
    line |= {"round_seconds": round(ours, 2), "naive_round_seconds": round(naive, 1), "ratio": round(naive / ours, 1)}
    print(json.dumps({**line, "reference": REFERENCE}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
