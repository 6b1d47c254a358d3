"""Time of the debiased phase lag index against mne-connectivity, on the same arrays in the same run.

    python -m benchmarks.tmseeg_phaselag [--channels 63] [--trials 150] [--samples 200]

Prints one line of JSON and asserts nothing. Both get the same trials of noise at 250 Hz and start from the series:
wavelets, cross-spectra of all pairs, index at 28 frequencies. mne-connectivity computes every sample; so does ours here
(`seconds`, `reference_seconds`; CPU seconds beside). mne-connectivity is timed on `few` frequencies and scaled up,
as its time is proportional to them. `bootstrap_seconds` is that of `measure_connectivity` on one site of two seconds
with 200 draws, all pairs, bands of 28 frequencies and the full window; four sites take four times as long.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from actionloop.tmseeg.bands import Grid, default_bands
from actionloop.tmseeg.connectivity import ConnectivityOptions, measure_connectivity
from actionloop.tmseeg.phaselag import all_pairs, phase_lag
from actionloop.tmseeg.wavelets import transform
from actionloop.types import Montage, Trials

SFREQ, CYCLES, FEW, DRAWS = 250.0, 3.0, 2, 200
FREQUENCIES = np.arange(8.0, 36.0)


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """Return a result with wall and CPU seconds."""
    began, worked = time.perf_counter(), time.process_time()
    found = work()
    return found, time.perf_counter() - began, time.process_time() - worked


def ours(data: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """Index of all pairs at every sample."""
    return phase_lag(transform(data, frequencies, sfreq_hz=SFREQ, cycles=CYCLES))


def theirs(data: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """Return the same by mne-connectivity."""
    import mne
    from mne_connectivity import spectral_connectivity_epochs

    info = mne.create_info(data.shape[1], SFREQ, "eeg")
    found = spectral_connectivity_epochs(
        mne.EpochsArray(data, info, verbose="ERROR"),
        method="wpli2_debiased",
        mode="cwt_morlet",
        cwt_freqs=frequencies,
        cwt_n_cycles=CYCLES,
        fmin=1.0,
        verbose="ERROR",
    )
    return np.asarray(found.get_data("dense")[tuple(all_pairs(data.shape[1])[:, ::-1].T)])


def sphere(n: int) -> Montage:
    """Electrodes spread evenly over the upper part of a sphere."""
    k = np.arange(n)
    height, turn = 1 - 1.2 * (k + 0.5) / n, 2.399963 * k
    flat = np.sqrt(1 - height**2)
    return Montage(
        tuple(f"E{one}" for one in k), 90 * np.stack([flat * np.cos(turn), flat * np.sin(turn), height], axis=1)
    )


def main(argv: list[str] | None = None) -> int:
    """Run both and print the line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", type=int, default=63)
    parser.add_argument("--trials", type=int, default=150)
    parser.add_argument("--samples", type=int, default=200)
    given = parser.parse_args(argv)
    rng = np.random.default_rng(0)
    data = rng.standard_normal((given.trials, given.channels, given.samples))
    ours(data[:5, :3], FREQUENCIES[:1])  # compiles
    few = FREQUENCIES[:: len(FREQUENCIES) // FEW][:FEW]
    found, seconds, cpu = timed(lambda: ours(data, FREQUENCIES))
    reference, reference_s, reference_cpu = timed(lambda: theirs(data, few))
    same = found[:, np.isin(FREQUENCIES, few)]
    scale = len(FREQUENCIES) / FEW
    bands = tuple(band for band in default_bands() if band.low_hz >= FREQUENCIES[0])
    trials = Trials(rng.standard_normal((given.trials, given.channels, 500)), SFREQ, -1.0, sphere(given.channels))
    options = ConnectivityOptions(grid=Grid(bands=bands), pairs="all")
    small = Trials(trials.data[:5], SFREQ, -1.0, trials.montage)
    measure_connectivity(small, at="E3", options=options, draws=2, rng=rng)  # compiles
    _, boot, boot_cpu = timed(lambda: measure_connectivity(trials, at="E3", options=options, draws=DRAWS, rng=rng))
    print(
        json.dumps(
            {
                "channels": given.channels,
                "trials": given.trials,
                "samples": given.samples,
                "frequencies": len(FREQUENCIES),
                "seconds": round(seconds, 2),
                "cpu_seconds": round(cpu, 2),
                "reference_seconds": round(reference_s * scale, 1),
                "reference_cpu_seconds": round(reference_cpu * scale, 1),
                "few": FEW,
                "ratio": round(reference_cpu * scale / cpu, 1),
                "largest_difference": float(np.abs(same - reference).max()),
                "draws": DRAWS,
                "bootstrap_seconds": round(boot, 1),
                "bootstrap_cpu_seconds": round(boot_cpu, 1),
            }
        )
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
