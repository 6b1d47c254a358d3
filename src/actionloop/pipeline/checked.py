"""What `check` found: of each run, of each person, of the data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from actionloop.pipeline.usable import Usable, minutes

Light = Literal["green", "amber", "red"]
_WORST: tuple[Light, ...] = ("green", "amber", "red")


@dataclass(frozen=True)
class Finding:
    """Something that keeps a person from green.

    Attributes
    ----------
    light : {'amber', 'red'}
        Amber: a map can be made, with this against it. Red: `plan` would refuse, or its map would not be worth ranking.
    what : str
    fix : str
        Flag or step.
    run : str
        Empty where it concerns the person.
    """

    light: Light
    what: str
    fix: str
    run: str = ""


@dataclass(frozen=True)
class RunCheck:
    """One run.

    Attributes
    ----------
    name, file : str
    state : {'denoised', 'preprocessed', 'volumes'}
    frames : int
    tr_s : float or None
    usable : tuple of Usable
        One per threshold of framewise displacement.
    motion_from : str
        What these come from; empty where motion is not known.
    missing : mapping of str to float
        By network, share of its rows without signal.
    mean_sd, fast_share, motion_share : float or None
        Signs of unfinished denoising (see `leftover`); None where they were not or cannot be told.
    """

    name: str
    file: str
    state: Literal["denoised", "preprocessed", "volumes"]
    frames: int
    tr_s: float | None
    usable: tuple[Usable, ...] = ()
    motion_from: str = ""
    missing: Mapping[str, float] = field(default_factory=dict)
    mean_sd: float | None = None
    fast_share: float | None = None
    motion_share: float | None = None

    @property
    def minutes(self) -> float | None:
        """Length; None without a repetition time."""
        return minutes([self.frames], [self.tr_s])


@dataclass(frozen=True)
class PersonCheck:
    """One person.

    Attributes
    ----------
    label : str
        Without 'sub-'.
    layout : str
    readable : bool
        False where no run could be read.
    runs : tuple of RunCheck
        Those that could be read.
    findings : tuple of Finding
        Red ones first.
    notes : tuple of str
        What is worth knowing and needs no fix.
    surfaces : str
        'own', 'incomplete', 'template space' or 'none'.
    t1w : bool
    """

    label: str
    layout: str
    readable: bool
    runs: tuple[RunCheck, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    surfaces: str = "none"
    t1w: bool = False

    @property
    def light(self) -> Light:
        """Worst of the findings; green without any."""
        return max((finding.light for finding in self.findings), key=_WORST.index, default="green")

    @property
    def minutes(self) -> float | None:
        """Length of all runs; None where a repetition time is missing."""
        return minutes([run.frames for run in self.runs], [run.tr_s for run in self.runs]) if self.runs else None

    def usable_minutes(self, fd_mm: float, *, masked: bool = True) -> float | None:
        """Minutes below a threshold of displacement, after the pipeline's masks or by displacement alone."""
        counts = []
        for run in self.runs:
            found = next((each for each in run.usable if each.fd_mm == fd_mm), None)
            counts.append(None if found is None else found.after if masked else found.before)
        return minutes(counts, [run.tr_s for run in self.runs]) if counts else None

    @property
    def missing(self) -> dict[str, float]:
        """By network, the largest share without signal in any run."""
        names = dict.fromkeys(name for run in self.runs for name in run.missing)
        return {name: max(run.missing[name] for run in self.runs if name in run.missing) for name in names}


@dataclass(frozen=True)
class CheckReport:
    """A data set.

    Attributes
    ----------
    derivatives : str
    layout : str
        'xcpd', 'fmriprep', 'hcp', 'surface', 'dcan', 'tedana' or 'bare'.
    fd_mm : tuple of float
        Thresholds of displacement.
    people : tuple of PersonCheck
    notes : tuple of str
        What concerns everybody.
    """

    derivatives: str
    layout: str
    fd_mm: tuple[float, ...]
    people: tuple[PersonCheck, ...]
    notes: tuple[str, ...] = ()
