"""Write a simulated session as the output of XCP-D, fMRIPrep or the HCP pipelines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from actionloop import __version__, facts
from actionloop.files import write_dtseries, write_json, write_table
from actionloop.phantom.denoise import denoise, kept_frames
from actionloop.phantom.loudness import BASELINE
from actionloop.phantom.series import Session
from actionloop.signal import global_signal
from actionloop.types import FloatArray

PhantomLayout = Literal["xcpd", "fmriprep", "hcp"]
MOTION_NAMES = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
_SPACE = "space-fsLR_den-91k"
_MADE_BY = {"Name": "actionloop phantom", "Version": __version__, "Description": "simulated; nobody was scanned"}
_LAID_OUT_AS: dict[PhantomLayout, tuple[str, ...]] = {"xcpd": ("xcp_d",), "fmriprep": ("fMRIPrep",), "hcp": ()}


def description(layout: PhantomLayout) -> dict[str, Any]:
    """Content of dataset_description.json."""
    like = [{"Name": name, "Description": "layout only: phantom made by actionloop"} for name in _LAID_OUT_AS[layout]]
    return {
        "Name": "actionloop phantom",
        "BIDSVersion": "1.9.0",
        "DatasetType": "derivative",
        "GeneratedBy": [*like, _MADE_BY],
    }


def series_path(out: Path, label: str, session: int, layout: PhantomLayout) -> Path:
    """Where a session's series goes; it is written last, so that a session with it is complete."""
    return _folder(out, label, session, layout) / _SERIES_NAME[layout].format(label=label, session=session)


def write_session(out: Path, label: str, number: int, session: Session, layout: PhantomLayout) -> None:
    """Write one session; its series is overwritten in memory.

    Parameters
    ----------
    out : Path
    label : str
        Without 'sub-'.
    number : int
        Session, from 1.
    session : Session
    layout : {'xcpd', 'fmriprep', 'hcp'}
    """
    _WRITERS[layout](out, label, number, session)


def _folder(out: Path, label: str, session: int, layout: PhantomLayout) -> Path:
    if layout == "hcp":
        return out / label / "MNINonLinear" / "Results" / f"rfMRI_REST{session}_AP"
    return out / f"sub-{label}" / f"ses-{session}" / "func"


def _write_xcpd(out: Path, label: str, number: int, session: Session) -> None:
    path = series_path(out, label, number, "xcpd")
    stem = f"sub-{label}_ses-{number}_task-rest"
    write_table(path.with_name(f"{stem}_motion.tsv"), _motion_rows(session))
    moved = [{"framewise_displacement": int(not keep)} for keep in kept_frames(session)]
    write_table(path.with_name(f"{stem}_outliers.tsv"), moved)
    how = facts.load("phantom")["denoising"]
    low, high = how["band_hz"]
    about = {
        "NuisanceParameters": how["name"],
        "SoftwareFilters": {"Bandpass filter": {"High-pass cutoff (Hz)": low, "Low-pass cutoff (Hz)": high}},
    }
    _write_series(path, session, about, denoise(session, with_global_signal=True, filtered=True))


def _write_fmriprep(out: Path, label: str, number: int, session: Session) -> None:
    path = series_path(out, label, number, "fmriprep")
    write_table(
        path.with_name(f"sub-{label}_ses-{number}_task-rest_desc-confounds_timeseries.tsv"), _confound_rows(session)
    )
    _write_series(path, session, {}, session.series)


def _write_hcp(out: Path, label: str, number: int, session: Session) -> None:
    path = series_path(out, label, number, "hcp")
    motion = session.motion * np.array([1, 1, 1, *[180 / np.pi] * 3])
    both = np.concatenate([motion, np.diff(motion, axis=0, prepend=motion[:1])], axis=1)
    lines = "\n".join(" ".join(f"{value:.6f}" for value in row) for row in both)
    from actionloop.files import write_text

    write_text(path.with_name("Movement_Regressors.txt"), lines + "\n")
    mean = session.series.data.mean(axis=0)
    series = denoise(session, with_global_signal=False, filtered=False)
    _write_series(path, session, None, replace(series, data=series.data + mean))


def _write_series(path: Path, session: Session, about: Mapping[str, Any] | None, series: Any) -> None:
    if about is not None:
        content = {
            "RepetitionTime": series.tr_s,
            "TaskName": "rest",
            "Density": "91,282 grayordinates: 2 mm",
            "SpatialReference": "fsLR",
            "Simulated": "phantom made by actionloop",
            "MeanFramewiseDisplacement": float(session.fd_mm.mean()),
            **about,
        }
        name = path.name.removesuffix(".dtseries.nii")
        write_json(path.with_name(f"{name}.json"), content)
    write_dtseries(path, series)


def _motion_rows(session: Session) -> list[dict[str, Any]]:
    return [
        dict(zip((*MOTION_NAMES, "framewise_displacement"), map(float, (*motion, fd)), strict=True))
        for motion, fd in zip(session.motion, session.fd_mm, strict=True)
    ]


def _confound_rows(session: Session) -> list[dict[str, Any]]:
    columns: dict[str, FloatArray] = {"global_signal": global_signal(session.series)}
    for i, name in enumerate(("csf", "white_matter")):
        columns[name] = BASELINE + 20 * session.components[:, i]
    columns["framewise_displacement"] = _missing_first(session.fd_mm)
    for i, name in enumerate(MOTION_NAMES):
        value = session.motion[:, i]
        change = np.diff(value, prepend=value[:1])
        columns |= {
            name: value,
            f"{name}_derivative1": _missing_first(change),
            f"{name}_power2": value**2,
            f"{name}_derivative1_power2": _missing_first(change**2),
        }
    columns |= {f"a_comp_cor_{i:02d}": session.components[:, i] for i in range(session.components.shape[1])}
    for i, frame in enumerate(np.flatnonzero(~kept_frames(session))):
        pulse = np.zeros(len(session.fd_mm))
        pulse[frame] = 1
        columns[f"motion_outlier{i:02d}"] = pulse
    values = np.stack(list(columns.values()), axis=1)
    return [dict(zip(columns, map(float, row), strict=True)) for row in values]


def _missing_first(values: FloatArray) -> FloatArray:
    return np.concatenate([[np.nan], values[1:]])


_SERIES_NAME: dict[PhantomLayout, str] = {
    "xcpd": f"sub-{{label}}_ses-{{session}}_task-rest_{_SPACE}_desc-denoised_bold.dtseries.nii",
    "fmriprep": f"sub-{{label}}_ses-{{session}}_task-rest_{_SPACE}_bold.dtseries.nii",
    "hcp": "rfMRI_REST{session}_AP_Atlas_MSMAll_hp0_clean.dtseries.nii",
}
_WRITERS: dict[PhantomLayout, Callable[[Path, str, int, Session], None]] = {
    "xcpd": _write_xcpd,
    "fmriprep": _write_fmriprep,
    "hcp": _write_hcp,
}
