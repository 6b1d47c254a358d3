"""What the report says under 'How far to trust this': words, tables and pictures from what was found."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from actionloop import figures
from actionloop.pipeline.motion import RunMotion
from actionloop.pipeline.trustpictures import brains, decimal, kept_frames, percent, timelines
from actionloop.reliability.found import Halves, Reliability, TargetReliability
from actionloop.report import Exports, SimilarityTrust, Table, TargetTrust, TrustContent, TrustPart
from actionloop.types import Anatomy, NetworkMap, Target, Timeseries


def trust_content(  # noqa: PLR0913 - the section shows all of it
    reliability: Reliability | None,
    network_map: NetworkMap,
    anatomy: Anatomy,
    *,
    targets: Sequence[Target] = (),
    motion: Sequence[RunMotion] = (),
    series: Timeseries | None = None,
    controls: Sequence[Mapping[str, Any]] = (),
    exports: Exports = "",
    notes: Sequence[str] = (),
    progress: Callable[[str], None] = lambda name: None,
) -> TrustContent:
    """Put together everything that the report says of how far to trust a map and its targets.

    Parameters
    ----------
    reliability : Reliability or None
        None where it could not be found out; `notes` should then say why.
    network_map : NetworkMap
        The map of the page, on vertices.
    anatomy : Anatomy
    targets : sequence of Target
        Those of the page, so that each shows its verdict.
    motion : sequence of RunMotion
        In the order of the joined series.
    series : Timeseries, optional
        Cleaned, runs joined, kept frames only; for the carpet plot.
    controls : sequence of mappings
        As `reliability.variants.ControlRow`: 'subject', 'control', 'variant', 'name', 'shift_mm', 'own_mm'; only rows
        whose subject is 'target' are shown.
    exports : {'written', 'withheld', 'forced', ''}
    notes : sequence of str
        Sentences that stand before the table of verdicts.
    progress : callable
        Told the name of each picture before it is drawn.

    Returns
    -------
    TrustContent
    """
    facts: dict[str, str] = {}
    usable = _usable(reliability, motion)
    if usable:
        facts["Usable data"] = usable
    parts: list[TrustPart] = []
    if reliability is not None:
        facts.update(_facts(reliability, network_map))
        seen = brains(reliability, network_map, anatomy, progress)
        parts.append(TrustPart("Does the scan agree with itself?", [_dice_table(reliability.halves)], seen))
    shifts = [row for row in controls if row.get("subject") == "target"]
    if shifts:
        parts.append(TrustPart("Do the targets stay where they are?", [_shift_table(shifts)]))
    if motion or series is not None:
        seen = timelines(motion, series, network_map, progress)
        parts.append(TrustPart("Motion and signal", [_motion_table(motion)] if motion else [], seen))
    return TrustContent(
        judged=reliability is not None,
        facts=facts,
        targets=[] if reliability is None else [_judged(found, targets) for found in reliability.targets],
        similarity=_similarity(reliability),
        exports=exports,
        parts=parts,
        notes=list(notes),
    )


def _usable(reliability: Reliability | None, motion: Sequence[RunMotion]) -> str:
    """Minutes that were mapped, of those that were scanned where that is known; empty where nothing is."""
    runs = [(kept, run.tr_s) for run in motion if (kept := kept_frames(run)) is not None]
    whole = sum(len(kept) * tr_s for kept, tr_s in runs) / 60
    used = sum(int(kept.sum()) * tr_s for kept, tr_s in runs) / 60 if reliability is None else reliability.minutes
    if not motion or len(runs) < len(motion):
        return "" if reliability is None else f"{used:.1f} min"
    return f"{used:.1f} of {whole:.1f} min ({'1 run' if len(runs) == 1 else f'{len(runs)} runs'})"


def _facts(reliability: Reliability, network_map: NetworkMap) -> dict[str, str]:
    halves, drawn = reliability.halves, reliability.resamples
    stability = drawn.stability[: network_map.grayordinates.n_cortex]
    labelled = stability[stability > 0]
    found = {
        "Halves of the scan agree": f"{percent(halves.equal)} of labelled rows ({halves.minutes:.1f} min each, "
        f"interleaved blocks of {halves.block_s:g} s)",
        "Mutual information of the halves (NMI)": decimal(halves.nmi),
        "Resampled frames": f"{drawn.n} times, blocks of {drawn.block_s:g} s (seed {drawn.seed})",
        "Median stability of a labelled row": percent(float(np.median(labelled)) if labelled.size else math.nan),
    }
    if reliability.similarity is not None:
        found["Network similarity index (NSI)"] = decimal(reliability.similarity.value)
    return found


def _judged(found: TargetReliability, targets: Sequence[Target]) -> TargetTrust:
    """Turn one verdict into what the page shows, with the rank of the target that it belongs to."""
    name = found.name.removesuffix(f" {found.hemisphere}")
    same = [t for t in targets if t.piece.name == name and t.piece.hemisphere == found.hemisphere]
    return TargetTrust(
        name=name,
        hemisphere=found.hemisphere,
        verdict=found.verdict,
        rank=same[0].rank if same else None,
        probability=found.probability,
        near_mm=found.near_mm,
        spread_mm=found.spread_mm,
        spread_95_mm=found.spread_95_mm,
        present=found.present,
        halves_mm=found.halves_mm,
        reasons=found.reasons,
        minutes_more=found.minutes_more,
    )


def _similarity(reliability: Reliability | None) -> SimilarityTrust | None:
    found = None if reliability is None else reliability.similarity
    return None if found is None else SimilarityTrust(found.value, found.usable, found.rows, found.prior)


def _motion_table(motion: Sequence[RunMotion]) -> Table:
    low, high = figures.THRESHOLDS_MM
    rows = []
    for run in motion:
        moved: list[float | str | None] = [None] * 4
        if run.fd_mm is not None and len(run.fd_mm):
            fd = np.nan_to_num(np.asarray(run.fd_mm, dtype=float))
            above = (percent(float((fd > threshold).mean())) for threshold in (low, high))
            moved = [float(fd.mean()), float(fd.max()), *above]
        kept = kept_frames(run)
        lengths: list[str | None] = [None] * 3
        if kept is not None and len(kept):
            whole, used = len(kept) * run.tr_s / 60, int(kept.sum()) * run.tr_s / 60
            lengths = [f"{whole:.1f}", f"{used:.1f}", percent(1 - used / whole)]
        rows.append([run.name, *lengths, *moved])
    columns = ["Run", "Minutes", "Minutes kept", "Left out", "Mean FD, mm", "Largest FD, mm"]
    return Table(
        "Motion of each run",
        [*columns, f"Frames above {low:g} mm", f"Frames above {high:g} mm"],
        rows,
        "FD: framewise displacement, as the input states it or from the six motion parameters.",
    )


def _dice_table(halves: Halves) -> Table:
    """Dice of the networks of interest one by one, of the others in the middle."""
    found = {name: float(value) for name, value in halves.dice.items() if figures.of_interest(name)}
    others = [float(v) for n, v in halves.dice.items() if not figures.of_interest(n) and math.isfinite(v)]
    if others:
        found[f"median of {len(others)} others"] = float(np.median(others))
    return Table(
        "Overlap of the maps of the two halves, by network",
        ["", *found],
        [["Dice", *found.values()]],
        "Both halves start from the same prior, which alone makes them somewhat alike.",
    )


def _shift_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Shift of every target (rows) under every control (columns)."""
    controls = list(dict.fromkeys(_words(row) for row in rows))
    own = {str(row["name"]): _mm(row.get("own_mm")) for row in reversed(rows)}
    shift = {(str(row["name"]), _words(row)): _mm(row.get("shift_mm"), "absent") for row in rows}
    names = list(dict.fromkeys(str(row["name"]) for row in rows))
    return Table(
        "Shifts of targets under controls, mm",
        ["Target", "This map", *controls],
        [[name, own[name], *(shift.get((name, control)) for control in controls)] for name in names],
        "Distance along the cortex from the target to the centre of its piece when the map is made otherwise; for two "
        "parts of the scan, between their centres. Read beside the distance in this map. Absent: no such piece there.",
    )


def _words(row: Mapping[str, Any]) -> str:
    return f"{row['control']}: {row['variant']}"


def _mm(value: Any, absent: str | None = None) -> str | None:
    """Write a distance, or what stands for one that there is not."""
    return f"{float(value):.1f}" if value is not None and math.isfinite(value) else absent
