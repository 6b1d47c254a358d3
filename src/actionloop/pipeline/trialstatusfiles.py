"""Where a trial stands, as tables and as the flow diagram of CONSORT 2025."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actionloop import figures, files
from actionloop.files import OutputFolder
from actionloop.journal import Fault, Receipt
from actionloop.trial import BaselineTable
from actionloop.types import FlowArm, TrialFlow

Rows = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class TrialStatus:
    """Where a trial stands; a part that the role does not see is None.

    Attributes
    ----------
    title, role : str
    receipt : Receipt
    faults : tuple of Fault
        Harmless ones.
    counts, visits : tuple of rows
    waiting, targets, queries : tuple of rows or None
    baseline : BaselineTable or None
    flow : TrialFlow or None
    locks : tuple of str
        What is locked, and whether the trial is unblinded.
    written : tuple of path
    """

    title: str
    role: str
    receipt: Receipt
    faults: tuple[Fault, ...]
    counts: Rows
    visits: Rows
    waiting: Rows | None
    targets: Rows | None
    queries: Rows | None
    baseline: BaselineTable | None
    flow: TrialFlow | None
    locks: tuple[str, ...] = ()
    written: tuple[Path, ...] = ()

    @property
    def baseline_rows(self) -> Rows | None:
        """Table 1 as rows."""
        return None if self.baseline is None else baseline_rows(self.baseline)

    @property
    def flow_rows(self) -> Rows | None:
        """Counts of the flow diagram as rows."""
        return None if self.flow is None else flow_rows(self.flow)


def flow_rows(flow: TrialFlow) -> Rows:
    """Return the counts of a flow diagram as rows: step, arm, reason, n."""
    rows = [{"step": "assessed", "arm": "", "reason": "", "n": flow.assessed}]
    rows += _reasons("excluded", "", flow.excluded)
    rows += [{"step": "undecided", "arm": "", "reason": "", "n": flow.undecided}]
    rows += [{"step": "randomised", "arm": "", "reason": "", "n": flow.randomised}]
    for arm in flow.arms:
        rows += _arm_rows(arm)
    return tuple(rows)


def _arm_rows(arm: FlowArm) -> list[dict[str, Any]]:
    def one(step: str, n: int) -> dict[str, Any]:
        return {"step": step, "arm": arm.label, "reason": "", "n": n}

    return [
        one("allocated", arm.allocated),
        one("received", arm.received),
        *_reasons("not received", arm.label, arm.not_received),
        *_reasons("lost", arm.label, arm.lost),
        *_reasons("discontinued", arm.label, arm.discontinued),
        one("following", arm.following),
        one("analysed", arm.analysed),
        *_reasons("not analysed", arm.label, arm.not_analysed),
    ]


def _reasons(step: str, arm: str, reasons: Mapping[str, int]) -> list[dict[str, Any]]:
    return [{"step": step, "arm": arm, "reason": reason, "n": n} for reason, n in reasons.items()]


def baseline_rows(table: BaselineTable) -> Rows:
    """Return table 1 as rows."""
    head = {"variable": "participants", "summary": "n", **dict(zip(table.columns, table.n, strict=True))}
    rows = [
        {"variable": row.label, "summary": row.summary, **dict(zip(table.columns, row.cells, strict=True))}
        for row in table.rows
    ]
    return (head, *rows)


def write_status(status: TrialStatus, folder: Path, *, overwrite: bool) -> tuple[Path, ...]:
    """Write what a role sees of a trial; returns the files, the description last."""
    out = OutputFolder(folder, overwrite=overwrite)
    tables: dict[str, Rows | None] = {
        "counts": status.counts,
        "visits": status.visits,
        "waiting": status.waiting,
        "targets": status.targets,
        "queries": status.queries,
        "baseline": status.baseline_rows,
        "flow": status.flow_rows,
    }
    written = []
    for name, rows in tables.items():
        if rows:
            written.append(out.write(f"trial_{name}", {}, lambda path, rows=rows: files.write_table(path, rows)))  # type: ignore[misc]
        else:  # what an earlier look or another role wrote must not pass for this one's
            out.file(f"trial_{name}").unlink(missing_ok=True)
    for form in ("png", "svg"):
        out.file(f"trial_flow_{form}").unlink(missing_ok=True)
        if status.flow is not None:
            drawn = figures.flow_diagram(status.flow, title=status.title, form=form)
            written.append(out.write(f"trial_flow_{form}", {}, lambda path, drawn=drawn: path.write_bytes(drawn)))  # type: ignore[misc]
    about = {
        **files.provenance([], options={"role": status.role}),
        "Title": status.title,
        "Receipt": str(status.receipt),
        "Locks": list(status.locks),
        "Faults": [str(one) for one in status.faults],
    }
    written.append(out.write("trial_status_json", {}, lambda path: files.write_json(path, about)))
    return tuple(written)
