"""Cutting trials around pulses, without any filter."""

from __future__ import annotations

import numpy as np

from actionloop import facts
from actionloop.errors import SignalError
from actionloop.tmseeg.channels import find_broken, require_enough
from actionloop.tmseeg.pulses import find_pulses, require_single
from actionloop.types import Recording, Trials


def cut_trials(recording: Recording, *, start_s: float, stop_s: float) -> tuple[Trials, dict[str, str], list[str]]:
    """Cut trials around the pulses of a recording; flat and saturated channels are marked as bad.

    Pulses are found where the recording names none. Trials that reach beyond the recording are left out.

    Parameters
    ----------
    recording : Recording
    start_s, stop_s : float
        Ends of a trial against the pulse; the first below 0.

    Returns
    -------
    trials : Trials
        Raw values; zero in bad channels that held no numbers.
    broken : dict of str to str
        Channels that were marked, and why.
    notes : list of str
        What the reader of the log should know.

    Raises
    ------
    SignalError
        No pulse, pulses nearer than a trial lasts, too many bad channels, too few trials.
    """
    notes = []
    pulses = recording.pulses
    if len(pulses):
        require_single(pulses, recording)
    else:
        pulses = find_pulses(recording)
        notes.append(f"{len(pulses)} pulses found by their size and steepness")
    rate = recording.sfreq_hz
    first, last = round(start_s * rate), round(stop_s * rate)
    gaps = np.diff(pulses)
    if len(gaps) and gaps.min() < last - first:
        raise SignalError(
            f"pulses come as near as {gaps.min() / rate:.3g} s to each other, but a trial lasts "
            f"{stop_s - start_s:.3g} s",
            where=recording.source or None,
            fix="give the step 'cut' shorter trials (start_s, stop_s), so that no sample is in two of them",
        )
    broken = find_broken(recording, pulses)
    bads = (*recording.bads, *broken)
    require_enough(recording.names, {name: broken.get(name, "marked") for name in bads}, source=recording.source)
    inside = (pulses + first >= 0) & (pulses + last < recording.data.shape[1])
    if not inside.all():
        notes.append(f"{int((~inside).sum())} trials reach beyond the recording and were left out")
    notes += require_trials(int(inside.sum()), source=recording.source)
    data = np.stack([recording.data[:, pulse + first : pulse + last + 1] for pulse in pulses[inside]])
    marked = [recording.names.index(name) for name in bads]
    data[:, marked] = np.nan_to_num(data[:, marked], nan=0.0, posinf=0.0, neginf=0.0)
    trials = Trials(
        data,
        sfreq_hz=rate,
        start_s=first / rate,
        montage=recording.montage,
        bads=bads,
        site=recording.site,
        condition=recording.condition,
        source=recording.source,
    )
    return trials, broken, notes


def require_trials(count: int, *, source: str) -> list[str]:
    """Refuse too few trials; return a warning where they are few.

    Raises
    ------
    SignalError
        Fewer than the stated number.
    """
    limits = facts.load("tmseeg_cleaning")["trials"]
    least, few = int(limits["refuse_below"]), int(limits["warn_below"])
    if count < least:
        raise SignalError(
            f"there are {count} trials, and at least {least} are needed",
            where=source or None,
            fix="record more pulses at this site, or check that the pulses' events are all there",
        )
    return [f"only {count} trials: below {few} the late response is not yet repeatable"] if count < few else []
