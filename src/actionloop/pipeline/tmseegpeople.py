"""Whose TMS-EEG is asked for, and the sites of each person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from actionloop import facts
from actionloop.errors import InputError
from actionloop.files.bids import listed, natural_key
from actionloop.files.eeg import read_recording
from actionloop.files.eegbids import EegFile, find_eeg, list_eeg_people
from actionloop.tmseeg import ConnectivityOptions, near, place_of, sensors
from actionloop.types import Trials

CLEANED = "_desc-cleaned_epo.fif"
ACTIVE = "active"


@dataclass(frozen=True)
class EegChoice:
    """Whose recordings, and where results go.

    Attributes
    ----------
    source : Path
        A BIDS folder of recordings, or one that `tmseeg clean` wrote.
    out : Path
    participant_labels : tuple of str
        Everybody when empty.
    sites : tuple of str
        All that are there when empty.
    seed : int
    overwrite, stop_on_first_crash : bool
    """

    source: Path
    out: Path
    participant_labels: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    seed: int = 0
    overwrite: bool = False
    stop_on_first_crash: bool = False


def list_eeg(choice: EegChoice) -> list[str]:
    """Return the labels asked for; everybody with EEG if none was named.

    Raises
    ------
    InputError
        No such folder, or nobody in it has EEG.
    """
    everybody = list_eeg_people(choice.source)
    asked = [label.removeprefix("sub-") for label in choice.participant_labels]
    return list(dict.fromkeys(asked)) or everybody


def recordings_of(choice: EegChoice, label: str) -> tuple[EegFile, ...]:
    """Return one person's recordings of the sites asked for.

    Raises
    ------
    InputError
        A site that was asked for is missing.
    """
    found = find_eeg(choice.source, label)
    require_sites(choice, label, [one.site for one in found])
    return tuple(one for one in found if not choice.sites or one.site in choice.sites)


def require_sites(choice: EegChoice, label: str, found: Sequence[str]) -> None:
    """Refuse a person without a site that was asked for.

    Raises
    ------
    InputError
    """
    missing = [site for site in choice.sites if site not in found]
    if missing:
        raise InputError(
            f"sub-{label} has no recording of {', '.join(missing)}; there are {', '.join(sorted(set(found)))}",
            where=choice.source,
            fix="name the sites as the files do (acq-), or leave --sites out",
        )


def cleaned_of(choice: EegChoice, label: str) -> dict[tuple[str, str], Trials]:
    """Read one person's cleaned trials, by site and condition; the known sites first, in their usual order.

    Raises
    ------
    InputError
        Nobody of this label, nothing cleaned, or a site that was asked for is missing.
    """
    folder = choice.source / f"sub-{label}" / "eeg"
    files = [one for one in listed(folder) if one.name.endswith(CLEANED)] if folder.is_dir() else []
    if not files:
        raise InputError(
            f"sub-{label} has no cleaned trials (*{CLEANED})",
            where=choice.source,
            fix="clean the recordings first: actionloop tmseeg clean BIDS OUT",
        )
    found: dict[tuple[str, str], Trials] = {}
    for path in files:
        entities = dict(part.split("-", 1) for part in path.name.split("_") if "-" in part)
        site, condition = entities["acq"], ACTIVE
        for known in facts.load("eeg")["conditions"]:
            if site.endswith(known):
                site, condition = site.removesuffix(known), known
        trials = read_recording(path, site=site, condition=condition)
        if isinstance(trials, Trials):
            found[site, condition] = trials.with_data(trials.data, reference="average")
    require_sites(choice, label, [site for site, _ in found])
    usual = list(facts.load("eeg")["sites"])

    def rank(key: tuple[str, str]) -> tuple[int, tuple[tuple[int, int, str], ...], bool]:
        return usual.index(key[0]) if key[0] in usual else len(usual), natural_key(key[0]), key[1] != ACTIVE

    return {key: found[key] for key in sorted(found, key=rank) if not choice.sites or key[0] in choice.sites}


def near_channels(trials: Trials, *, at: str | None = None) -> tuple[str, ...]:
    """Return the good electrodes that stand for the stimulated site, as connectivity takes them.

    Raises
    ------
    OptionError
        It is not known where the site lies.
    """
    places = sensors(trials)
    found = near(places, place_of(trials, at), options=ConnectivityOptions())
    return tuple(name for name, one in zip(places.names, found, strict=True) if one)


def in_words(site: str, condition: str) -> str:
    """Name a recording: the site, and its condition where that is a control."""
    return site if condition == ACTIVE else f"{site} ({condition})"
