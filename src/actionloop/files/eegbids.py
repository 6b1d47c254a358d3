"""TMS-EEG in BIDS: which file is which site of which person, and the tables beside it."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from actionloop import facts
from actionloop.errors import GeometryError, InputError, SignalError
from actionloop.files.bids import (
    BidsFile,
    data_folders,
    files_in,
    natural_key,
    people_folders,
    run_entities,
    same_label,
    without_prefix,
)
from actionloop.files.eeg import SUFFIXES, read_recording
from actionloop.files.sidecar import read_json, sidecar
from actionloop.types import FloatArray, Montage, Recording, Trials

_TO_MM = {"m": 1000.0, "cm": 10.0, "mm": 1.0}
_SITE_KEYS = ("StimulationSite", "NIBSTarget", "TargetName")


@dataclass(frozen=True)
class EegFile:
    """One recording of one site.

    Attributes
    ----------
    path : Path
    site : str
    condition : str
        'active', 'sham' or 'masked'.
    channels, electrodes, events : Path or None
        The tables beside it.
    about : mapping
        Its JSON, inherited ones included.
    """

    path: Path
    site: str
    condition: str
    channels: Path | None
    electrodes: Path | None
    events: Path | None
    about: Mapping[str, Any]

    @property
    def parts(self) -> tuple[Path, ...]:
        """Every file that the recording itself consists of."""
        stem = self.path.with_suffix("")
        beside = [stem.with_suffix(one) for one in (".eeg", ".dat", ".vmrk", ".fdt")]
        return (self.path, *(one for one in beside if one.is_file()))

    def read(self, *, montage: str | None = None, pulses: str | None = None) -> Recording | Trials:
        """Read the recording with the bad channels and places that the tables name; see `read_recording`."""
        places = montage or (None if self.electrodes is None else read_electrodes(self.electrodes))
        bads = None if self.channels is None else bad_channels(self.channels)
        marked = None if self.events is None else read_pulses(self.events, pulses)
        return read_recording(
            self.path,
            site=self.site,
            condition=self.condition,
            montage=places,
            pulses=pulses if marked is None else marked,
            bads=bads,
        )


def list_eeg_people(root: str | Path) -> list[str]:
    """Return the labels of those who have EEG.

    Raises
    ------
    InputError
        No such folder, or nobody in it has EEG.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError("expected a BIDS folder", where=root, fix="give the folder that holds sub-*")
    found = [label for label, folder in people_folders(root).items() if data_folders(folder, "eeg")]
    if not found:
        raise InputError("nobody here has EEG (sub-*/[ses-*/]eeg)", where=root, fix="give the BIDS folder itself")
    return sorted(found, key=natural_key)


def find_eeg(root: str | Path, label: str) -> tuple[EegFile, ...]:
    """Find every recording of one person.

    The site is the `acq-` label, or `StimulationSite`, `NIBSTarget` or `TargetName` in the JSON beside it.

    Raises
    ------
    InputError
        No such person, no recording, one whose site is not named, or two of one site and condition.
    """
    root = Path(root)
    people = people_folders(root)
    label = without_prefix(label, "sub")
    known = next((one for one in people if same_label(one, label)), None)
    if known is None:
        raise InputError(
            f"there is no sub-{label}",
            where=root,
            fix=f"found: {', '.join(sorted(people, key=natural_key)) or 'nobody'}",
        )
    beside = files_in(data_folders(people[known], "eeg"))
    series = [one for one in beside if one.suffix == "eeg" and one.extension in SUFFIXES]
    if not series:
        raise InputError(f"sub-{known} has no EEG recording ({', '.join(SUFFIXES)})", where=people[known])
    found = [_described(one, beside, root) for one in series]
    for one in found:
        twins = [other.path.name for other in found if (other.site, other.condition) == (one.site, one.condition)]
        if len(twins) > 1:
            raise InputError(
                f"two recordings of {one.site} ({one.condition}): {', '.join(twins)}",
                where=one.path.parent,
                fix="keep one, or name the other's acq- after its condition (M1sham, M1masked)",
            )
    return tuple(sorted(found, key=lambda one: (one.site, one.condition)))


def _described(one: BidsFile, beside: list[BidsFile], root: Path) -> EegFile:
    about = sidecar(one.path, root=root)
    words = one.get("acquisition") or next((str(about[key]) for key in _SITE_KEYS if about.get(key)), None)
    if words is None:
        raise InputError(
            "the recording does not say which site was stimulated",
            where=one.path,
            fix=f"name it acq-M1, acq-DLPFC, acq-ACC or acq-PSI, or write {_SITE_KEYS[0]} into its JSON",
        )
    site, condition = read_site(words)

    def table(suffix: str) -> Path | None:
        run = run_entities(one.entities)
        shared = [
            each
            for each in beside
            if each.suffix == suffix
            and each.extension == ".tsv"
            and set(run_entities(each.entities).items()) <= set(run.items())
        ]
        nearest = max(shared, key=lambda each: len(each.entities), default=None)
        return None if nearest is None else nearest.path

    return EegFile(one.path, site, condition, table("channels"), table("electrodes"), table("events"), about)


def read_site(words: str) -> tuple[str, str]:
    """Take a label apart: site and condition; an unknown site keeps its name."""
    known = facts.load("eeg")
    plain = "".join(letter for letter in words.lower() if letter.isalnum())
    condition = "active"
    for name, endings in known["conditions"].items():
        for ending in endings:
            if plain.endswith(ending) and plain != ending:
                condition, plain = name, plain.removesuffix(ending)
    site = next((name for name, spelt in known["sites"].items() if plain in spelt), None)
    return (site or (words if condition == "active" else plain)), condition


def bad_channels(path: Path) -> tuple[str, ...]:
    """Return the channels that channels.tsv calls bad.

    Raises
    ------
    InputError
        No column 'name', or a file that cannot be read.
    """
    rows = _rows(path, ("name",))
    return tuple(row["name"] for row in rows if (row.get("status") or "").strip().lower() == "bad")


def read_pulses(path: Path, wanted: str | None = None) -> FloatArray | None:
    """Return onsets of the pulses that events.tsv lists, s; None where it lists none.

    Raises
    ------
    InputError
        No column 'onset', or an onset that is no number.
    SignalError
        No events of the wanted name.
    """
    rows = _rows(path, ("onset",))
    words = facts.load("eeg")["pulse_words"]
    names = [row.get("trial_type") or row.get("value") or "" for row in rows]
    if wanted is not None and wanted not in names:
        raise SignalError(
            f"there are no events named {wanted!r}", where=path, fix=f"the table has {', '.join(sorted(set(names)))}"
        )
    chosen = [
        row["onset"]
        for row, name in zip(rows, names, strict=True)
        if (name == wanted if wanted is not None else any(word in name.lower() for word in words))
    ]
    try:
        return np.array([float(one) for one in chosen]) if chosen else None
    except ValueError as error:
        raise InputError(f"an onset is no number ({error})", where=path) from error


def read_electrodes(path: Path) -> Montage:
    """Read electrodes.tsv with its coordsystem.json; head coordinates (x right, y nose, z up).

    Raises
    ------
    InputError, GeometryError
        Columns, unit or coordinate system that are missing or unknown.
    """
    rows = _rows(path, ("name", "x", "y", "z"))
    about = _coordinates(path)
    unit = str(about.get("EEGCoordinateUnits", ""))
    if unit not in _TO_MM:
        raise GeometryError(
            f"the unit of the electrodes is {unit or 'not stated'}",
            where=path,
            fix="write EEGCoordinateUnits (m, cm or mm) into coordsystem.json",
        )
    system = str(about.get("EEGCoordinateSystem", ""))
    if system not in ("CapTrak", "EEGLAB-HJ", "Other"):
        raise GeometryError(
            f"electrodes are in the coordinate system {system or '(not stated)'}",
            where=path,
            fix="give them as CapTrak (x to the right ear, y to the nose, z up), or name a montage: --montage",
        )
    try:
        values = [[float(row[axis]) for axis in "xyz"] for row in rows if "n/a" not in (row["x"], row["y"], row["z"])]
    except (TypeError, ValueError) as error:
        raise InputError(f"a place is no number ({error})", where=path) from error
    names = tuple(row["name"] for row in rows if "n/a" not in (row["x"], row["y"], row["z"]))
    try:
        return Montage(names, np.array(values, dtype=np.float64).reshape(-1, 3) * _TO_MM[unit])
    except GeometryError as error:
        raise GeometryError(error.problem, where=path, fix=error.fix) from error


def _coordinates(path: Path) -> dict[str, Any]:
    """Find coordsystem.json beside electrodes.tsv."""
    own = path.with_name(path.name.replace("_electrodes.tsv", "_coordsystem.json"))
    near = [own, *sorted(path.parent.glob("*_coordsystem.json"))]
    found = next((one for one in near if one.is_file()), None)
    if found is None:
        raise GeometryError(
            "electrodes.tsv has no coordsystem.json beside it, so its unit and axes are not known",
            where=path,
            fix="copy it, or name a montage: --montage",
        )
    return read_json(found)


def _rows(path: Path, needed: tuple[str, ...]) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"the table cannot be read ({error})", where=path) from error
    missing = [name for name in needed if not rows or name not in rows[0]]
    if missing:
        raise InputError(f"the table lacks {', '.join(missing)}", where=path, fix="see BIDS-EEG for its columns")
    return rows
