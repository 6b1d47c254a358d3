"""Choice of the TMS-EEG site: is P(rank 1) true, is the ranking right, and how many trials does it take.

    python -m benchmarks.tmseeg_choice docs/validation [--worlds 300] [--series 40] [--heads 20] [--cleaned 6]

Writes tmseeg-choice.md into the folder.

Light worlds: complex time-frequency values of four sites, each with a neighbourhood of 4 channels and 8 others, whose
true index is known in closed form (`true_index`). 'Series' are the same in time: white noise and its Hilbert
transform at twelve places, through wavelets, windows and weights as for a person. 'Heads' are simulated people of 63
channels with evoked responses, ongoing activity and planted coupling, and without artefacts; 'cleaned' have all
artefacts, and the default pipeline takes them out.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.signal import hilbert, resample_poly

from actionloop import facts
from actionloop.phantom.eegperson import ARTEFACTS, BRAIN, EegOptions, simulate_person
from actionloop.phantom.eegsites import scalp_point
from actionloop.tmseeg.bands import Band, Grid, Window
from actionloop.tmseeg.choice import rank_sites
from actionloop.tmseeg.clean import clean
from actionloop.tmseeg.connectivity import ConnectivityOptions, measure_connectivity
from actionloop.tmseeg.phaselag import draw_weights, left_out_phase_lag, phase_lag, resampled_phase_lag
from actionloop.tmseeg.places import Places
from actionloop.tmseeg.spread import settled
from actionloop.types import Montage, Recording, Trials

SITES = ("M1", "DLPFC", "ACC", "PSI")
NEAR, FAR, CELLS, SHARED = 4, 8, 10, 0.8
PARTNERS = (1, 4)
MIDDLE, STEP = 0.12, 0.05
SPREADS = (0.01, 0.02, 0.05)
TRIALS = (25, 50, 100, 150, 300)
DRAWS = 200
BINS = np.linspace(0, 1, 11)
PAIRS = np.array([(a, b) for a in range(NEAR) for b in range(NEAR, NEAR + FAR)])
EVEN = np.full((1, len(PAIRS)), 1 / len(PAIRS))
SERIES = ConnectivityOptions(
    grid=Grid(
        bands=(Band("alpha", 8, 13), Band("low beta", 14, 24), Band("high beta", 25, 35)),
        windows=(Window("full", 0.015, 0.3),),
        frequency_step_hz=2.5,
        step_s=0.02,
    )
)
HEAD_TRIALS, HEAD_BANDS = (25, 50, 100, 150), ("alpha", "low beta")
HEAD = ConnectivityOptions(
    grid=Grid(
        bands=(Band("alpha", 8, 13), Band("low beta", 14, 24)),
        windows=(Window("full", 0.015, 0.3),),
        cycles=4.0,
        step_s=0.02,
    ),
    global_weight="none",
)
COMMAND = "python -m benchmarks.tmseeg_choice docs/validation"


# Truth


def true_index(coherency: complex) -> float:
    """Squared weighted phase lag index of two complex Gaussian signals of a coherency.

    The imaginary part of their product is a difference of two exponential variables of scales (s ± a) / 2, a the
    imaginary part of the coherency and s² one less its real part squared: its mean is a, the mean of its absolute value
    (s² + a²) / 2 s.
    """
    a, s = coherency.imag, np.sqrt(1 - coherency.real**2)
    return float((2 * a * s / (s**2 + a**2)) ** 2)


def coupling_of(index: float) -> float:
    """Imaginary coherency, without a real part, that has this index."""
    return float((1 - np.sqrt(1 - index)) / np.sqrt(index)) if index > 0 else 0.0


def light_site(index: float, *, trials: int, rng: np.random.Generator) -> np.ndarray:
    """Time-frequency values of a site's neighbourhood and of the rest; (trial, channel, cell, 1)."""

    def noise(*shape: int) -> np.ndarray:
        return rng.standard_normal((trials, *shape, CELLS, 1)) + 1j * rng.standard_normal((trials, *shape, CELLS, 1))

    ahead, other = noise(1), noise(1)
    part = coupling_of(index) / SHARED
    near = np.sqrt(SHARED) * ahead + np.sqrt(1 - SHARED) * noise(NEAR)
    behind = 1j * part * ahead + np.sqrt(1 - part**2) * other
    return np.concatenate([near, np.sqrt(SHARED) * behind + np.sqrt(1 - SHARED) * noise(FAR)], axis=1)


def light_value(index: float, *, trials: int, rng: np.random.Generator) -> tuple[float, np.ndarray]:
    """Estimate of one light site and its draws."""
    values = light_site(index, trials=trials, rng=rng)
    value = phase_lag(values, pairs=PAIRS).mean()
    weights = draw_weights(trials, DRAWS, rng=rng)
    drawn = resampled_phase_lag(values, weights, EVEN, pairs=PAIRS).mean(axis=(1, 2, 3))
    left = left_out_phase_lag(values, EVEN, pairs=PAIRS).mean(axis=(1, 2, 3))
    return float(value), settled(np.asarray(value), drawn, left)


def light_estimate(index: float, *, trials: int, rng: np.random.Generator) -> float:
    """Estimate of one light site."""
    return float(phase_lag(light_site(index, trials=trials, rng=rng), pairs=PAIRS).mean())


# Calibration


def worlds(n: int, *, spread: float, trials: int, seed: int) -> Iterator[dict[str, Any]]:
    """Four sites of random true values; P(rank 1) of each at both ends, and which was truly first."""
    rng = np.random.default_rng([seed, round(spread * 1000), trials])
    for _ in range(n):
        truth = np.maximum(MIDDLE + spread * rng.standard_normal(len(SITES)), 0.001)
        made = [light_value(index, trials=trials, rng=rng) for index in truth]
        plain = np.stack([drawn for _, drawn in made], axis=1)
        found = rank_sites(
            {site: value for site, (value, _) in zip(SITES, made, strict=True)},
            dict(zip(SITES, plain.T, strict=True)),
            rng=rng,
        )
        for rank, sign in ((found.lowest, -1), (found.highest, 1)):
            first = (sign * truth).argmax()
            inside = (found.interval[0] <= truth) & (truth <= found.interval[1])
            yield {
                "p": rank.p_first,
                "plain": np.bincount((sign * plain).argmax(axis=1), minlength=len(SITES)) / len(plain),
                "hit": np.arange(len(SITES)) == first,
                "picked": SITES.index(rank.first),
                "tie": rank.is_tie,
                "named": SITES[first] in rank.tied,
                "inside": inside,
            }


def calibration_error(p: np.ndarray, hit: np.ndarray) -> float:
    """Return the expected calibration error in ten bins."""
    place = np.clip(np.digitize(p, BINS) - 1, 0, len(BINS) - 2)
    error = [abs(p[place == k].sum() - hit[place == k].sum()) for k in range(len(BINS) - 1)]
    return float(sum(error) / len(p))


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Calibration of all sites, of the sites that come first, and how often picks and near ties are right."""
    p, plain, hit = (np.concatenate([row[name] for row in rows]) for name in ("p", "plain", "hit"))
    top = np.array([row["p"][row["picked"]] for row in rows])
    right = np.array([row["hit"][row["picked"]] for row in rows])
    tie = np.array([row["tie"] for row in rows])
    return {
        "ece_all": calibration_error(p, hit),
        "ece_plain": calibration_error(plain, hit),
        "ece_first": calibration_error(top, right),
        "right": float(right.mean()),
        "ties": float(tie.mean()),
        "right_when_picked": float(right[~tie].mean()) if (~tie).any() else float("nan"),
        "named_in_tie": float(np.mean([row["named"] for row, one in zip(rows, tie, strict=True) if one])),
        "covered": float(np.mean([row["inside"] for row in rows])),
    }


# Ranking and recovery


def ladder(*, at: float = STEP) -> np.ndarray:
    """Return true values of four sites, neighbours one step apart."""
    return at * np.arange(1, len(SITES) + 1)


def electrodes() -> Montage:
    """Twelve places on a sphere: four close to the site, eight far from it."""
    turn = np.array([0.0, 0.1, 0.2, 0.3, *np.linspace(1.2, 5.2, FAR)])
    flat = np.stack([np.cos(turn), np.sin(turn), 0.3 * np.cos(3 * turn)], axis=1)
    return Montage(tuple(f"E{k}" for k in range(NEAR + FAR)), 90 * flat / np.linalg.norm(flat, axis=1, keepdims=True))


def series_site(index: float, *, trials: int, rng: np.random.Generator, partners: int) -> Trials:
    """Make the same coupling in time: partners follow the Hilbert transform of the neighbourhood's signal."""
    sfreq, samples = 100.0, 128
    ahead = rng.standard_normal((trials, 1, 4 * samples))
    other = np.repeat(rng.standard_normal((trials, partners, 4 * samples)), FAR // partners, axis=1)
    turned = np.imag(hilbert(ahead, axis=2))
    part = coupling_of(index) / SHARED
    behind = part * turned + np.sqrt(1 - part**2) * other
    clean = np.concatenate([np.repeat(ahead, NEAR, axis=1), behind], axis=1)
    noisy = np.sqrt(SHARED) * clean + np.sqrt(1 - SHARED) * rng.standard_normal(clean.shape)
    inner = noisy[:, :, samples : 2 * samples]
    return Trials(1e-6 * inner, sfreq, -0.5, electrodes())


def series_value(index: float, *, trials: int, rng: np.random.Generator, partners: int = 1) -> float:
    """Global connectivity of a series through wavelets, window and weights; no reference is taken."""
    made = series_site(index, trials=trials, rng=rng, partners=partners)
    n = len(made.names)
    places = Places(made.names, made.montage.xyz_head_mm, made.names, np.eye(n))
    found = measure_connectivity(made, at="E1", places=places, options=SERIES)
    return found.mean("global", [band.name for band in SERIES.grid.bands], "full")[0]


def recovery(value: Any, *, trials: int, worlds: int, seed: int) -> dict[str, Any]:
    """Bias, error and ranking of four sites, neighbours one step apart, at one number of trials."""
    rng = np.random.default_rng([seed, trials])
    truth = ladder()
    found = np.empty((worlds, len(truth)))
    for row in found:
        row[:] = [value(index, trials=trials, rng=rng) for index in truth]
    off = found - truth
    ordered = (np.diff(found, axis=1) > 0).all(axis=1)
    ends = (found.argmin(axis=1) == 0) & (found.argmax(axis=1) == len(truth) - 1)
    return {
        "trials": trials,
        "worlds": worlds,
        "bias": float(off.mean()),
        "rmse": float(np.sqrt((off**2).mean())),
        "all_in_order": float(ordered.mean()),
        "both_ends": float(ends.mean()),
    }


# Heads


def head(k: int, *, seed: int, cleaned: bool) -> list[tuple[np.ndarray, np.ndarray]]:
    """Simulate a person: true values and those found, (site, band), at each number of trials.

    Without artefacts, or with all of them and cleaned.
    """
    rng = np.random.default_rng([seed, k])
    wanted = dict(zip(SITES, rng.permutation(ladder()).tolist(), strict=True))
    parts = BRAIN + ARTEFACTS if cleaned else BRAIN
    sim = simulate_person(EegOptions(trials=max(HEAD_TRIALS), dwpli=wanted, parts=parts), rng=rng)
    truth = np.array([[sim.truth.global_dwpli[site][band] for band in HEAD_BANDS] for site in SITES])
    made = {}
    for site in SITES:
        own = np.random.default_rng([seed, k, SITES.index(site)])
        made[site] = lower(clean(sim.recordings[site], rng=own).trials) if cleaned else cut(sim.recordings[site])
    found = [(truth, head_values(made, trials)) for trials in HEAD_TRIALS]
    print(
        json.dumps({"head": k, "cleaned": cleaned, "found": found[-1][1].round(3).tolist()}),
        file=sys.stderr,
        flush=True,
    )
    return found


def lower(trials: Trials) -> Trials:
    """Trials at 250 Hz."""
    step = round(trials.sfreq_hz / 250)
    return trials.with_data(resample_poly(trials.data, 1, step, axis=2), sfreq_hz=250.0)


def head_rows(n: int, *, seed: int, cleaned: bool, workers: int) -> list[dict[str, Any]]:
    """Rows of so many people, one for each number of trials."""
    with ProcessPoolExecutor(workers) as pool:
        people = list(pool.map(partial(head, seed=seed, cleaned=cleaned), range(n)))
    return (
        [head_row([one[k] for one in people], trials=trials) for k, trials in enumerate(HEAD_TRIALS)] if people else []
    )


def cut(recording: Recording) -> Trials:
    """Trials of 1.6 s at 250 Hz."""
    reach, step = round(0.8 * recording.sfreq_hz), round(recording.sfreq_hz / 250)
    data = np.stack([recording.data[:, pulse - reach : pulse + reach] for pulse in recording.pulses])
    return Trials(resample_poly(data, 1, step, axis=2), 250.0, -0.8, recording.montage, site=recording.site)


def head_values(made: dict[str, Trials], trials: int) -> np.ndarray:
    """Global connectivity over the first trials, through the wavelet and the mean that the truth is stated in."""
    found = []
    for site, one in made.items():
        some = one.with_data(one.data[:trials])
        found.append(measure_connectivity(some, at=scalp_point(site), options=HEAD).value[0, :, 0])
    return np.array(found)


def head_row(found: Sequence[tuple[np.ndarray, np.ndarray]], *, trials: int) -> dict[str, Any]:
    """Bias, error and ranking of the heads at one number of trials."""
    off = np.stack([value - truth for truth, value in found])
    order = [np.array_equal(value.mean(axis=1).argsort(), truth.mean(axis=1).argsort()) for truth, value in found]
    return {
        "trials": trials,
        "heads": len(found),
        **{f"bias {band}": float(off[..., k].mean()) for k, band in enumerate(HEAD_BANDS)},
        **{f"rmse {band}": float(np.sqrt((off[..., k] ** 2).mean())) for k, band in enumerate(HEAD_BANDS)},
        "in_order": f"{sum(order)} of {len(order)}",
    }


# Page


def row_text(cells: Sequence[Any]) -> str:
    """One row of a table."""
    return "| " + " | ".join(f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in cells) + " |"


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Write a table of rows with the same keys."""
    if not rows:
        return "(not run)"
    names = list(rows[0])
    return "\n".join([row_text(names), row_text(["---"] * len(names)), *(row_text(list(row.values())) for row in rows)])


def page(
    calibrated: list[dict[str, Any]],
    light: list[dict[str, Any]],
    series: list[dict[str, Any]],
    whole: list[dict[str, Any]],
    cleaned: list[dict[str, Any]],
) -> str:
    """Write the text of tmseeg-choice.md."""
    return f"""# Choice of the TMS-EEG site

Made by `{COMMAND}`. Four sites whose true
debiased weighted phase lag index is known in closed form. Nothing here comes from a recorded person.

## Is P(rank 1) true

Light worlds of 150 trials: true values of the four sites are normal about {MIDDLE:g}, with the given spread; 4 and 8
channels, {CELLS} independent times and frequencies, {DRAWS} draws. `ece_all`: expected calibration error of P(rank 1)
over all sites at both ends; `ece_plain`: the same of plain draws, sites not drawn together; `ece_first`: of the site
that comes first; `right`: how often that one is; `ties`: near ties, in which no site is picked; `right_when_picked`:
without them; `named_in_tie`: near ties that name the true one; `covered`: 95 % intervals that hold the true value.
Drawing sites together was added after plain draws were seen to be overconfident in other worlds of the closest spread.

{table(calibrated)}

## Is the ranking right, and at how many trials

Neighbouring sites differ by {STEP:g}: true values of {", ".join(f"{one:.2f}" for one in ladder())}. `bias` and
`rmse` are of single values; `all_in_order`: all four sites; `both_ends`: lowest and highest.

Light worlds:

{table(light)}

In these all pairs share one leading and one following signal: the mean over pairs then averages little out.

Series in time, through wavelets, the full window, alpha to high beta and the weights by distance; `partners`: following
signals with noise of their own, over which the other channels are divided. One is as hard as the light worlds:

{table(series)}

Heads: simulated people, the four true values dealt out among the sites; electrodes nearest to the site with all others,
unweighted, wavelets of 4 cycles, as the truth is stated. Truth holds at full coherence; the wavelets of alpha also see
the ramps before and after the window.

{table(whole)}

Cleaned: other people with every artefact, through the default pipeline (cleaning version
{facts.load("tmseeg_cleaning")["version"]}), measured in the same way. Cleaning and the average reference mix
electrodes, and muscle, pulse and charge take information with them.

{table(cleaned)}
"""


def main(argv: list[str] | None = None) -> int:
    """Run the cases and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--worlds", type=int, default=300)
    parser.add_argument("--series", type=int, default=40)
    parser.add_argument("--heads", type=int, default=20)
    parser.add_argument("--cleaned", type=int, default=6)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args(argv)
    calibrated, light, series = [], [], []
    for spread in SPREADS:
        rows = list(worlds(given.worlds, spread=spread, trials=150, seed=11))
        calibrated.append({"spread": spread, "worlds": given.worlds, **summary(rows)})
        print(json.dumps(calibrated[-1]), file=sys.stderr, flush=True)
    for trials in TRIALS:
        light.append(recovery(light_estimate, trials=trials, worlds=given.worlds, seed=12))
        for partners in PARTNERS:
            value = partial(series_value, partners=partners)
            row = recovery(value, trials=trials, worlds=given.series, seed=13)
            series.append({"partners": partners, **row})
        print(json.dumps([light[-1], *series[-len(PARTNERS) :]]), file=sys.stderr, flush=True)
    whole = head_rows(given.heads, seed=14, cleaned=False, workers=given.workers)
    cleaned = head_rows(given.cleaned, seed=15, cleaned=True, workers=given.workers)
    print(json.dumps([whole, cleaned]), file=sys.stderr, flush=True)
    text = page(calibrated, light, series, whole, cleaned)
    (given.folder / "tmseeg-choice.md").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
