"""Tables and maps of a contrast, for files and page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from actionloop import facts
from actionloop.evidence import ContrastTable, GroupPreference, PairedTests
from actionloop.pipeline.contrasts import Contrasts
from actionloop.report import Table
from actionloop.types import FloatArray

NOT_KNOWN = "–"


def person_rows(found: Contrasts) -> Iterator[dict[str, Any]]:
    """Rows of contrast.tsv: each person, region and effector; regions that are not covered have no values."""
    for person, table in zip(found.people, found.tables, strict=True):
        label = f"sub-{person['Label']}"
        for r, region in enumerate(table.regions):
            for e, effector in enumerate(table.seeds[1:]):
                known = bool(np.isfinite(table.difference[e, r]))
                yield {
                    "participant": label,
                    "region": region,
                    "against": effector,
                    "scan_z": table.fisher_z[0, r],
                    "scan_z_low": table.fisher_z_low[0, r],
                    "scan_z_high": table.fisher_z_high[0, r],
                    "against_z": table.fisher_z[e + 1, r],
                    "difference": table.difference[e, r],
                    "difference_low": table.difference_low[e, r],
                    "difference_high": table.difference_high[e, r],
                    "rows": int(table.region_rows[r]),
                    "note": None if known else "no row with signal away from the networks, or no such effector",
                }
        for region, reason in found.absent.items():
            empty = dict.fromkeys(facts.load("contrast")["columns"])
            yield {**empty, "participant": label, "region": region, "rows": 0, "note": f"not covered: {reason}"}


def tested_rows(found: Contrasts) -> Iterator[dict[str, Any]]:
    """Rows of contrast_tests.tsv: SCAN against each effector by region, then CM against other nuclei."""
    if found.tests is None:
        return
    seeds, regions = found.tables[0].seeds, found.tables[0].regions
    for e, effector in enumerate(seeds[1:]):
        for r, region in enumerate(regions):
            yield _test_row(found.tests, (e, r), f"{seeds[0]} - {effector}", region, None)
    if found.nuclei is not None:
        for e, effector in enumerate(seeds[1:]):
            for r, other in enumerate(found.other_nuclei):
                yield _test_row(found.nuclei, (e, r), f"{seeds[0]} - {effector}", found.nucleus, other)


def _test_row(
    tests: PairedTests, at: tuple[int, int], compared: str, region: str, beside: str | None
) -> dict[str, Any]:
    values = {"mean": tests.mean, "t": tests.statistic, "p": tests.p, "p_fdr": tests.p_fdr, "p_fwe": tests.p_fwe}
    numbers = {name: float(array[at]) for name, array in values.items()}
    return {"compared": compared, "region": region, "beside": beside, **numbers, "people": int(tests.people[at])}


def preferential_maps(found: Contrasts) -> tuple[FloatArray, list[str]]:
    """Return the maps of contrast_preferential.dscalar.nii and their names; NaN (nobody has signal) becomes 0."""
    made = found.preference
    if not isinstance(made, GroupPreference):
        return np.where(made.valid, made.margin, 0), [f"{name} preference" for name in made.seeds]
    parts = {"mean preference": made.mean, "share of people": made.share, "t": made.t}
    if made.p_fwe is not None:
        parts["p (FWE)"] = made.p_fwe
    names = [f"{name} {words}" for words in parts for name in made.seeds]
    return np.nan_to_num(np.concatenate(list(parts.values()))), names


def person_table(table: ContrastTable) -> Table:
    """Table of one person, for the page."""
    level = f"{table.bootstrap.level:.0%}"
    names = table.seeds[1:]
    rows = [
        [
            region,
            _with_interval(table.fisher_z[0, r], table.fisher_z_low[0, r], table.fisher_z_high[0, r]),
            *(
                _with_interval(table.difference[e, r], table.difference_low[e, r], table.difference_high[e, r])
                for e in range(len(names))
            ),
            int(table.region_rows[r]),
        ]
        for r, region in enumerate(table.regions)
    ]
    columns = ["Region", "SCAN", *(f"SCAN − {name}" for name in names), "Places"]
    note = f"In brackets the {level} interval from {table.bootstrap.n:,} resamples of {table.n_blocks} blocks each."
    return Table("Fisher z of SCAN with each region, and how much more it is than the effectors'", columns, rows, note)


def people_table(tables: Sequence[ContrastTable]) -> Table:
    """Table of many people, for the page."""
    first = tables[0]
    each = np.stack([table.fisher_z for table in tables])
    ahead = np.stack([table.difference_low > 0 for table in tables]).sum(axis=0)
    rows = []
    for r, region in enumerate(first.regions):
        own = each[:, :, r]
        mean = [fine(float(np.nanmean(values))) if np.isfinite(values).any() else NOT_KNOWN for values in own.T]
        rows.append([region, *mean, *(f"{int(count)} of {len(tables)}" for count in ahead[:, r])])
    columns = ["Region", *first.seeds, *(f"above {name}" for name in first.seeds[1:])]
    note = "'Above': people whose own interval of the difference lies above 0."
    return Table(f"Mean Fisher z over {len(tables)} people", columns, rows, note)


def test_tables(found: Contrasts, tests: Sequence[Mapping[str, Any]]) -> list[Table]:
    """Tables of the tests over people, for the page."""
    assert found.tests is not None  # or there were no rows
    shown = ("region", "compared", "mean", "t", "p", "p_fdr", "p_fwe", "people")
    columns = ["Region", "Difference", "Mean", "t", "p", "FDR", "FWE (max)", "People"]
    tried = "all" if found.tests.all_flips else "of"
    note = f"Paired t; FWE against the largest of the table, {tried} {found.tests.n_flips:,} exchanges of signs."
    plain = [row for row in tests if row["beside"] is None]
    rows = [[_shown(row, name) for name in shown] for row in plain]
    made = [Table("SCAN against each effector", columns, rows, note)]
    nuclei = [row for row in tests if row["beside"] is not None]
    if nuclei:
        rows = [[f"{row['region']} − {row['beside']}", *(_shown(row, name) for name in shown[1:])] for row in nuclei]
        made.append(Table(f"{found.nucleus} against the other thalamic nuclei", columns, rows, note))
    return made


def _with_interval(value: float, low: float, high: float) -> str:
    return f"{fine(value)} ({fine(low)} to {fine(high)})" if np.isfinite(value) else NOT_KNOWN


def _shown(row: Mapping[str, Any], name: str) -> Any:
    small = name.startswith("p") and isinstance(row[name], float) and row[name] < 0.001
    return "< 0.001" if small else fine(row[name])


def fine(value: Any) -> Any:
    """Show a number with three digits and a true minus, a dash where there is none, other things as they are."""
    if not isinstance(value, float):
        return value
    return f"{value:.3f}".replace("-", "−") if np.isfinite(value) else NOT_KNOWN
