"""The commands that make something of many people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cyclopts import App, Parameter

from actionloop import facts
from actionloop.cli.bar import shown_progress
from actionloop.cli.options import Flag, Verbose, Who
from actionloop.cli.streams import put, say

prior = App(name="prior", help="Group priors made of people of your own.")


@Parameter(name="*")
@dataclass(frozen=True)
class Making:
    """How a prior is made.

    Parameters
    ----------
    labels
        Folder with one label map per person (sub-01_*.dlabel.nii), e.g. results of 'plan'; else everybody is mapped.
    prior
        Prior that the mapping starts from, in place of the default one.
    tr
        Repetition time in seconds, where the files do not state it or state it wrongly.
    subcortex
        Keep subcortex and cerebellum too (91k CIFTI series).
    train_hierarchical
        Train 'plan --method hierarchical' on these people too, who are read a second time.
    overwrite
        Replace files that are there.
    stop_on_first_crash
        Stop at the first person who fails.
    """

    labels: Path | None = None
    prior: Path | None = None
    tr: float | None = None
    subcortex: Flag = False
    train_hierarchical: Flag = False
    overwrite: Flag = False
    stop_on_first_crash: Flag = False


_WHO, _MAKING = Who(), Making()


@prior.command
def build(
    cohort: Path,
    out: Path,
    /,
    *,
    who: Who = _WHO,
    making: Making = _MAKING,
    verbose: Verbose = False,
) -> int:
    """Make a prior of many people: connectivity templates, spatial probabilities, how people differ.

    The file that ends in _prior.npz is the one for --prior of 'plan'. Who cannot be used is named and left out.

    Parameters
    ----------
    cohort
        Folder that holds everybody, as for 'plan'.
    out
        Where the files go and how their names begin, e.g. priors/cohort.
    """
    say(facts.notice())
    from actionloop import pipeline

    request = pipeline.CohortRequest(
        derivatives=cohort,
        out=out,
        labels=making.labels,
        prior=making.prior,
        **who.choice(),
        tr_s=making.tr,
        subcortex=making.subcortex,
        train_hierarchical=making.train_hierarchical,
        overwrite=making.overwrite,
        stop_on_first_crash=making.stop_on_first_crash,
    )
    with shown_progress() as progress:
        built = pipeline.build_prior(request, progress=progress)
    for outcome in built.outcomes:
        label = f"sub-{outcome.label}"
        put(f"{label}\t{'ok' if outcome.ok else 'failed'}\t{outcome.message.splitlines()[0]}")
        if not outcome.ok:
            say(f"error: {label}: {outcome.message}")
    put(str(built.paths["prior"]))
    return 0 if all(outcome.ok for outcome in built.outcomes) else 1
