"""Simulated TMS-EEG as a BIDS data set, with the truth beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from actionloop import __version__, facts
from actionloop.errors import OptionError, OutputError
from actionloop.files import atomic_path, write_json, write_table, write_text
from actionloop.files.eeg import PULSE, write_brainvision
from actionloop.phantom.claiming import claim
from actionloop.phantom.eeghead import eeg_head
from actionloop.phantom.eegperson import EegOptions, EegTruth, SimulatedEeg, simulate_person
from actionloop.phantom.eegsites import eeg_site, site_names
from actionloop.types import Montage, Recording

TRUTH = "truth"
RECORD = "eeg.json"
_PLACES = "space-CapTrak"

Note = Callable[[str], object]


def make_eeg_people(
    out: str | Path,
    *,
    subjects: int = 1,
    seed: int = 0,
    options: EegOptions | None = None,
    control: bool = False,
    progress: Note | None = None,
) -> tuple[str, ...]:
    """Write a BIDS-EEG data set of people whose responses and coupling are known.

    Parameters
    ----------
    out : path
        New or empty folder, or one that an interrupted call with the same options left: it is finished then.
    subjects : int
    seed : int
        The same seed makes the same people, whatever their number.
    options : EegOptions, optional
    control : bool
        Write a sham recording of each site too (acq-M1sham), of the same person.
    progress : callable, optional
        Gets a line of text at each step.

    Returns
    -------
    tuple of str
        Labels of the people, without 'sub-'.

    Raises
    ------
    OptionError
        A number of people below 1, or a coupling that cannot be planted.
    OutputError
        `out` cannot be written, or holds something else.
    ResourceError
        The surfaces have not been fetched.
    """
    note: Note = progress or (lambda _: None)
    out, options = Path(out), options or EegOptions()
    if subjects < 1:
        raise OptionError(f"cannot make {subjects} people", fix="give at least 1")
    labels = tuple(f"P{number:02d}" for number in range(1, subjects + 1))
    try:
        _open(out, _about(options, seed) | ({"control": True} if control else {}))
        for number, label in enumerate(labels):
            if (out / TRUTH / f"sub-{label}_truth.json").is_file():
                note(f"sub-{label}: already there")
                continue
            note(f"sub-{label}: simulating {options.trials} pulses at each of {', '.join(options.sites)}")
            kinds = [replace(options, condition="sham"), options] if control else [options]
            for kind in kinds:
                person = simulate_person(kind, rng=np.random.default_rng([seed, number]))
                _write_person(out, label, person, kind, last=kind is options)
        write_table(out / "participants.tsv", [{"participant_id": f"sub-{label}"} for label in labels])
    except OSError as error:
        raise OutputError(
            f"cannot write: {error.strerror or error}", where=out, fix="check rights and space"
        ) from error
    return labels


def _about(options: EegOptions, seed: int) -> dict[str, Any]:
    """Return what makes one data set unlike another, as JSON has it."""
    content = {
        **asdict(options),
        "seed": int(seed),
        "version": int(facts.load("tmseeg_simulation")["version"]),
        "sites_version": int(facts.load("tmseeg_sites")["version"]),
        "actionloop": __version__,
    }
    plain: dict[str, Any] = json.loads(json.dumps(content))
    return plain


def _open(out: Path, about: Mapping[str, Any]) -> None:
    what = "Simulated people; nobody was recorded. Volts, seconds from the pulse, average reference."
    places = {name: asdict(eeg_site(name)) for name in site_names()}
    claim(out, out / TRUTH / RECORD, about, of="simulated EEG", about={"what": what, "places": places})
    write_text(out / ".bidsignore", f"{TRUTH}/\n")
    write_json(
        out / "dataset_description.json",
        {
            "Name": "actionloop simulated TMS-EEG",
            "BIDSVersion": "1.9.0",
            "DatasetType": "raw",
            "GeneratedBy": [
                {"Name": "actionloop phantom", "Version": __version__, "Description": "simulated; nobody was recorded"}
            ],
        },
    )


def _write_person(out: Path, label: str, person: SimulatedEeg, options: EegOptions, *, last: bool) -> None:
    folder = out / f"sub-{label}" / "eeg"
    _write_electrodes(folder, label, eeg_head().montage)
    ending = "" if options.condition == "active" else options.condition
    for site, recording in person.recordings.items():
        stem = folder / f"sub-{label}_task-tms_acq-{site}{ending}"
        write_brainvision(stem.with_name(f"{stem.name}_eeg.vhdr"), recording)
        _write_tables(stem, recording)
        write_json(stem.with_name(f"{stem.name}_eeg.json"), _sidecar(recording))
    _write_responses(out / TRUTH, label, person.truth, ending)
    if last:
        _write_truth(out / TRUTH, label, person.truth)


def _write_electrodes(folder: Path, label: str, montage: Montage) -> None:
    rows = [
        {"name": name, **dict(zip("xyz", map(float, place), strict=True))}
        for name, place in zip(montage.names, montage.xyz_head_mm, strict=True)
    ]
    write_table(folder / f"sub-{label}_{_PLACES}_electrodes.tsv", rows)
    write_json(
        folder / f"sub-{label}_{_PLACES}_coordsystem.json",
        {
            "EEGCoordinateSystem": "CapTrak",
            "EEGCoordinateUnits": "mm",
            "EEGCoordinateSystemDescription": "Origin between the ears, x to the right ear, y to the nasion, z up.",
        },
    )


def _write_tables(stem: Path, recording: Recording) -> None:
    # Which electrodes are bad is part of the truth: whoever cleans has to find them.
    rows = [{"name": name, "type": "EEG", "units": "µV"} for name in recording.names]
    write_table(stem.with_name(f"{stem.name}_channels.tsv"), rows)
    events = [
        {"onset": float(pulse / recording.sfreq_hz), "duration": 0.0, "trial_type": PULSE, "sample": int(pulse)}
        for pulse in recording.pulses
    ]
    lines = ["\t".join(events[0])]
    lines += [f"{one['onset']:.6f}\t0\t{one['trial_type']}\t{one['sample']}" for one in events]
    write_text(stem.with_name(f"{stem.name}_events.tsv"), "\n".join(lines) + "\n")


def _sidecar(recording: Recording) -> dict[str, Any]:
    """Return the JSON beside a recording; fields of stimulation are those of the NIBS proposal, where it has them."""
    settings = facts.load("tmseeg_simulation")
    site = eeg_site(recording.site)
    return {
        "TaskName": "tms",
        "TaskDescription": "Rest with single TMS pulses (simulated).",
        "SamplingFrequency": recording.sfreq_hz,
        "PowerLineFrequency": settings["line"]["hz"],
        "EEGReference": settings["head"]["reference"],
        "EEGChannelCount": len(recording.names),
        "RecordingType": "continuous",
        "RecordingDuration": recording.data.shape[1] / recording.sfreq_hz,
        "SoftwareFilters": "n/a",
        "NIBSType": "TMS",
        "StimulationSite": site.name,
        "StimulationCondition": recording.condition,
        "StimulationCoordinates": list(site.xyz_mni),
        "StimulationCoordinateSystem": "MNI152NLin6Asym",
        "StimulationPulseCount": len(recording.pulses),
    }


def _write_responses(folder: Path, label: str, truth: EegTruth, ending: str) -> None:
    for site in truth.evoked:
        arrays: dict[str, Any] = {name: getattr(truth, name)[site] for name in ("evoked", "direct", "auditory")}
        arrays |= {f"dwpli {band}": matrix for band, matrix in truth.coupling[site].items()}
        arrays |= {"times_s": truth.times_s, "names": np.array(eeg_head().montage.names)}
        with (
            atomic_path(folder / f"sub-{label}_acq-{site}{ending}_truth.npz") as temporary,
            temporary.open("wb") as stream,
        ):
            np.savez_compressed(stream, **arrays)


def _write_truth(folder: Path, label: str, truth: EegTruth) -> None:
    rows = [
        {
            "site": site,
            "band": one.band,
            "low_hz": one.band_hz[0],
            "high_hz": one.band_hz[1],
            "coherence": one.coherence,
            "global_dwpli": truth.global_dwpli[site][one.band],
            "rank": truth.rank.index(site) + 1,
        }
        for site, bands in truth.couplings.items()
        for one in bands
    ]
    write_table(folder / f"sub-{label}_desc-coupling_truth.tsv", rows)
    # Written last: a person with it is complete.
    write_json(
        folder / f"sub-{label}_truth.json",
        {"label": label, "rank_lowest_first": list(truth.rank), "bad_channels": list(truth.bads)},
    )
