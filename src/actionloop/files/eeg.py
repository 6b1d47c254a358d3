"""Electroencephalography as files: MNE's .fif, BrainVision and EEGLAB .set in; BrainVision and .fif out."""

from __future__ import annotations

import re
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actionloop import facts
from actionloop.errors import GeometryError, InputError, SignalError
from actionloop.files.atomic import atomic_path
from actionloop.files.opening import check_file, reading
from actionloop.types import FloatArray, IntArray, Montage, Recording, Trials

SUFFIXES = (".fif", ".fif.gz", ".vhdr", ".set")
PULSE = "TMS pulse"
_MM = 1000.0
# 10-20 names: odd on the left, even on the right, z in the middle.
_SIDED = re.compile(r"^(?:Fp|AF|F|FC|FT|C|CP|T|TP|P|PO|O|I)(\d+|z)(?:h)?$", re.IGNORECASE)
_NEAR_MIDLINE_MM = 8.0


def require_mne(where: str | Path | None = None) -> Any:
    """Import MNE.

    Raises
    ------
    InputError
        It is not installed.
    """
    try:
        import mne
    except ImportError as error:
        raise InputError(
            "EEG needs the extra 'tmseeg' (MNE)", where=where, fix="pip install 'actionloop[tmseeg]'"
        ) from error
    return mne


def read_recording(
    path: str | Path,
    *,
    site: str = "",
    condition: str = "active",
    montage: Montage | str | None = None,
    pulses: str | FloatArray | None = None,
    bads: Sequence[str] | None = None,
) -> Recording | Trials:
    """Read one stimulated site: continuous with its pulses, or trials that were cut elsewhere.

    Channels that are no EEG are left out. Pulses come from the file's annotations or triggers: those of the name
    `pulses`; else those whose name says TMS or pulse; else those of the only name that there is; else none.

    Parameters
    ----------
    path : str or Path
        .fif, .vhdr or .set.
    site, condition : str
    montage : Montage or str, optional
        Electrode places, or the name of one of MNE's montages; otherwise the file's own.
    pulses : str or (pulse,) float ndarray, optional
        Name of the pulses' annotation, or their onsets, s from the recording's beginning.
    bads : sequence of str, optional
        Bad channels; otherwise those that the file names.

    Raises
    ------
    InputError
        MNE is missing, or a file that cannot be read.
    SignalError, GeometryError
        No EEG channel, no places, electrodes on the wrong side, no such pulses, values that are no numbers.
    """
    path = check_file(path)
    mne = require_mne(path)
    raw, cut = _open(mne, path)
    with reading(path, "an EEG recording"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if isinstance(montage, str):
            raw.set_montage(_standard(mne, montage), match_case=False, on_missing="ignore", verbose="ERROR")
    picks = mne.pick_types(raw.info, meg=False, eeg=True, exclude=())
    if not len(picks):
        raise SignalError("there is no EEG channel", where=path, fix="check the channels' types (channels.tsv)")
    names = [raw.ch_names[k] for k in picks]
    bad = tuple(name for name in (raw.info["bads"] if bads is None else bads) if name in names)
    places = _places(raw, picks, montage, path)
    known = np.array([np.isfinite(place).all() or name not in bad for name, place in zip(names, places, strict=True)])
    kept = [name for name, one in zip(names, known, strict=True) if one]
    try:
        own = Montage(tuple(kept), places[known])
        require_sides(own)
    except GeometryError as error:
        raise GeometryError(error.problem, where=path, fix=error.fix or "name a montage: --montage") from error
    bad = tuple(name for name in bad if name in kept)
    rate = float(raw.info["sfreq"])
    if cut:
        return Trials(
            raw.get_data(picks=kept), rate, float(raw.times[0]), own, bad, site, condition, str(path), "recorded"
        )
    if pulses is None or isinstance(pulses, str):
        found = _pulses(mne, raw, pulses, path)
    else:
        found = np.unique(np.round(np.asarray(pulses) * rate).astype(np.int64))
    return Recording(raw.get_data(picks=kept), rate, found, own, bad, site, condition, str(path))


def _open(mne: Any, path: Path) -> tuple[Any, bool]:
    """Open a file; tells whether it holds trials."""
    name = path.name.lower()
    with reading(path, "an EEG recording"):
        if name.endswith((".fif", ".fif.gz")):
            if re.search(r"[-_]epo\.fif", name):
                return mne.read_epochs(path, verbose="ERROR"), True
            return mne.io.read_raw_fif(path, preload=True, verbose="ERROR"), False
        if name.endswith(".vhdr"):
            return mne.io.read_raw_brainvision(path, preload=True, verbose="ERROR"), False
        if name.endswith(".set"):
            try:
                return mne.io.read_raw_eeglab(path, preload=True, verbose="ERROR"), False
            except TypeError:  # MNE's word for a file of trials
                return mne.read_epochs_eeglab(path, verbose="ERROR"), True
    raise InputError(
        f"expected an EEG file ({', '.join(SUFFIXES)}), found {path.suffix or 'no suffix'}",
        where=path,
        fix="export the recording as BrainVision, EEGLAB .set or MNE .fif",
    )


def _standard(mne: Any, name: str) -> Any:
    try:
        return mne.channels.make_standard_montage(name)
    except ValueError as error:
        known = ", ".join(mne.channels.get_builtin_montages())
        raise GeometryError(f"there is no montage {name!r}", fix=f"choose one of {known}") from error


def _places(raw: Any, picks: IntArray, montage: Montage | str | None, path: Path) -> FloatArray:
    """Return the places of the channels in head coordinates, mm; NaN where unknown."""
    if isinstance(montage, Montage):
        given = dict(zip(montage.names, montage.xyz_head_mm, strict=True))
        return np.array([given.get(raw.ch_names[k], np.full(3, np.nan)) for k in picks])
    places = np.array([raw.info["chs"][k]["loc"][:3] for k in picks], dtype=np.float64)
    places[~np.isfinite(places).all(axis=1) | (np.abs(places).sum(axis=1) == 0)] = np.nan
    if not np.isfinite(places).any():
        raise GeometryError(
            "the file does not say where its electrodes are",
            where=path,
            fix="name a montage (--montage colin27_1005), or give electrodes.tsv",
        )
    return places * _MM


def require_sides(montage: Montage) -> None:
    """Refuse a montage whose 10-20 names lie on the other side of the head.

    Raises
    ------
    GeometryError
        Most odd names lie on the right, or most even ones on the left.
    """
    wrong, sided = [], 0
    for name, (x, _, _) in zip(montage.names, montage.xyz_head_mm, strict=True):
        named = _SIDED.match(name)
        if named is None or named[1].lower() == "z" or abs(x) < _NEAR_MIDLINE_MM:
            continue
        sided += 1
        if (int(named[1]) % 2 == 1) != (x < 0):
            wrong.append(name)
    if wrong and 2 * len(wrong) > sided:
        raise GeometryError(
            f"{len(wrong)} of {sided} electrodes lie on the side that their 10-20 names exclude, such as {wrong[0]}: "
            "left and right are exchanged",
            fix="check the montage, or the axes of electrodes.tsv (x to the right ear, y to the nose)",
        )
    if wrong:
        raise GeometryError(
            f"electrodes lie on the side that their 10-20 names exclude: {', '.join(wrong)}",
            fix="check the montage's name and the channels' names",
        )


def _pulses(mne: Any, raw: Any, wanted: str | None, path: Path) -> IntArray:
    """Return the samples at which pulses begin."""
    samples, names = _marked(mne, raw)
    kinds = sorted(set(names))
    if wanted is not None:
        if wanted not in kinds:
            had = ", ".join(map(repr, kinds)) or "none"
            raise SignalError(f"there are no events named {wanted!r}", where=path, fix=f"the file has {had}")
        chosen = [wanted]
    else:
        words = facts.load("eeg")["pulse_words"]
        told = [kind for kind in kinds if any(word in kind.lower() for word in words)]
        chosen = told if len(told) == 1 else kinds if len(kinds) == 1 else []
        if len(told) > 1:
            raise SignalError(
                f"several kinds of events may be the pulses: {', '.join(map(repr, told))}",
                where=path,
                fix="name the one: --pulses NAME",
            )
    return np.unique([sample for sample, name in zip(samples, names, strict=True) if name in chosen]).astype(np.int64)


def _marked(mne: Any, raw: Any) -> tuple[list[int], list[str]]:
    """Return samples and names of annotations, or of the trigger channel where there is no annotation."""
    skipped = tuple(facts.load("eeg")["no_events"])
    samples, names = [], []
    for one in raw.annotations:
        name = str(one["description"])
        if not name.lower().startswith(skipped):
            samples.append(round((one["onset"] - raw.first_time) * raw.info["sfreq"]))
            names.append(name)
    if samples or not len(mne.pick_types(raw.info, meg=False, stim=True)):
        inside = [k for k, sample in enumerate(samples) if 0 <= sample < raw.n_times]
        return [samples[k] for k in inside], [names[k] for k in inside]
    events = mne.find_events(raw, shortest_event=1, verbose="ERROR")
    return [int(event[0] - raw.first_samp) for event in events], [str(event[2]) for event in events]


def write_brainvision(path: str | Path, recording: Recording) -> None:
    """Write a recording as BrainVision: .vhdr, .vmrk and .eeg (float, µV), pulses marked as 'TMS pulse'.

    Raises
    ------
    InputError
        pybv is missing.
    OutputError
        A file cannot be written.
    """
    try:
        import pybv
    except ImportError as error:
        raise InputError(
            "writing EEG needs the extra 'tmseeg' (pybv)", where=path, fix="pip install 'actionloop[tmseeg]'"
        ) from error
    path = Path(path)
    events = [{"onset": int(one), "type": "Comment", "description": PULSE} for one in recording.pulses]
    stem = path.name.removesuffix(".vhdr")
    # The header names the other two, so it comes last and only when those are whole.
    with (
        atomic_path(path) as header,
        atomic_path(path.with_name(f"{stem}.vmrk")) as marks,
        atomic_path(path.with_name(f"{stem}.eeg")) as values,
        tempfile.TemporaryDirectory(dir=path.parent, prefix=".actionloop-") as scratch,
    ):
        pybv.write_brainvision(
            data=recording.data,
            sfreq=recording.sfreq_hz,
            ch_names=list(recording.names),
            fname_base=stem,
            folder_out=scratch,
            events=events,
            fmt="binary_float32",
        )
        for written, place in ((".vhdr", header), (".vmrk", marks), (".eeg", values)):
            (Path(scratch) / f"{stem}{written}").replace(place)


def write_trials(path: str | Path, trials: Trials) -> None:
    """Write trials as MNE epochs, `..._epo.fif`.

    Raises
    ------
    InputError
        MNE is missing, or a name that MNE would not read as trials.
    OutputError
        The file cannot be written.
    """
    path = Path(path)
    if not path.name.endswith("_epo.fif"):
        raise InputError("trials are written as ..._epo.fif", where=path)
    mne = require_mne(path)
    info = mne.create_info(list(trials.names), trials.sfreq_hz, "eeg", verbose="ERROR")
    places = dict(zip(trials.names, trials.montage.xyz_head_mm / _MM, strict=True))
    info.set_montage(mne.channels.make_dig_montage(places, coord_frame="head"), verbose="ERROR")
    info["bads"] = list(trials.bads)
    epochs = mne.EpochsArray(trials.data, info, tmin=trials.start_s, verbose="ERROR")
    with atomic_path(path) as temporary:
        epochs.save(temporary, overwrite=True, fmt="double", verbose="ERROR")
