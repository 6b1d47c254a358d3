"""`actionloop contrast`: connectivity of SCAN against that of foot, hand and mouth, in one person or many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from actionloop import evidence, facts, files
from actionloop.evidence import ContrastTable, GroupPreference, PairedTests, PreferenceSums, PreferentialMap
from actionloop.files import OutputFolder
from actionloop.pipeline.contrastperson import ContrastRequest, ContrastSource, measure_person
from actionloop.pipeline.people import visit
from actionloop.pipeline.progress import Progress
from actionloop.pipeline.run import Outcome
from actionloop.types import Grayordinates


@dataclass(frozen=True, eq=False)
class Contrasts:
    """What the contrasts of all people show.

    Attributes
    ----------
    people : tuple of mappings
        One row a person who was used: label, minutes, runs, cleaning, inputs.
    tables : tuple of ContrastTable
        In the same order.
    absent : mapping of str to str
        Regions that could not be looked at, and why.
    tests, nuclei : PairedTests or None
        Of all regions and effectors; of CM against the other nuclei. None where there are too few people.
    nucleus, other_nuclei : str, tuple of str
        What `nuclei` compares.
    preference : PreferentialMap or GroupPreference
        Of the one person, or of all.
    axis : Grayordinates
    maps : str
        Where maps come from, in words.
    phantoms : bool
    outcomes : tuple of Outcome
    """

    people: tuple[Mapping[str, Any], ...]
    tables: tuple[ContrastTable, ...]
    absent: Mapping[str, str]
    tests: PairedTests | None
    nuclei: PairedTests | None
    nucleus: str
    other_nuclei: tuple[str, ...]
    preference: PreferentialMap | GroupPreference
    axis: Grayordinates
    maps: str
    phantoms: bool
    outcomes: tuple[Outcome, ...]


def contrast(request: ContrastRequest, *, progress: Progress) -> tuple[Contrasts, Path]:
    """Compare SCAN with the effectors in everybody, one in memory at a time, and write tables, maps and page.

    A person who cannot be used is named and left out. What is finished of a person is kept in OUT/.work, so that a
    run that was killed goes on.

    Parameters
    ----------
    request : ContrastRequest
    progress : Progress

    Returns
    -------
    found : Contrasts
    page : Path

    Raises
    ------
    ActionloopError
        What concerns everybody: options or files that cannot be used, nobody who can; nothing has been written then.
    """
    from actionloop.pipeline.contrastpage import write_contrasts

    OutputFolder.check(request.out, overwrite=request.overwrite)
    files.require(groups=("plan",))
    source = ContrastSource(request)
    labels = source.labels
    progress.start(f"contrast of {len(labels)} people", len(labels) + 1)
    with threadpool_limits(limits=1, user_api="blas"):
        found = _everybody(request, source, labels, progress)
        progress.step("writing")
        page = write_contrasts(request, found, source.inputs)
    progress.done()
    return found, page


def _everybody(request: ContrastRequest, source: ContrastSource, labels: list[str], progress: Progress) -> Contrasts:
    cohort = facts.load("contrast")["cohort"]
    enough = len(labels) >= int(cohort["least_people"])
    tables: list[ContrastTable] = []
    rows: list[Mapping[str, Any]] = []
    sums: PreferenceSums | None = None
    only: PreferentialMap | None = None
    absent: dict[str, str] = {}

    def work(label: str) -> str:
        nonlocal sums, only
        row, table, preferred, lacking = measure_person(request, source, label, progress=progress)
        if sums is None:
            flips = int(cohort["map_flips"]) if enough else 0
            rng = np.random.default_rng([request.seed, 12])
            sums = PreferenceSums(preferred.grayordinates, rng=rng, n_flips=flips)
        sums.add(preferred)
        only = preferred if not tables else None
        tables.append(table)
        rows.append(row)
        absent.update(lacking)
        return f"{row['Minutes']:.1f} min; map: {row['Map']}"

    outcomes = visit(
        labels, work, progress=progress, where=request.derivatives, stop_on_first_crash=request.stop_on_first_crash
    )
    assert sums is not None  # visit raises where nobody could be used
    preference = only or sums.result()
    tests, between, first, others = _tests(request, tables, source)
    return Contrasts(
        people=tuple(rows),
        tables=tuple(tables),
        absent=absent,
        tests=tests,
        nuclei=between,
        nucleus=first,
        other_nuclei=others,
        preference=preference,
        axis=sums.grayordinates,
        maps=source.words,
        phantoms=source.phantoms,
        outcomes=tuple(outcomes),
    )


def _tests(
    request: ContrastRequest, tables: list[ContrastTable], source: ContrastSource
) -> tuple[PairedTests | None, PairedTests | None, str, tuple[str, ...]]:
    """Test everything over people, and CM against the other nuclei of the atlas, two families."""
    settings = facts.load("contrast")
    names = {name for one in source.nuclei for name in one.names}
    regions = tuple(name for name in tables[0].regions if name in names)
    first = next((name for name in settings["nuclei"]["first"] if name in regions), "")
    others = tuple(name for name in regions if name != first) if first else ()
    if len(tables) < int(settings["cohort"]["least_people"]):
        return None, None, first, others
    differences = evidence.stacked(tables)
    rng = np.random.default_rng([request.seed, 13])
    tests = evidence.paired_tests(differences, rng=rng)
    if not others:
        return tests, None, first, others
    own = [tables[0].regions.index(name) for name in regions]
    beside, others = evidence.between_regions(differences[..., own], regions, first)
    return tests, evidence.paired_tests(beside, rng=rng), first, others
