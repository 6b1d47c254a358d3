"""Tables of a variability, for files and page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from actionloop import facts
from actionloop.atlas import ABSENT, rate
from actionloop.pipeline.variations import Variability
from actionloop.report import Table


def node_rows(found: Variability) -> Iterator[dict[str, Any]]:
    """Rows of variability_nodes.tsv: who has each node and island, and how far it scatters."""
    empty = dict.fromkeys(facts.load("atlas")["nodes"])
    for place, centres in found.found_in.items():
        have = rate(int((centres != ABSENT).sum()), len(centres))
        row = {
            **empty,
            "name": place[0],
            "network": place[0].split()[0],
            "hemisphere": place[1],
            "people": have.people,
            "found_in": have.count,
            "share": have.share,
            "share_low": have.low,
            "share_high": have.high,
            "note": found.unmeasured.get(place),
        }
        if place in found.scatters:
            own = found.scatters[place]
            row |= dict(zip(("x_mni", "y_mni", "z_mni"), map(float, own.centre_mni), strict=True))
            row |= {
                "cortex_median_mm": own.cortex.median_mm,
                "cortex_low_mm": own.cortex.median_low_mm,
                "cortex_high_mm": own.cortex.median_high_mm,
                "cortex_p95_mm": own.cortex.largest_mm,
                "straight_median_mm": own.straight.median_mm,
            }
            row |= {f"spread_{k}_mm": float(value) for k, value in enumerate(own.spread_mm, 1)}
        yield row


def site_rows(found: Variability) -> Iterator[dict[str, Any]]:
    """Rows of variability_sites.tsv: what fixed and group places hit."""
    fixed = {(site.name, site.hemisphere): site for site in found.sites}
    for one in found.chances:
        site = fixed.get((one.site, one.hemisphere))
        xyz = [None] * 3 if site is None else [float(value) for value in site.xyz_mni]
        yield {
            "site": one.site,
            "kind": "group" if site is None else "fixed",
            "hemisphere": one.hemisphere,
            "network": one.network,
            **dict(zip(("x_mni", "y_mni", "z_mni"), xyz, strict=True)),
            "moved_mm": None if site is None else site.moved_mm,
            "people": one.hit.people,
            "hit": one.hit.share,
            "hit_low": one.hit.low,
            "hit_high": one.hit.high,
            "near": one.near.share,
            "near_low": one.near.low,
            "near_high": one.near.high,
            "within_mm": one.within_mm,
        }


def node_table(nodes: Sequence[Mapping[str, Any]]) -> Table:
    """Table of nodes and islands, for the page."""
    rows = []
    for row in nodes:
        measured = row["cortex_median_mm"] is not None
        spread = [f"{row[f'spread_{k}_mm']:.1f}" for k in (1, 2, 3)] if measured else []
        known = np.isfinite(row["cortex_low_mm"]) if measured else False
        interval = f" ({row['cortex_low_mm']:.1f} to {row['cortex_high_mm']:.1f})" if known else ""
        rows.append(
            [
                f"{row['name']} {row['hemisphere']}",
                f"{row['found_in']} of {row['people']}",
                f"{row['cortex_median_mm']:.1f}{interval}" if measured else "–",
                f"{row['cortex_p95_mm']:.1f}" if measured else "–",
                f"{row['straight_median_mm']:.1f}" if measured else "–",
                " × ".join(spread) if measured else (row["note"] or "–"),
            ]
        )
    columns = ["Part", "Found in", "Along cortex, mm", "95th percentile", "Straight, mm", "SD by direction, mm"]
    note = "Median distance to the middle of the others' centres, in brackets its 95% interval where people suffice."
    return Table("How far nodes and islands scatter", columns, rows, note)


def site_tables(sites: Sequence[Mapping[str, Any]]) -> list[Table]:
    """Tables of fixed places and of a group's, for the page."""
    made = []
    for kind, title in (
        ("fixed", "Places that are the same in everybody"),
        ("group", "A group's places in a new person"),
    ):
        own = [row for row in sites if row["kind"] == kind]
        if not own:
            continue
        rows = [
            [
                f"{row['site']} {row['hemisphere']}",
                row["network"],
                chance(row, "hit"),
                chance(row, "near"),
                row["people"],
            ]
            for row in own
        ]
        columns = ["Place", "Network", "Hits it", f"Within {own[0]['within_mm']:g} mm", "People"]
        note = "In brackets the 95% interval (Jeffreys)."
        if kind == "group":
            note += " Each person's place is the middle of the others' centres."
        made.append(Table(title, columns, rows, note))
    return made


def chance(row: Mapping[str, Any], what: str) -> str:
    """Share of people with its interval, in words."""
    return f"{percent(row[what])} ({percent(row[f'{what}_low'])} to {percent(row[f'{what}_high'])})"


def percent(share: float) -> str:
    """Share in whole per cent."""
    return f"{100 * float(share):.0f}%"
