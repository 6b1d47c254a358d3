"""What a trial found, what it could find, and the page of it: analyse, simulate, report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from actionloop import facts
from actionloop.cli.bar import shown_progress
from actionloop.cli.options import Flag, Verbose, Words
from actionloop.cli.streams import put, say

Counts = Annotated[tuple[int, ...], Parameter(consume_multiple=True, negative="", show_default=False)]
Numbers = Annotated[tuple[float, ...], Parameter(consume_multiple=True, negative="", show_default=False)]


@Parameter(name="*")
@dataclass(frozen=True)
class Simulated:
    """What is varied, and who does the work.

    Parameters
    ----------
    worlds
        What benefit follows from; 'no_difference' and 'target_matters' when left out, 'all' for every one.
    designs
        parallel, enriched, crossover or drop, each also as KIND=NUMBER: share of the screened who are taken, weeks of
        washout, share of the people at the look. 'parallel' when left out.
    sample_sizes
        People of the whole trial; the protocol's when left out.
    effects
        Multiples of a world's effects; 1 when left out.
    drop_out
        Shares who leave; a stated default when left out.
    trials
        Trials simulated in each cell of the grid.
    workers
        Processes.
    dask
        Address of a Dask scheduler, or 'local'.
    replay
        Replay the published trial that the protocol is of.
    """

    worlds: Words = ()
    designs: Words = ()
    sample_sizes: Counts = ()
    effects: Numbers = ()
    drop_out: Numbers = ()
    trials: int = 1000
    workers: int = 1
    dask: str | None = None
    replay: Flag = False

    def words(self) -> dict[str, Any]:
        """Return what the request calls these."""
        return {
            "worlds": self.worlds,
            "designs": self.designs,
            "sample_sizes": self.sample_sizes,
            "effects": self.effects,
            "dropouts": self.drop_out,
            "trials": self.trials,
            "workers": self.workers,
            "dask": self.dask,
            "replay": self.replay,
        }


_SIMULATED = Simulated()


def analyse(  # noqa: PLR0913 what is analysed, who analyses, and how
    source: Path,
    out: Path,
    /,
    *,
    actor: str = "",
    allocator: Path | None = None,
    blinded: Flag = False,
    table: Path | None = None,
    protocol: Path | None = None,
    random_seed: Annotated[int, Parameter(alias="--seed")] = 0,
    overwrite: Flag = False,
    verbose: Verbose = False,
) -> int:
    """Run the analyses that the protocol locks, and no others.

    A study is analysed after its data were locked and its arms opened; '--blinded' looks at everybody together before.

    Parameters
    ----------
    source
        A study folder; with --table a protocol, as a file or by name.
    out
        Folder for tables, pictures and page.
    actor
        Who analyses; stands in the study's journal.
    allocator
        Folder of the study's secret: the arms are then recounted from it first.
    blinded
        Pooled variance and share of responders only, nothing by arm.
    table
        Data of a trial that was not run with this program (CSV, one row a participant or one row a rating).
    protocol
        A protocol in place of the study's; refused, and the refusal recorded, if its analyses are not the locked ones.
    random_seed
        Seed of the imputation, written into the description.
    overwrite
        Write into a folder that holds other things; nothing of those is changed.
    """
    say(facts.notice())
    from actionloop import pipeline

    request = pipeline.AnalyseRequest(
        source, out, actor, allocator, blinded, table, protocol, random_seed, overwrite=overwrite
    )
    with shown_progress() as progress:
        sentences, page = pipeline.analyse_trial(request, progress=progress)
    return _tell(sentences, page)


def simulate(
    protocol: Path,
    out: Path,
    /,
    *,
    simulated: Simulated = _SIMULATED,
    random_seed: Annotated[int, Parameter(alias="--seed")] = 0,
    overwrite: Flag = False,
    verbose: Verbose = False,
) -> int:
    """Simulate a protocol's trial: power, type I error, bias and precision of designs; replay a published one.

    An interrupted run goes on where it stopped.

    Parameters
    ----------
    protocol
        A protocol, as a file or by name.
    out
        Folder for table, pictures and page.
    random_seed
        The same seed gives the same table.
    overwrite
        Write into a folder that holds other things; nothing of those is changed.
    """
    say(facts.notice())
    from actionloop import pipeline

    request = pipeline.SimulateRequest(protocol, out, **simulated.words(), seed=random_seed, overwrite=overwrite)
    with shown_progress() as progress:
        sentences, page = pipeline.simulate_trial(request, progress=progress)
    return _tell(sentences, page)


def report(
    study: Path,
    out: Path,
    /,
    *,
    allocator: Path | None = None,
    random_seed: Annotated[int, Parameter(alias="--seed")] = 0,
    overwrite: Flag = False,
    verbose: Verbose = False,
) -> int:
    """Write one page of a trial: synopsis, flow, table 1, conduct, analyses, limits, CONSORT items, receipts.

    Arms stand on it only after the whole trial was unblinded.

    Parameters
    ----------
    study
        A study folder.
    out
        Folder for page and pictures; what 'trial analyse' wrote there is shown.
    allocator
        Folder of the study's secret: every allocation is then recounted from it.
    random_seed
        Seed of the imputation, where the analyses are not there yet.
    overwrite
        Write into a folder that holds other things; nothing of those is changed.
    """
    say(facts.notice())
    from actionloop import pipeline

    request = pipeline.TrialReportRequest(study, out, allocator, random_seed, overwrite)
    with shown_progress() as progress:
        sentences, page = pipeline.report_trial(request, progress=progress)
    return _tell(sentences, page)


def _tell(sentences: tuple[str, ...], page: Path) -> int:
    for sentence in sentences:
        put(sentence)
    put(str(page))
    return 0
