"""Cleaning of simulated TMS-EEG: agreement with the true evoked response, and the time of each step.

    python -m benchmarks.tmseeg_cleaning [docs/validation] [--seeds 21 22 23 24] [--sites M1 DLPFC ACC PSI]
        [--pipelines none ica_only sound_only default] [--trials 150] [--workers 2]

Prints one line of JSON for each person, site and pipeline: the correlation of the cleaned and the true response, 15 to
300 ms, average reference, at the four electrodes nearest the site (mean of the four; `in_one`: all four as one series,
which also asks that they keep their relative sizes), and the seconds of each step. With a folder it
writes tmseeg-cleaning.md and tmseeg-cleaning.tsv there. What the default does was chosen on the people of seeds 1
to 14, who are not reported.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from actionloop import facts
from actionloop.errors import ActionloopError
from actionloop.files import write_table, write_text
from actionloop.phantom.eegperson import EegOptions, simulate_person
from actionloop.phantom.eegsites import site_channels, site_names
from actionloop.tmseeg.clean import Cleaned, clean
from actionloop.tmseeg.steps import named_pipeline
from actionloop.types import FloatArray, Trials

SEEDS = (21, 22, 23, 24)
PIPELINES = ("none", "ica_only", "sound_only", "default")
WINDOW_S = (0.015, 0.3)
NEAREST = 4
WANTED = 0.9
WORDS = {"none": "no cleaning", "ica_only": "ICA only", "sound_only": "SOUND only", "default": "default"}
COMMAND = "python -m benchmarks.tmseeg_cleaning docs/validation"


def agreement(trials: Trials, truth: FloatArray, times_s: FloatArray, channels: Any) -> tuple[float, float]:
    """Return the correlation of the mean over trials with the truth: mean over channels, and all channels in one."""
    mean = trials.data.mean(axis=0)
    mean = mean - mean.mean(axis=0)
    inside = (times_s >= WINDOW_S[0]) & (times_s <= WINDOW_S[1])
    cleaned = [np.interp(times_s[inside], trials.times_s, mean[channel]) for channel in channels]
    known = truth[channels][:, inside]
    each = [np.corrcoef(one, other)[0, 1] for one, other in zip(cleaned, known, strict=True)]
    return float(np.mean(each)), float(np.corrcoef(np.ravel(cleaned), known.ravel())[0, 1])


def row(
    seed: int, site: str, pipeline: str, cleaned: Cleaned, values: tuple[float, float], seconds: float
) -> dict[str, Any]:
    """Return one line of the result."""
    removed = {one.name: one.line for one in cleaned.log if one.line}
    return {
        "seed": seed,
        "site": site,
        "pipeline": pipeline,
        "correlation": round(values[0], 4),
        "in_one": round(values[1], 4),
        "seconds": round(seconds, 2),
        "steps_s": {one.name: round(one.seconds, 3) for one in cleaned.log},
        "removed": removed,
    }


def person(seed: int, options: EegOptions, pipelines: list[str]) -> list[dict[str, Any]]:
    """Return the lines of one person, printing each as it comes."""
    simulated = simulate_person(options, rng=np.random.default_rng(seed))
    truth, rows = simulated.truth, []
    for site in options.sites:
        channels = site_channels(site, count=NEAREST)
        for name in pipelines:
            started = time.perf_counter()
            try:
                cleaned = clean(simulated.recordings[site], named_pipeline(name), rng=np.random.default_rng(seed))
            except ActionloopError as error:
                print(json.dumps({"seed": seed, "site": site, "pipeline": name, "refused": str(error)}), flush=True)
                continue
            seconds = time.perf_counter() - started
            values = agreement(cleaned.trials, truth.evoked[site], truth.times_s, channels)
            rows.append(row(seed, site, name, cleaned, values, seconds))
            print(json.dumps(rows[-1]), flush=True)
    return rows


def table(rows: list[dict[str, Any]], pipelines: list[str]) -> list[str]:
    """Return the table of correlations, and its last lines."""
    found = {(one["seed"], one["site"], one["pipeline"]): one["correlation"] for one in rows}
    lines = [f"| seed | site | {' | '.join(WORDS.get(name, name) for name in pipelines)} |"]
    lines.append("|" + " --- |" * (len(pipelines) + 2))
    places = sorted({(seed, site) for seed, site, _ in found})
    for seed, site in places:
        cells = [found.get((seed, site, name)) for name in pipelines]
        lines.append(f"| {seed} | {site} | {' | '.join('refused' if x is None else f'{x:.3f}' for x in cells)} |")
    middle = [np.median([found[*place, name] for place in places_of(found, name)]) for name in pipelines]
    lines.append(f"| median | | {' | '.join(f'{one:.3f}' for one in middle)} |")
    return lines


def places_of(found: dict[tuple[int, str, str], float], pipeline: str) -> list[tuple[int, str]]:
    """Return the seeds and sites at which a pipeline came through."""
    return sorted((seed, site) for seed, site, name in found if name == pipeline)


def page(rows: list[dict[str, Any]], pipelines: list[str], trials: int) -> str:
    """Return the text of tmseeg-cleaning.md."""
    own = [one for one in rows if one["pipeline"] == "default"]
    others = [one for one in rows if one["pipeline"] != "default"]
    best = {
        (one["seed"], one["site"]): max(
            (o["correlation"] for o in others if (o["seed"], o["site"]) == (one["seed"], one["site"])), default=-1.0
        )
        for one in own
    }
    reached = sum(one["correlation"] >= WANTED for one in own)
    better = sum(one["correlation"] > best[one["seed"], one["site"]] for one in own)
    versions = facts.load("tmseeg_simulation")["version"], facts.load("tmseeg_cleaning")["version"]
    names = list(own[0]["steps_s"]) if own else []
    seeds = " ".join(map(str, sorted({one["seed"] for one in own})))
    lines = [
        "# Cleaning of TMS-EEG on simulated people",
        "",
        f"Made by `{COMMAND} --seeds {seeds}`. Simulation version {versions[0]}, cleaning version {versions[1]},",
        f"{trials} trials",
        "a site. Correlation of the cleaned mean over trials with the true evoked response, 15 to 300 ms, average",
        "reference: mean of the four electrodes nearest the stimulated site. 'ICA only' and 'SOUND only' also bridge",
        "the pulse, filter and interpolate bad channels. What the default does was chosen on the people of seeds",
        "1 to 7; version 1 reached 0.9 in 2 of the 4 sites of seed 11 and version 2 in 15 of 16 of seeds 11 to 14",
        "(.706 at one), which led to version 3. None of these people is reported.",
        "",
        f"The default reaches {WANTED:g} in {reached} of {len(own)}, and is better than each of the others in",
        f"{better} of {len(own)}.",
        "",
        *table(rows, pipelines),
        "",
        "## Time of each step",
        "",
        "Median seconds for one site, one thread, on the machine that made this page.",
        "",
        "| step | seconds |",
        "| --- | --- |",
        *(f"| {name} | {np.median([one['steps_s'][name] for one in own]):.2f} |" for name in names),
        *([f"| all | {np.median([one['seconds'] for one in own]):.1f} |"] if own else []),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Read the arguments, run, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--sites", nargs="+", default=list(site_names()))
    parser.add_argument("--pipelines", nargs="+", default=list(PIPELINES))
    parser.add_argument("--trials", type=int, default=150)
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    options = EegOptions(sites=tuple(chosen.sites), trials=chosen.trials)
    with ProcessPoolExecutor(chosen.workers) as pool:
        people = pool.map(person, chosen.seeds, repeat(options), repeat(chosen.pipelines))
        rows = [one for some in people for one in some]
    if chosen.folder is not None:
        columns = ("seed", "site", "pipeline", "correlation", "in_one", "seconds")
        write_table(chosen.folder / "tmseeg-cleaning.tsv", [{name: one[name] for name in columns} for one in rows])
        write_text(chosen.folder / "tmseeg-cleaning.md", page(rows, chosen.pipelines, chosen.trials))


if __name__ == "__main__":
    main()
