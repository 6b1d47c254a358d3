"""One run cleaned as its origin asks."""

from __future__ import annotations

import numpy as np

from actionloop import files, signal
from actionloop.errors import InputError, OptionError, SignalError
from actionloop.files import Confounds, PersonFiles, RunFiles
from actionloop.pipeline.motion import RunMotion, displacement, known_displacement, motion_of
from actionloop.pipeline.settings import CleaningSettings
from actionloop.signal import Cleaning, Strategy
from actionloop.types import BoolArray, FloatArray, Timeseries

OURS = "plain cleaning"
"""How the description of a cleaning begins that was done here."""
_FLAGS = {"name": "--cleaning", "global_signal": "--no-gsr", "fd_threshold_mm": "--fd-threshold", "band_hz": "band_hz"}


def require_cleanable(person: PersonFiles, wanted: CleaningSettings) -> None:
    """Refuse a cleaning that was asked for where another program has cleaned already.

    Raises
    ------
    OptionError
        A run would be cleaned and filtered twice.
    """
    done = [run for run in person.runs if run.cleaned]
    if done and wanted.asked:
        given = ", ".join(_FLAGS[name] for name in wanted.asked)
        raise OptionError(
            f"{given} cannot be used: {', '.join(run.name for run in done)} came denoised from another program and "
            "would be cleaned and filtered twice",
            where=done[0].paths[0],
            fix="leave it out to use the series as they are, or give fMRIPrep's output, which is cleaned here",
        )


def clean_run(
    series: Timeseries, run: RunFiles, wanted: CleaningSettings, *, global_signal: bool | None = None
) -> tuple[Timeseries, str, RunMotion]:
    """Clean one run as its origin asks.

    A series that its program denoised is used as it is; marked frames are left out. One that was filtered and not
    denoised gets its confounds filtered alike and is not filtered again.

    Parameters
    ----------
    series : Timeseries
    run : RunFiles
    wanted : CleaningSettings
        For series that nobody denoised.
    global_signal : bool, optional
        Overrides `wanted`; True regresses the global signal from denoised series too.

    Returns
    -------
    Timeseries
        The kept frames.
    str
        What was done.
    RunMotion

    Raises
    ------
    InputError
        Tables that are missing, do not fit, or lack what the cleaning needs.
    SignalError
        Too little is left.
    """
    if run.cleaned:
        return _as_it_is(series, run, global_signal=global_signal)
    table = _table_of(run)
    files.require_frames(table, series.n_frames, series=run.paths[0])
    motion = motion_of(table)
    if wanted.name is None and motion is None:
        return _whole(series, run, table, wanted, global_signal)
    strategy, cleaning = signal.find_strategy(wanted.name), wanted.chosen(global_signal=global_signal)
    with_global_signal = wanted.global_signal is not False if global_signal is None else global_signal
    columns = _columns(table, run, strategy, cleaning, with_global_signal)
    others, details = _others(table, strategy, columns, motion)
    spared = None
    if strategy.orthogonal and run.tedana is not None:
        others, spared, details = _rejected(run, table.n_frames)
    fd_mm = displacement(table, motion)
    keep = ~table.non_steady()
    if run.outliers is not None:
        keep &= files.keep_frames(run.outliers, n_frames=series.n_frames, series=run.paths[0])[0]
    cleaned, kept = signal.clean(
        series,
        motion,
        cleaning=cleaning,
        fd_mm=fd_mm,
        keep=keep,
        others=None if cleaning.motion24 else others,
        spared=spared,
        filtered=run.filtered,
    )
    details += _deviations(cleaning)
    details += ["filtered before, so that only the confounds were filtered here"] if run.filtered else []
    words = f"{OURS} {cleaning.name}" + (f" ({', '.join(details)})" if details else "")
    return cleaned, words, RunMotion(run.name, fd_mm, kept, series.tr_s)


def describe_cleaning(wanted: CleaningSettings) -> str:
    """Return the sentence of the methods paragraph on series that were cleaned here."""
    strategy, cleaning = signal.find_strategy(wanted.name), wanted.chosen()
    steps = ["detrending"]
    if cleaning.band_hz is not None:
        low, high = cleaning.band_hz
        steps.append(f"Butterworth band-pass {low:g}-{high:g} Hz")
    regressed = cleaning.others or strategy.words
    regressed += " and the global signal" if cleaning.global_signal else ""
    steps.append(f"regression of {regressed}")
    frames = "all frames"
    if cleaning.fd_threshold_mm is not None:
        frames = (
            f"the frames with a framewise displacement up to {cleaning.fd_threshold_mm:g} mm (the others interpolated "
            "before and removed after filtering)"
        )
    return f"Cleaning {cleaning.name}: {', '.join(steps)}, fitted on {frames} ({strategy.reference})."


def _table_of(run: RunFiles) -> Confounds:
    path = run.motion or run.confounds
    if path is None:
        raise InputError(
            "this run is preprocessed but not denoised, and its table of confounds or motion is missing",
            where=run.paths[0],
            fix="keep the *_desc-confounds_timeseries.tsv (HCP: Movement_Regressors.txt) beside it, or give denoised "
            "data (XCP-D)",
        )
    return files.read_confounds(path)


def _columns(
    table: Confounds, run: RunFiles, strategy: Strategy, cleaning: Cleaning, with_global_signal: bool
) -> dict[str, tuple[str, ...]]:
    """Return the columns that a strategy takes from the table: 'signals', 'components', 'drifts'.

    Raises
    ------
    InputError
        Some are not there; all of them are named.
    """
    signals = strategy.tissues + ((strategy.global_column,) if strategy.global_column and with_global_signal else ())
    absent = [name for name in signals if name not in table.names]
    if strategy.motion and motion_of(table) is None:
        absent = [name for name in files.MOTION_NAMES if name not in table.names] + absent
    components: tuple[str, ...] = ()
    if strategy.components and run.tedana is None:
        components = next(filter(None, (files.components_of(table, prefix) for prefix in strategy.components)), ())
        if strategy.orthogonal and not components:
            raise _no_tedana(run)
        absent += [] if components else [f"{strategy.components[0]}00 ..."]
    components = components[: strategy.n_components or None]
    drifts: tuple[str, ...] = ()
    if strategy.drifts and cleaning.band_hz is None and not run.filtered:
        drifts = table.numbered(strategy.drifts)
        absent += [] if drifts else [f"{strategy.drifts}00 ..."]
    if absent:
        raise InputError(
            f"the cleaning {strategy.key} needs columns that the table lacks: {', '.join(absent)}",
            where=table.source,
            fix="choose another --cleaning (24P needs the six motion parameters alone), or give fMRIPrep's "
            "*_desc-confounds_timeseries.tsv",
        )
    return {"signals": signals, "components": components, "drifts": drifts}


def _no_tedana(run: RunFiles) -> InputError:
    return InputError(
        f"the cleaning tedana needs tedana's files of run {run.name}, which were not found",
        where=run.paths[0],
        fix=f"put *_{run.name}_desc-tedana_metrics.tsv and *_desc-ICA_mixing.tsv of the same run beside the series, or "
        "into a folder 'tedana' beside fMRIPrep's with the same folders of people",
    )


def _others(
    table: Confounds,
    strategy: Strategy,
    columns: dict[str, tuple[str, ...]],
    motion: FloatArray | None,
) -> tuple[FloatArray, list[str]]:
    """Return every confound of a strategy but the mean over the series, and what is worth saying of them."""
    parts: list[FloatArray] = [] if motion is None else [signal.expand(motion, strategy.motion)]
    details: list[str] = []
    if columns["signals"]:
        parts.append(signal.expand(table.columns(columns["signals"])))
    if columns["components"]:
        details = [f"{len(columns['components'])} components"]
    parts += [table.columns(columns["components"]), table.columns(columns["drifts"])]
    return np.concatenate(parts, axis=1), details


def _rejected(run: RunFiles, n_frames: int) -> tuple[FloatArray, FloatArray, list[str]]:
    """Return the courses of the components that tedana rejected, of the others, and how many there are."""
    assert run.tedana is not None
    courses, rejected = files.read_components(*run.tedana)
    if len(courses) != n_frames:
        raise InputError(
            f"{run.paths[0].name} has {n_frames} frames, tedana's components have {len(courses)}",
            where=run.tedana[1],
            fix="check that both are of the same run and that no frames were cut from only one of them",
        )
    return (
        courses[:, rejected],
        courses[:, ~rejected],
        [f"{int(rejected.sum())} of {len(rejected)} components rejected"],
    )


def _deviations(cleaning: Cleaning) -> list[str]:
    """Say which thresholds are not the default ones."""
    plain = signal.plain_cleaning()
    found = []
    if cleaning.fd_threshold_mm not in (None, plain.fd_threshold_mm):
        found.append(f"frames with FD > {cleaning.fd_threshold_mm:g} mm left out")
    if cleaning.band_hz != plain.band_hz:
        found.append("no filter" if cleaning.band_hz is None else f"{cleaning.band_hz[0]:g}-{cleaning.band_hz[1]:g} Hz")
    return found


def _whole(
    series: Timeseries, run: RunFiles, table: Confounds, wanted: CleaningSettings, global_signal: bool | None
) -> tuple[Timeseries, str, RunMotion]:
    """Regress a table whole that has no motion parameters."""
    unfit = [_FLAGS[name] for name in wanted.asked if name != "global_signal"]
    if unfit:
        raise InputError(
            f"{', '.join(unfit)} cannot be used: the table has no motion parameters "
            f"({', '.join(files.MOTION_NAMES)}) and is regressed whole",
            where=table.source,
            fix="give fMRIPrep's *_desc-confounds_timeseries.tsv",
        )
    with_global_signal = wanted.global_signal is not False if global_signal is None else global_signal
    cleaned, words = regress_whole(series, table, with_global_signal=with_global_signal, filtered=run.filtered)
    kept = np.ones(series.n_frames, dtype=bool)
    return cleaned, words, RunMotion(run.name, known_displacement(run, series.n_frames), kept, series.tr_s)


def regress_whole(
    series: Timeseries, table: Confounds, *, with_global_signal: bool, filtered: bool
) -> tuple[Timeseries, str]:
    """Regress every column of a table, then the mean of what is left; for tables made to be used whole.

    A series that was filtered gets its confounds filtered alike: otherwise their removal would put back what the
    filter took out.
    """
    names = list(table.names) or [f"column {i + 1}" for i in range(table.values.shape[1])]
    columns = table.everything()
    words = f"{len(names)} confounds regressed"
    if filtered:
        band_hz = signal.plain_cleaning().band_hz
        assert band_hz is not None
        columns = signal.bandpass(columns, tr_s=series.tr_s, band_hz=band_hz)
        words += f" (band-passed {band_hz[0]:g}-{band_hz[1]:g} Hz like the series)"
    cleaned = signal.regress(series, columns, names=names)
    if with_global_signal:
        cleaned = signal.regress(cleaned, signal.global_signal(cleaned)[:, None], names=["global signal"])
        words += ", global signal regressed"
    return cleaned, words


def _as_it_is(series: Timeseries, run: RunFiles, *, global_signal: bool | None) -> tuple[Timeseries, str, RunMotion]:
    kept, words, keep = _censor(series, run)
    motion = RunMotion(run.name, known_displacement(run, len(keep)), keep, series.tr_s)
    if global_signal:
        column = signal.global_signal(kept)[:, None]
        return (
            signal.regress(kept, column, names=["global signal"]),
            f"{words}, global signal regressed here",
            motion,
        )
    return kept, words, motion


def _censor(series: Timeseries, run: RunFiles) -> tuple[Timeseries, str, BoolArray]:
    """Leave out marked frames; returns also which of the frames that were measured are kept."""
    words = "denoised by the pipeline that wrote it, used as it is"
    if run.outliers is None:
        return series, words, np.ones(series.n_frames, dtype=bool)
    keep, already = files.keep_frames(run.outliers, n_frames=series.n_frames, series=run.paths[0])
    if already:
        return series, f"{words}, censored there", files.read_outliers(run.outliers)
    if not keep.any():
        raise SignalError(
            "every frame of this run is marked as an outlier",
            where=run.outliers,
            fix="choose other runs with --run-id, or a milder motion threshold in the denoising",
        )
    return signal.select_frames(series, keep), f"{words}, {int((~keep).sum())} outlier frames left out", keep
