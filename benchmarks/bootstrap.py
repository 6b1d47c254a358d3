"""Time and memory of a bootstrap over frames against mapping every resample from the start.

    python -m benchmarks.bootstrap [phantom-20min lemon] [--resamples 200] [--naive 5]

Prints one line of JSON a case; asserts nothing. `seconds` is compression and all resamples of the weighted,
warm-started way; the reference draws the same frames, compresses and maps each resample, and is scaled up from `naive`.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time

import numpy as np

from actionloop import files, phantom, signal
from actionloop.phantom import reference_scan
from actionloop.phantom.denoise import kept_frames
from actionloop.pipeline.controls import Recipe
from actionloop.pipeline.head import template_head
from actionloop.pipeline.person import find_targets
from actionloop.pipeline.priors import area_names, cached_default_prior
from actionloop.pipeline.settings import MappingSettings, Settings
from actionloop.reliability import Draws, find_places, resample_frames, resample_series
from actionloop.types import Timeseries

CASES = ("phantom-20min", "lemon")


def series_of(case: str) -> Timeseries:
    """Return the cleaned cortical series of a case: 20 min of a phantom at 0.8 s, or the demonstration's scan."""
    if case == "lemon":
        return reference_scan()
    rng = np.random.default_rng(1)
    person = phantom.draw_person(rng)
    session = phantom.simulate_session(person, minutes=20, tr_s=0.8, rng=rng, cortex_only=True)
    keep = kept_frames(session)
    return signal.select_frames(phantom.denoise(session, with_global_signal=True, filtered=True), keep)


def run(case: str, *, resamples: int, naive: int) -> dict[str, object]:
    """Time both ways on one scan."""
    series, head, template = series_of(case), template_head(), files.template_anatomy()
    prior = files.align_prior(cached_default_prior(), series.grayordinates)
    recipe = Recipe(prior, head.anatomy, MappingSettings())
    made = recipe.make(series)
    _, targets, _ = find_targets(made, head, Settings())
    places = find_places(targets, made.grayordinates, head.anatomy, template, area=area_names())
    started = time.monotonic()
    basis = signal.compress(series)
    quick = resample_frames(basis, prior, head.anatomy, made=made, places=places, draws=Draws(resamples))
    seconds = time.monotonic() - started
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    started = time.monotonic()
    plain = resample_series(series, recipe.make, made=made, places=places, draws=Draws(naive))
    reference = (time.monotonic() - started) / naive * resamples
    pairs = list(zip(places, quick.centres, plain.centres, strict=True))
    ours = [[place.distance_mm(int(vertex)) for vertex in one[:naive]] for place, one, _ in pairs]
    some = [[place.distance_mm(int(vertex)) for vertex in other] for place, _, other in pairs]
    gap = float(np.nanmax(np.abs(np.array(some) - np.array(ours))))
    return {
        "case": case,
        "ratio": round(reference / seconds, 1),
        "peak_gb": round(peak_gb, 2),
        "seconds": round(seconds, 1),
        "resamples": resamples,
        "reference_seconds": round(reference, 1),
        "reference_resamples": naive,
        "frames": series.n_frames,
        "grayordinates": len(series.grayordinates),
        "targets": len(places),
        "largest_difference_mm": round(gap, 1),
        "stability_difference": round(float(np.abs(quick.stability - plain.stability).mean()), 3),
    }


def main(argv: list[str] | None = None) -> int:
    """Run the cases that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--resamples", type=int, default=200)
    parser.add_argument("--naive", type=int, default=5)
    asked = parser.parse_args(argv)
    for case in asked.cases:
        print(f"{case} ...", file=sys.stderr, flush=True)
        print(json.dumps(run(case, resamples=asked.resamples, naive=asked.naive)), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
