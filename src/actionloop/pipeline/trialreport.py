"""`trial report`: one page of a study as it stands, from its journal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from actionloop import __version__, facts, figures, files
from actionloop.errors import ActionloopError
from actionloop.files import OutputFolder
from actionloop.pipeline.progress import Progress, Silent
from actionloop.pipeline.trialanalysis import require_recounted, study_data
from actionloop.pipeline.trialfindings import Source, TrialResults, described, result_rows, run_locked
from actionloop.pipeline.trialpage import Told, arm_glance, result_methods, result_sections, result_warnings
from actionloop.pipeline.trialreportparts import (
    baseline_section,
    conduct_section,
    consort_section,
    flow_words,
    journal_section,
    protocol_section,
)
from actionloop.pipeline.trialstudy import JOURNAL, Study, open_study
from actionloop.report import EvidenceContent, EvidenceSection, Shown, render_evidence
from actionloop.trial import baseline_table, count_flow, data_queries, write_synopsis


@dataclass(frozen=True)
class TrialReportRequest:
    """Of which study a page is asked.

    Attributes
    ----------
    study, out : Path
    allocator : Path or None
        Folder of the secret, from which allocations are then recounted.
    seed : int
        Of the imputation.
    overwrite : bool
    """

    study: Path
    out: Path
    allocator: Path | None = None
    seed: int = 0
    overwrite: bool = False


def report_trial(request: TrialReportRequest, *, progress: Progress | None = None) -> Told:
    """Write the page of a study: whatever its journal holds now, arms only after the whole trial was unblinded.

    Returns
    -------
    tuple of str
        Where the trial stands, and what its analyses conclude.
    Path
        The page.

    Raises
    ------
    InputError
        No study, a journal that is not whole, allocations that do not follow from the secret.
    """
    told = progress or Silent()
    told.start("report", 3)
    told.step("reading")
    with open_study(request.study) as study:
        if request.allocator is not None:
            require_recounted(study, request.allocator)
        out = OutputFolder(request.out, overwrite=request.overwrite)
        results = None
        if study.state.unblinded and study.state.data_locked:
            told.step("the locked analyses")
            data = study_data(study, study.protocol, None)
            results = run_locked(study.protocol, data, seed=request.seed)
        told.step("writing")
        page = _write(request, study, out, results)
    told.done()
    return page


def _write(request: TrialReportRequest, study: Study, out: OutputFolder, results: TrialResults | None) -> Told:
    state, protocol, known = study.state, study.protocol, facts.load("trial_results")
    receipt = str(study.entries[-1].receipt)
    source = Source(study, (request.study / JOURNAL,), request.seed, receipt)
    recounted = "recounted from the secret" if request.allocator else "not recounted (no --allocator)"
    about = described(protocol, source, allocations=recounted)
    flow = count_flow(state, protocol)
    drawn = figures.flow_diagram(flow, form="svg")
    path = out.write("trial_flow_svg", {}, lambda path: path.write_bytes(drawn))
    shown = Shown(drawn, flow_words(flow), "Counted from the journal.", path.relative_to(out.path).as_posix())
    queries = data_queries(state, protocol, today=datetime.now(UTC).date())
    sections = [
        protocol_section(write_synopsis(protocol)),
        EvidenceSection("Participant flow", (), (), [shown]),
        baseline_section(baseline_table(state, protocol)),
        conduct_section(study, queries),
    ]
    sections += [_not_yet(study)] if results is None else result_sections(out, results)
    sections += [consort_section(study, analysed=results is not None), journal_section(study, recounted)]
    answer = (flow_words(flow), *(results.found.conclusions if results else ()))
    content = EvidenceContent(
        title="Report of a trial",
        lead=protocol.title,
        answer=answer,
        sections=sections,
        limits=[*known["limits"]["report"], *(known["limits"]["analysed"] if results else [])],
        methods=[*_methods(study), *(result_methods(results, source) if results else [])],
        references=[known["consort"]["source"], *(known["references"]["analysed"] if results else [])],
        glance={
            "Registration": protocol.registration or "none stated",
            **(arm_glance(results) if results else {"Arms": "not opened: everybody stands together"}),
            "Data": "locked" if state.data_locked else "open",
            "Journal": f"{len(study.entries)} entries, head {receipt[:24]}",
        },
        warnings=[*_warnings(study, len(queries)), *(_told_before(out, results, source) if results else [])],
        files=[("Flow", "trial_flow.svg"), *([("Results", "trial_results.tsv")] if out.has("trial_results") else [])],
        provenance=about,
        sides=False,
    )
    page = out.write("trial_report", {}, lambda path: files.write_text(path, render_evidence(content)))
    return answer, page


def _not_yet(study: Study) -> EvidenceSection:
    told = "the data are not locked" if not study.state.data_locked else "the arms are not open"
    return EvidenceSection("Results", [f"No results: {told}. Nothing on this page tells one arm from another."])


def _warnings(study: Study, n_queries: int) -> list[str]:
    told = [f"{n_queries} open questions about the data."] if n_queries else []
    told += [f"The journal has a harmless fault: {fault}." for fault in study.faults]
    told += [
        f"Entry {one.number} ({one.kind}) is not allowed and left out: {one.problem}." for one in study.state.trouble
    ]
    opened = [name for name, person in study.state.people.items() if person.unblinded]
    return told + ([f"{len(opened)} participants were unblinded before the end."] if opened else [])


def _told_before(out: OutputFolder, results: TrialResults, source: Source) -> list[str]:
    """Compare with what `trial analyse` wrote into the same folder."""
    told = result_warnings(results, source)
    if not out.has("trial_results"):
        return [*told, "The analyses were run for this page; 'trial analyse' enters them in the journal."]
    columns = list(facts.load("trial_results")["columns"]["results"])
    again = out.path / "trial_results.again.tsv"
    try:
        files.write_table(again, result_rows(results), columns=columns)
        same = again.read_bytes() == out.file("trial_results").read_bytes()
    except (OSError, ActionloopError):
        same = False
    finally:
        again.unlink(missing_ok=True)
    if same:
        return told
    return [*told, "trial_results.tsv beside this page holds other numbers: another seed, version or journal."]


def _methods(study: Study) -> list[str]:
    """Return the paragraph on allocation, concealment and data."""
    protocol = study.protocol
    arms = ", ".join(arm.label for arm in protocol.arms)
    ratio = ":".join(str(arm.ratio) for arm in protocol.arms)
    strata = ", ".join(one.name for one in protocol.strata).replace("_", " ") or "nothing"
    how = (
        f"permuted blocks of hidden, varying size, stratified by {strata}"
        if protocol.allocation.method == "blocks"
        else f"minimisation over {strata} with a biased coin ({protocol.allocation.biased_coin:g})"
    )
    return [
        f"Participants were allocated {ratio} to {len(protocol.arms)} arms ({arms}) by {how}. The sequence follows "
        "from a secret that was committed to, by its hash, in the first entry of the trial's journal; each arm was "
        "drawn only after the participant's eligibility was locked and all candidate targets were frozen, in the "
        "order of the locks.",
        f"All entries stand in an append-only journal chained by SHA-256 ({len(study.entries)} entries, written by "
        f"actionloop {__version__}).",
    ]
