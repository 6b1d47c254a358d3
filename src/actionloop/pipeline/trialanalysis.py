"""`trial analyse`: a study, or a table of one, through the analyses that its protocol locks; or a look without arms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from actionloop import __version__
from actionloop.errors import InputError, OptionError
from actionloop.files import OutputFolder
from actionloop.pipeline.progress import Progress, Silent
from actionloop.pipeline.trialfindings import BlindedRow, Source, look_at_everybody, run_locked
from actionloop.pipeline.trialpage import write_blinded, write_results
from actionloop.pipeline.trialstudy import JOURNAL, Study, find_protocol, open_study, refused_content
from actionloop.pipeline.trialtable import TOGETHER, read_trial_table
from actionloop.trial import (
    analysis_digest,
    open_arms,
    read_secret,
    require_append,
    require_locked,
    trial_data,
    verify_allocation,
)
from actionloop.types import TrialData, TrialProtocol

ROLE = "statistician"


@dataclass(frozen=True)
class AnalyseRequest:
    """What is analysed.

    Attributes
    ----------
    source : Path
        A study's folder; with `table` a protocol, as a file or by name.
    out : Path
    actor : str
        Stands in the study's journal.
    allocator : Path or None
        Folder of the secret, from which arms are then recounted.
    blinded : bool
        Look at everybody together, without arms.
    table : Path or None
    protocol : Path or None
        In place of the study's.
    seed : int
    overwrite : bool
    """

    source: Path
    out: Path
    actor: str = ""
    allocator: Path | None = None
    blinded: bool = False
    table: Path | None = None
    protocol: Path | None = None
    seed: int = 0
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.table is not None and (self.allocator or self.protocol or self.actor):
            raise OptionError(
                "--allocator, --protocol and --actor belong to a study, not to a table",
                fix="actionloop trial analyse --table FILE PROTOCOL OUT",
            )
        if self.table is None and not self.actor:
            raise OptionError("it is not said who analyses", fix="give --actor NAME; it stands in the study's journal")


def analyse_trial(request: AnalyseRequest, *, progress: Progress | None = None) -> tuple[tuple[str, ...], Path]:
    """Run the locked analyses, or the blinded look, and write tables, pictures and page.

    Returns
    -------
    tuple of str
        What may be said.
    Path
        The page.

    Raises
    ------
    InputError
        The study or table cannot be used: data not locked, arms not opened, a broken journal.
    OptionError
        The analyses are not the locked ones; after unblinding that is recorded.
    """
    told = progress or Silent()
    told.start("analyse", 3)
    told.step("reading")
    if request.table is not None:
        protocol = find_protocol(request.source)
        data = read_trial_table(request.table, protocol, blinded=request.blinded)
        out = OutputFolder(request.out, overwrite=request.overwrite)
        source = Source(None, (request.table, *_file(request.source)), request.seed)
        page = _written(request, protocol, data, source, out, told)
    else:
        with open_study(request.source, actor=request.actor, role=ROLE) as study:
            protocol = locked_protocol(study, request)
            data = study_data(study, protocol, request.allocator, blinded=request.blinded)
            out = OutputFolder(request.out, overwrite=request.overwrite)
            source = Source(study, (request.source / JOURNAL,), request.seed)
            page = _written(request, protocol, data, source, out, told)
    told.done()
    return page


def _file(path: Path) -> tuple[Path, ...]:
    return (path,) if path.is_file() else ()


def _written(
    request: AnalyseRequest,
    protocol: TrialProtocol,
    data: Mapping[str, TrialData],
    source: Source,
    out: OutputFolder,
    told: Progress,
) -> tuple[tuple[str, ...], Path]:
    if request.blinded:
        told.step("looking at everybody together")
        rows = look_at_everybody(protocol, data)
        receipt = _entered(source.study, request, "interim", _interim(rows))
        told.step("writing")
        return write_blinded(out, protocol, rows, source.at(receipt))
    told.step(f"{len(protocol.analyses)} analyses")
    results = run_locked(protocol, data, seed=request.seed)
    made = {"digest": results.found.digest, "seed": request.seed, "version": __version__}
    receipt = _entered(source.study, request, "analysed", made)
    told.step("writing")
    return write_results(out, results, source.at(receipt))


def locked_protocol(study: Study, request: AnalyseRequest) -> TrialProtocol:
    """Return the protocol to analyse by: the study's, or one given that has the same analyses.

    Raises
    ------
    OptionError
        Its analyses differ; after unblinding the refusal stands in the journal.
    """
    locked = study.state.analysis_digest
    if locked is None:
        raise InputError(
            "no analysis is locked in this study", where=study.folder, fix="begin it: actionloop trial new"
        )
    given = study.protocol if request.protocol is None else find_protocol(request.protocol)
    if analysis_digest(given) == locked:
        return given
    known = study.state.unblinded or bool(study.state.arms)
    if known:
        content = refused_content(locked, given, "an analysis by another protocol was asked for")
        receipt = study.journal.append("analysis_refused", content, actor=request.actor, role=ROLE).receipt
        try:
            require_locked(given, locked, unblinded=True)
        except OptionError as error:
            raise OptionError(
                f"{error.problem}; an arm is known, so this is refused, and the refusal is recorded ({receipt})",
                where=request.protocol,
                fix=error.fix,
            ) from None
    raise OptionError(
        f"the analyses differ from those locked (locked {locked[:12]}, found {analysis_digest(given)[:12]})",
        where=request.protocol,
        fix="amend the protocol first: actionloop trial record STUDY protocol --protocol FILE --reason WHY",
    )


def study_data(
    study: Study, protocol: TrialProtocol, allocator: Path | None, *, blinded: bool = False
) -> dict[str, TrialData]:
    """Return a study's ratings by outcome, with the arms that were opened, or without any.

    Raises
    ------
    InputError
        Data not locked, arms not opened, nobody allocated, or arms that do not follow from the secret.
    """
    state = study.state
    if not state.allocated():
        raise InputError("nobody is allocated yet", where=study.folder, fix="allocate first: actionloop trial allocate")
    if allocator is not None:
        require_recounted(study, allocator)
    if blinded:
        arms = {person.name: TOGETHER for person in state.allocated()}
    else:
        _require_end(study)
        arms = dict(state.arms)
    names = [one.name for one in protocol.outcomes if one.kind != "biomarker"]
    return {name: trial_data(state, protocol, name, arms) for name in names}


def _require_end(study: Study) -> None:
    if not study.state.data_locked:
        raise InputError(
            "the data are not locked: who analyses before may change them after",
            where=study.folder,
            fix="actionloop trial record STUDY data_locked; for a look without arms give --blinded",
        )
    if not study.state.unblinded:
        raise InputError(
            "the trial's arms are not open",
            where=study.folder,
            fix="actionloop trial unblind STUDY --all; for a look without arms give --blinded",
        )


def require_recounted(study: Study, allocator: Path) -> None:
    """Refuse allocations that do not follow from the secret, and opened arms that are not those allocated.

    Raises
    ------
    InputError
    """
    secret = read_secret(allocator)
    journal = study.journal.study
    faults = [str(one) for one in verify_allocation(journal, study.entries, secret, protocol=study.protocol)]
    if not faults and study.state.unblinded:
        drawn = open_arms(journal, study.entries, secret, protocol=study.protocol)
        faults = [f"{name}: {arm} was drawn" for name, arm in drawn.items() if study.state.arms.get(name) != arm]
    if faults:
        raise InputError(
            f"allocations do not follow from the secret ({len(faults)} faults; first: {faults[0]})",
            where=study.folder,
            fix="is this the study's secret? restore the newest whole copy of the journal",
        )


def _interim(rows: tuple[BlindedRow, ...]) -> dict[str, object]:
    return {"looked_at": [f"{one.outcome} at {one.visit}: {one.what}" for one in rows], "version": __version__}


def _entered(study: Study | None, request: AnalyseRequest, kind: str, content: dict[str, object]) -> str:
    """Enter that it was analysed, once for the same; returns the receipt."""
    if study is None:
        return ""
    require_append(ROLE, kind)
    last = study.entries[-1]
    if (last.kind, last.actor, dict(last.content)) == (kind, request.actor, content):
        return str(last.receipt)
    return str(study.journal.append(kind, content, actor=request.actor, role=ROLE).receipt)
