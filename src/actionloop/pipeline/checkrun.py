"""One run for `check`: its length, the frames that motion leaves, and whether its signal is what it is said to be."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from actionloop import facts, files, signal
from actionloop.errors import ActionloopError, InputError, SignalError
from actionloop.files import RunFiles, VolumeRun
from actionloop.pipeline import advice
from actionloop.pipeline.checked import Finding, RunCheck
from actionloop.pipeline.judge import judge_run
from actionloop.pipeline.leftover import fast_share, mean_in_sd, motion_share
from actionloop.pipeline.sampled import Sample, sample
from actionloop.pipeline.usable import Frames, Usable, thresholds_mm, usable_frames
from actionloop.types import BoolArray, Grayordinates, Timeseries

_TRIED_ROWS = 20
_FEWEST_ROWS = 3
"""Fewer rows than this may be nothing but their own mean, which cleaning removes."""
_PIPELINES = {"xcpd": "XCP-D", "hcp": "FIX", "dcan": "the DCAN pipeline"}


def check_run(
    run: RunFiles, wanted: Mapping[str, BoolArray], *, layout: str, others: Sequence[Mapping[str, str]]
) -> tuple[RunCheck, list[Finding], list[str]]:
    """Look at one run.

    Parameters
    ----------
    run : RunFiles
    wanted : mapping of str to (row,) bool ndarray
        Networks' rows of the standard 59,412.
    layout : str
    others : sequence of mapping
        Entities of the person's other runs, for the advice.

    Returns
    -------
    RunCheck
    findings : list of Finding
    notes : list of str

    Raises
    ------
    ActionloopError
        The series cannot be read.
    """
    seen = sample(run, wanted)
    findings: list[Finding] = []
    if not seen.data.shape[1]:
        raise SignalError(
            "no cortical row has any signal", where=run.paths[0], fix="check the step that wrote this series"
        )
    tr_s = run.tr_s if run.tr_s is not None else seen.tr_s
    findings += _implausible(tr_s, run)
    if findings:
        tr_s = None
    frames = _frames(run, seen, findings)
    notes = [*seen.notes, *frames.notes]
    _compare_times(run, tr_s, findings)
    checked = RunCheck(
        name=run.name,
        file=run.paths[0].name,
        state="denoised" if run.cleaned else "preprocessed",
        frames=seen.n_frames,
        tr_s=tr_s,
        usable=frames.usable,
        motion_from=frames.source,
        missing=seen.missing,
        **_signs(run, seen, frames, tr_s),
    )
    if run.outliers is not None and run.outliers.suffix == ".mat":
        notes.append(
            f"{run.name}: `plan` does not read {run.outliers.name}: give it the frames as a table with --outliers (one "
            "column framewise_displacement, 1 is removed), or it keeps every frame"
        )
    if run.cleaned:
        found, said = judge_run(
            checked, layout=layout, cleaned_by=_whose(run, layout), has_mask=run.outliers is not None
        )
        findings += found
        notes += said
    else:
        how = "regresses its table" if frames.motion is None else signal.plain_cleaning().name
        notes.append(f"{run.name} is preprocessed and not denoised: `plan` cleans it ({how})")
        findings += _trial(run, seen, frames, tr_s, others)
    return checked, findings, notes


def check_volume(run: VolumeRun) -> tuple[RunCheck, list[Finding], list[str]]:
    """Look at one run of voxels: its header and its confounds.

    Parameters
    ----------
    run : VolumeRun

    Returns
    -------
    RunCheck
    findings : list of Finding
    notes : list of str

    Raises
    ------
    InputError
        The table of confounds cannot be used.
    """
    frames = usable_frames(run.n_frames, table=run.confounds, outliers=None, series=run.path)
    findings: list[Finding] = []
    notes = list(frames.notes)
    if run.components:
        parts = ", ".join(f"{count} {kind}" for kind, count in run.components.items())
        notes.append(f"{run.name}: tedana's components: {parts}")
        if not run.components.get("accepted") or not run.components.get("rejected"):
            fix = "look at tedana_report.html, and reclassify with ica_reclassify or run tedana again"
            findings.append(Finding("amber", f"tedana's classification looks unfinished: {parts}", fix, run.name))
    checked = RunCheck(
        run.name, run.path.name, "volumes", run.n_frames, run.tr_s, frames.usable or _unknown(), frames.source
    )
    return checked, findings, notes


def _frames(run: RunFiles, seen: Sample, findings: list[Finding]) -> Frames:
    """Count frames; a table that cannot be used is a finding: red where `plan` would need it."""
    table = run.motion or run.confounds
    try:
        return usable_frames(seen.n_frames, table=table, outliers=run.outliers, series=run.paths[0])
    except ActionloopError as error:
        needed = not run.cleaned or error.where == str(run.outliers)
        place = f" ({error.where.rsplit('/', 1)[-1]})" if error.where else ""
        fix = error.fix or "copy or make the table again"
        findings.append(Finding("red" if needed else "amber", f"{error.problem}{place}", fix, run.name))
    return Frames(_unknown(), "")


def _unknown() -> tuple[Usable, ...]:
    return tuple(Usable(limit, None, None) for limit in thresholds_mm())


def _signs(run: RunFiles, seen: Sample, frames: Frames, tr_s: float | None) -> dict[str, float | None]:
    edge_hz = float(facts.load("check")["spectrum"]["edge_hz"])
    signs: dict[str, float | None] = {"mean_sd": _told(mean_in_sd(seen.data))}
    signs["fast_share"] = None if tr_s is None else _told(fast_share(seen.data, tr_s=tr_s, edge_hz=edge_hz))
    signs["motion_share"] = None
    if run.cleaned and frames.motion is not None:
        signs["motion_share"] = _told(motion_share(seen.data, frames.motion, keep=frames.keep))
    return signs


def _told(value: float) -> float | None:
    return None if math.isnan(value) else value


def _whose(run: RunFiles, layout: str) -> str:
    if layout in _PIPELINES:
        return f"denoised by {_PIPELINES[layout]}"
    if run.outliers is not None or run.filtered:
        return "comes with a mask of frames as denoised series do"
    return "taken as denoised, since no confounds lie beside it"


def _implausible(tr_s: float | None, run: RunFiles) -> list[Finding]:
    if tr_s is None or 0.05 <= tr_s <= 20:
        return []
    what = f"the repetition time is {tr_s:g} s, which cannot be"
    fix = f"correct the sidecar, or give it in seconds: --tr {tr_s / 1000:g}" if tr_s > 20 else "give it: --tr 0.8"
    return [Finding("red", what, fix, run.name)]


def _compare_times(run: RunFiles, tr_s: float | None, findings: list[Finding]) -> None:
    """Compare the repetition time of the series with that of DCAN's masks."""
    if tr_s is None or run.outliers is None or run.outliers.suffix != ".mat":
        return
    try:
        stated = files.read_removal_masks(run.outliers)[0].tr_s
    except InputError:
        return  # told already
    if stated is not None and abs(stated - tr_s) > 0.01 * tr_s:
        what = f"the series says TR {tr_s:g} s, its mask {run.outliers.name} {stated:g} s"
        findings.append(Finding("amber", what, f"correct the wrong one; for the series: --tr {stated:g}", run.name))


def _trial(
    run: RunFiles, seen: Sample, frames: Frames, tr_s: float | None, others: Sequence[Mapping[str, str]]
) -> list[Finding]:
    """Clean a few rows as `plan` would clean all, and tell what it would refuse."""
    table = run.motion or run.confounds
    if table is None:
        what = "preprocessed and not denoised, and its confounds or motion parameters are missing"
        return [Finding("red", what, "keep the table of confounds (HCP: Movement_Regressors.txt) beside it", run.name)]
    if frames.motion is None or tr_s is None or seen.data.shape[1] < _FEWEST_ROWS:
        return []
    rows = np.ascontiguousarray(seen.data[:, :_TRIED_ROWS])
    axis = Grayordinates(np.arange(rows.shape[1]), np.arange(0))
    try:
        signal.clean(
            Timeseries(rows, axis, tr_s, str(run.paths[0])),
            frames.motion,
            cleaning=signal.plain_cleaning(),
            fd_mm=frames.fd_mm,
            keep=frames.keep,
        )
    except SignalError as error:
        fix = advice.leave_out(run.entities, others) if others else error.fix
        return [Finding("red", f"`plan` refuses this run: {error.problem}", fix or "scan again", run.name)]
    return []
