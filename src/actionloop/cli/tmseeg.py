"""The commands of TMS-EEG: simulate, clean, measure, choose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from actionloop import facts
from actionloop.cli.bar import shown_progress
from actionloop.cli.options import Flag, Verbose
from actionloop.cli.streams import put, say
from actionloop.errors import OptionError

if TYPE_CHECKING:
    from actionloop.pipeline import Outcome

Words = Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="", show_default=False)]

tmseeg = App(name="tmseeg", help="TMS-EEG: cleaning, evoked measures, connectivity, and the choice of a site.")


@Parameter(name="*")
@dataclass(frozen=True)
class Recorded:
    """Whose recordings, and which of them.

    Parameters
    ----------
    participant_label
        One or more people, with or without 'sub-'; everybody when left out.
    sites
        Stimulated sites as the files name them (acq-); all that are there when left out, for 'choose' the four.
    random_seed
        Seed, written into the description.
    overwrite
        Write into a folder that holds other things; nothing of those is changed.
    stop_on_first_crash
        Stop at the first person who cannot be used.
    """

    participant_label: Annotated[
        tuple[str, ...], Parameter(consume_multiple=True, negative="", show_default=False)
    ] = ()
    sites: Words = ()
    random_seed: Annotated[int, Parameter(alias="--seed")] = 0
    overwrite: Flag = False
    stop_on_first_crash: Flag = False

    def words(self) -> dict[str, Any]:
        """Return what the requests call these."""
        return {
            "participant_labels": self.participant_label,
            "sites": self.sites,
            "seed": self.random_seed,
            "overwrite": self.overwrite,
            "stop_on_first_crash": self.stop_on_first_crash,
        }


_ALL = Recorded()


def _electrodes(words: Sequence[str]) -> dict[str, str]:
    """Take SITE=ELECTRODE apart."""
    pairs = [word.partition("=") for word in words]
    for word, pair in zip(words, pairs, strict=True):
        if not all(pair):
            raise OptionError(f"--electrodes: cannot read {word!r}", fix="give SITE=ELECTRODE, such as M1=C3")
    return {site: electrode for site, _, electrode in pairs}


def _tell(outcomes: Sequence[Outcome], pages: Sequence[Path]) -> int:
    for one in outcomes:
        if one.ok:
            put(f"sub-{one.label}\t{one.message}")
        else:
            say(f"sub-{one.label}: {one.message}")
    for page in pages:
        put(str(page))
    return 0 if all(one.ok for one in outcomes) else 1


@tmseeg.command
def simulate(
    out: Path,
    /,
    *,
    subjects: int = 1,
    trials: int | None = None,
    control: Flag = False,
    random_seed: Annotated[int, Parameter(alias="--seed")] = 0,
    verbose: Verbose = False,
) -> int:
    """Write simulated people with known truth as BIDS-EEG: four sites, artefacts, planted coupling.

    Parameters
    ----------
    out
        New or empty folder; one that was interrupted is finished.
    subjects
        How many people.
    trials
        Pulses a site.
    control
        Write a sham recording of each site too: click and less muscle, no answer of the cortex.
    random_seed
        The same seed makes the same people.
    """
    say(facts.notice())
    from actionloop import pipeline

    options = pipeline.EegOptions() if trials is None else pipeline.EegOptions(trials=trials)
    for label in pipeline.make_eeg_people(
        out, subjects=subjects, seed=random_seed, options=options, control=control, progress=say
    ):
        put(f"sub-{label}")
    return 0


@tmseeg.command
def clean(
    bids: Path,
    out: Path,
    /,
    *,
    steps: Words = ("default",),
    without: Words = (),
    montage: str | None = None,
    pulses: str | None = None,
    who: Recorded = _ALL,
    verbose: Verbose = False,
) -> int:
    """Clean each site's recording by a declared order of steps, and log what each removed.

    Parameters
    ----------
    bids
        A BIDS folder with EEG (.vhdr, .set, .fif), one recording a stimulated site (acq-M1, acq-M1sham).
    out
        Folder for cleaned trials, logs, pictures and pages.
    steps
        The name of a pipeline, or steps in order; 'default' is AARATEP's order.
    without
        Steps to leave out.
    montage
        Name of an MNE montage, where the files do not say where electrodes are.
    pulses
        Name of the events that are TMS pulses, where it is not plain.
    """
    say(facts.notice())
    from actionloop import pipeline

    request = pipeline.CleanRequest(
        bids, out, **who.words(), steps=steps, without=without, montage=montage, pulses=pulses
    )
    with shown_progress() as progress:
        outcomes, pages = pipeline.clean_recordings(request, progress=progress)
    return _tell(outcomes, pages)


@tmseeg.command
def measure(
    cleaned: Path,
    out: Path,
    /,
    *,
    electrodes: Words = (),
    who: Recorded = _ALL,
    verbose: Verbose = False,
) -> int:
    """Measure evoked responses, oscillations and connectivity of each cleaned site.

    Parameters
    ----------
    cleaned
        The OUT of 'tmseeg clean'.
    out
        Folder for tables, pictures and pages; may be the same.
    electrodes
        SITE=ELECTRODE under the coil, where it is not the usual one.
    """
    say(facts.notice())
    from actionloop import pipeline

    request = pipeline.MeasureRequest(cleaned, out, **who.words(), at=_electrodes(electrodes))
    with shown_progress() as progress:
        outcomes, pages = pipeline.measure_sites(request, progress=progress)
    return _tell(outcomes, pages)


@tmseeg.command
def choose(
    cleaned: Path,
    out: Path,
    /,
    *,
    plan: Path | None = None,
    electrodes: Words = (),
    who: Recorded = _ALL,
    verbose: Verbose = False,
) -> int:
    """Rank sites by global connectivity on equally many trials; near ties are said, not picked.

    Parameters
    ----------
    cleaned
        The OUT of 'tmseeg clean'.
    out
        Folder for tables, pictures and pages; may be the same.
    plan
        The OUT of 'plan': the sites are then held against this person's SCAN and AMN.
    electrodes
        SITE=ELECTRODE under the coil, where it is not the usual one.
    """
    say(facts.notice())
    from actionloop import pipeline

    request = pipeline.ChooseRequest(cleaned, out, **who.words(), at=_electrodes(electrodes), plan=plan)
    with shown_progress() as progress:
        _, outcomes, pages = pipeline.choose_sites(request, progress=progress)
    return _tell(outcomes, pages)
