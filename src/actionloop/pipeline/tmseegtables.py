"""Tables and sentences of the pages of TMS-EEG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from actionloop import facts
from actionloop.pipeline.tmseegchoose import Chosen
from actionloop.pipeline.tmseegfmri import SiteOnMap
from actionloop.pipeline.tmseegmeasure import SiteMeasures
from actionloop.pipeline.tmseegpeople import in_words
from actionloop.report import EvidenceSection, Table


def _number(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}".replace("-", "−")


def _with_ends(row: Mapping[str, Any]) -> str:
    return f"{_number(row['value'])} ({_number(row['low'])} to {_number(row['high'])})"


def power_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return field power by site and window."""
    some = [row for row in rows if row["measure"] in ("GMFP", "LMFP")]
    windows = list(dict.fromkeys(row["window"] for row in some))
    keys = list(dict.fromkeys((row["site"], row["condition"], row["measure"]) for row in some))
    cells = {(row["site"], row["condition"], row["measure"], row["window"]): _with_ends(row) for row in some}
    body = [[in_words(*key[:2]), key[2], *(cells[(*key, window)] for window in windows)] for key in keys]
    return Table(
        "Mean field power, µV",
        ["Site", "Measure", *windows],
        body,
        "Mean over the window, with its interval over trials.",
    )


def band_table(rows: Sequence[Mapping[str, Any]], measures: Sequence[str]) -> Table:
    """Return measures by band, one column a window."""
    some = [row for row in rows if row["measure"] in measures]
    windows = list(dict.fromkeys(row["window"] for row in some))
    keys = list(dict.fromkeys((row["site"], row["condition"], row["measure"], row["band"]) for row in some))
    cells = {
        (row["site"], row["condition"], row["measure"], row["band"], row["window"]): _with_ends(row)
        if row["carried"] == "yes"
        else "window too short"
        for row in some
    }
    units = {row["measure"]: row["units"] for row in some}
    body = [
        [
            in_words(*key[:2]),
            f"{key[2]}, {units[key[2]]}" if units[key[2]] else key[2],
            key[3],
            *(cells[(*key, window)] for window in windows),
        ]
        for key in keys
    ]
    note = "With intervals over trials; negative values of debiased measures are kept."
    return Table(" and ".join(measures), ["Site", "Measure", "Band", *windows], body, note)


def site_table(one: Chosen) -> Table:
    """Return the ranking."""
    body = [
        [
            row["site"],
            f"{_number(row['global'], 4)} ({_number(row['low'], 4)} to {_number(row['high'], 4)})",
            f"{row['p_lowest']:.0%}",
            f"{row['p_highest']:.0%}",
            str(row["n_trials"]),
        ]
        for row in one.rows()
    ]
    return Table(
        "Sites by global connectivity", ["Site", "Global dwPLI", "P(lowest)", "P(highest)", "Trials"], body, ""
    )


def predictor_table(one: Chosen) -> Table:
    """Return the published features of M1."""
    body = [
        [
            predictor.name,
            f"{_number(predictor.value)} ({_number(predictor.low)} to {_number(predictor.high)})",
            predictor.unit or "–",
            f"{predictor.direction} in responders" if predictor.direction else "not published",
            "" if predictor.carried else "window too short for the band",
        ]
        for predictor in one.predictors
    ]
    note = f"{one.predictors[0].source}; not confirmed in other people. No threshold was published, so none is applied."
    return Table("M1", ["Feature", "Value (interval)", "Unit", "Published direction", "Note"], body, note)


def local_words(one: Chosen) -> list[str]:
    """Say what M1's local connectivity is."""
    if one.choice.local_m1 is None:
        return ["M1 was not recorded: its local connectivity is not known."]
    value, low, high = one.choice.local_m1
    return [
        f"Local connectivity of M1: {_number(value, 4)} ({_number(low, 4)} to {_number(high, 4)}). In the trial lower "
        "values went with more relief under classic M1 stimulation; that was an exploratory finding."
    ]


def map_section(placed: Sequence[SiteOnMap]) -> EvidenceSection:
    """Return where the sites lie on the person's networks."""
    body = []
    for one in placed:
        nearest = {network: f"{name}, {far:.0f} mm" for network, (name, far) in one.nearest.items()}
        shares = ", ".join(f"{name} {share:.0%}" for name, share in list(one.share.items())[:4])
        body.append(
            [
                one.site,
                f"{one.network} ({one.probability:.0%})",
                nearest.get("SCAN", "–"),
                nearest.get("AMN", "–"),
                shares,
            ]
        )
    table = Table(
        "Sites on this person's networks",
        ["Site", "Network there", "Nearest SCAN node", "Nearest AMN island", "Stimulated cortex"],
        body,
        "Sites are MNI coordinates ("
        + "; ".join(f"{one.site}: {one.source}" for one in placed)
        + "), not the coil's place "
        "on this head. Distances are straight, on the template's cortex; the last column is the strongest percentile "
        "of |E| under a geometric pose, by the field in a sphere: a preview.",
    )
    return EvidenceSection("Together with the fMRI map", (), [table])


def near_words(found: Mapping[tuple[str, str], SiteMeasures]) -> list[str]:
    """Say which channels stand for each site."""
    return [f"{in_words(*key)}: near the site are {', '.join(one.near)}." for key, one in found.items()]


def methods() -> str:
    """Say how measures were made."""
    known = facts.load("tmseeg_measures")
    bands = ", ".join(f"{one['name']} {one['low_hz']:g}–{one['high_hz']:g} Hz" for one in known["band"])
    windows = ", ".join(f"{one['name']} {one['start_s'] * 1e3:g}–{one['stop_s'] * 1e3:g} ms" for one in known["window"])
    how = known["connectivity"]
    return (
        f"Bands: {bands}. Windows: {windows}. Morlet wavelets of {known['wavelet']['cycles']:g} cycles. Connectivity: "
        f"debiased squared weighted phase lag index between electrodes, global over pairs of the {how['nearest']} "
        f"nearest electrodes with all others, weight {how['global_weight']}, local among them (configuration version "
        f"{known['version']}; not published by the trial, so our own)."
    )


def choice_methods(one: Chosen) -> str:
    """Say how sites were compared."""
    options = one.choice.options
    return (
        f"Sites were compared on equally many trials in {', '.join(options.bands)}, window {options.window}; "
        f"{options.draws} draws of trials gave intervals and P(rank 1). A P(rank 1) below {options.sure:.0%} is a near "
        "tie, and no site is picked then."
    )
