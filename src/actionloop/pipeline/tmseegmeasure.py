"""`actionloop tmseeg measure`: evoked responses, oscillations and connectivity of each cleaned site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from actionloop import facts
from actionloop.files import OutputFolder
from actionloop.pipeline.people import visit
from actionloop.pipeline.progress import Progress
from actionloop.pipeline.run import Outcome
from actionloop.pipeline.tmseegpeople import ACTIVE, EegChoice, cleaned_of, in_words, list_eeg, near_channels
from actionloop.tmseeg import (
    MEASURES,
    Connectivity,
    Evoked,
    FieldPower,
    Grid,
    Oscillation,
    TimeFrequency,
    average,
    global_field_power,
    local_field_power,
    measure_connectivity,
    measure_oscillation,
    percentile_interval,
    picture,
    subtract,
)
from actionloop.types import Trials

_MICROVOLT = 1e6
_SHOWN_S = (-0.2, 0.4)


@dataclass(frozen=True)
class MeasureRequest(EegChoice):
    """Everything that `actionloop tmseeg measure` was asked.

    Attributes
    ----------
    at : mapping of site to electrode
        Where the coil was, for sites whose electrode is not known or is another one.
    """

    at: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class SiteMeasures:
    """Measures of one recording.

    Attributes
    ----------
    trials : Trials
    near : tuple of str
        Channels near the site.
    evoked : Evoked
    gmfp, lmfp : FieldPower
    oscillation : Oscillation
        Mean over the channels near the site.
    shown : TimeFrequency
    connectivity : Connectivity
    """

    trials: Trials
    near: tuple[str, ...]
    evoked: Evoked
    gmfp: FieldPower
    lmfp: FieldPower
    oscillation: Oscillation
    shown: TimeFrequency
    connectivity: Connectivity


def measure_sites(request: MeasureRequest, *, progress: Progress) -> tuple[list[Outcome], list[Path]]:
    """Measure everybody's cleaned sites and write tables, pictures and a page a person.

    Parameters
    ----------
    request : MeasureRequest
    progress : Progress

    Returns
    -------
    outcomes : list of Outcome
    pages : list of Path

    Raises
    ------
    ActionloopError
        Nobody who can be used.
    """
    from actionloop.pipeline.tmseegpages import write_measures

    OutputFolder.check(request.out, overwrite=request.overwrite)
    labels, pages = list_eeg(request), []
    progress.start(f"TMS-EEG of {len(labels)} people", len(labels))

    def work(label: str) -> str:
        found = {key: measure_one(one, request, progress) for key, one in cleaned_of(request, label).items()}
        out = OutputFolder(request.out, overwrite=request.overwrite)
        pages.append(write_measures(request, out, label, found, measure_rows(found)))
        return "; ".join(in_words(*key) for key in found)

    with threadpool_limits(limits=1, user_api="blas"):
        outcomes = visit(
            labels, work, progress=progress, where=request.source, stop_on_first_crash=request.stop_on_first_crash
        )
    progress.done()
    return outcomes, pages


def measure_one(trials: Trials, request: MeasureRequest, progress: Progress) -> SiteMeasures:
    """Measure one recording."""
    known = facts.load("tmseeg_measures")["choice"]
    grid, draws = Grid(), int(known["draws"])
    progress.note(f"{in_words(trials.site, trials.condition)}: measuring")
    rng = np.random.default_rng([request.seed, *trials.site.encode(), *trials.condition.encode()])
    at = request.at.get(trials.site)
    near = near_channels(trials, at=at)
    start, stop = _SHOWN_S
    return SiteMeasures(
        trials=trials,
        near=near,
        evoked=average(trials, baseline=grid.before),
        gmfp=global_field_power(trials, baseline=grid.before, draws=draws, rng=rng),
        lmfp=local_field_power(trials, near, baseline=grid.before, draws=draws, rng=rng),
        oscillation=measure_oscillation(trials, names=near, averaged=True),
        shown=picture(trials, names=near, start_s=start, stop_s=stop),
        connectivity=measure_connectivity(trials, at=at, draws=draws, rng=rng),
    )


def measure_rows(found: Mapping[tuple[str, str], SiteMeasures]) -> list[dict[str, Any]]:
    """Return one row for each measure, band and window; controls are subtracted where they were recorded."""
    level = float(facts.load("tmseeg_measures")["choice"]["level"])
    rows: list[dict[str, Any]] = []
    for (site, condition), one in found.items():
        about = {"site": site, "condition": condition, "n_trials": len(one.trials.data)}
        rows += [{**about, **row} for row in (*_powers(one, level), *_bands(one, level))]
        if condition == ACTIVE:
            rows += [
                {**about, "condition": f"{ACTIVE} - {other}", **row}
                for (same, other), control in found.items()
                if same == site and other != ACTIVE
                for row in _differences(one, control, level)
            ]
    return rows


def _powers(one: SiteMeasures, level: float) -> list[dict[str, Any]]:
    rows = []
    for name, power in (("GMFP", one.gmfp), ("LMFP", one.lmfp)):
        for window in one.connectivity.options.grid.windows:
            mean, drawn = power.mean(window)
            ends = np.asarray(percentile_interval(drawn, level)) * _MICROVOLT
            rows.append(_one(name, "all", window.name, mean * _MICROVOLT, ends, "µV", carried=True))
    return rows


def _bands(one: SiteMeasures, level: float) -> list[dict[str, Any]]:
    rows, grid = [], one.connectivity.options.grid
    interval = one.connectivity.interval(level)
    for k, name in enumerate(MEASURES):
        for (i, band), (j, window) in _cells(grid):
            ends, value = interval[:, k, i, j], float(one.connectivity.value[k, i, j])
            rows.append(_one(f"{name} dwPLI", band, window, value, ends, "", carried=bool(grid.carried[i, j])))
    for what, name, unit in (("ersp_db", "ERSP", "dB"), ("itc", "ITC", "")):
        table, ends = getattr(one.oscillation, what)[0], one.oscillation.interval(what, level)[:, 0]
        for (i, band), (j, window) in _cells(grid):
            rows.append(
                _one(name, band, window, float(table[i, j]), ends[:, i, j], unit, carried=bool(grid.carried[i, j]))
            )
    return rows


def _differences(one: SiteMeasures, control: SiteMeasures, level: float) -> list[dict[str, Any]]:
    difference, interval = subtract(one.connectivity, control.connectivity, level=level)
    grid = one.connectivity.options.grid
    return [
        _one(
            f"{name} dwPLI",
            band,
            window,
            float(difference[k, i, j]),
            interval[:, k, i, j],
            "",
            carried=bool(grid.carried[i, j]),
        )
        for k, name in enumerate(MEASURES)
        for (i, band), (j, window) in _cells(grid)
    ]


def _cells(grid: Grid) -> list[tuple[tuple[int, str], tuple[int, str]]]:
    bands, windows = [one.name for one in grid.bands], [one.name for one in grid.windows]
    return [(band, window) for band in enumerate(bands) for window in enumerate(windows)]


def _one(name: str, band: str, window: str, value: float, ends: Any, unit: str, *, carried: bool) -> dict[str, Any]:
    return {
        "measure": name,
        "band": band,
        "window": window,
        "value": value,
        "low": float(ends[0]),
        "high": float(ends[1]),
        "units": unit,
        "carried": "yes" if carried else "no",
    }
