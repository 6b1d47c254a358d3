"""Tables, maps, pictures and page of a contrast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from actionloop import facts, figures, files
from actionloop.evidence import GroupPreference
from actionloop.files import OutputFolder
from actionloop.pipeline.contrastperson import ContrastRequest
from actionloop.pipeline.contrasts import Contrasts
from actionloop.pipeline.contrasttables import (
    fine,
    people_table,
    person_rows,
    person_table,
    preferential_maps,
    test_tables,
    tested_rows,
)
from actionloop.report import EvidenceContent, EvidenceSection, Shown, render_evidence

_TESTS = ("compared", "region", "beside", "mean", "t", "p", "p_fdr", "p_fwe", "people")


def write_contrasts(request: ContrastRequest, found: Contrasts, inputs: Sequence[Path]) -> Path:
    """Write everything that a contrast gives.

    Parameters
    ----------
    request : ContrastRequest
    found : Contrasts
    inputs : sequence of Path
        Files that concern everybody.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    OutputError
        OUT cannot be written.
    """
    sources = [] if request.derivatives is None else [files.source_dataset(request.derivatives, out=request.out)]
    tests = list(tested_rows(found))
    pictures = (_intervals(found), _preferred(found))
    known, first = facts.load("contrast"), found.tables[0]
    options = {
        "maps": found.maps,
        "subcortex": request.subcortex,
        "nuclei_atlas": request.nuclei_atlas if request.nuclei else None,
        "global_signal": "left in" if request.no_gsr else "removed where the series were not denoised yet",
        "draws": first.bootstrap.n,
        "block_s": first.bootstrap.block_s,
        "level": first.bootstrap.level,
        "away_mm": first.away_mm,
        "flips": 0 if found.tests is None else found.tests.n_flips,
    }
    about: dict[str, Any] = {
        "People": list(found.people),
        "LeftOut": [
            {"Label": one.label, "Reason": one.message.splitlines()[0]} for one in found.outcomes if not one.ok
        ],
        "NotCovered": dict(found.absent),
        "Phantoms": found.phantoms,
    }
    provenance = files.provenance(inputs, root=request.derivatives, options=options, seed=request.seed, **about)
    out = OutputFolder(request.out, overwrite=request.overwrite, sources=sources)
    columns = {"Columns": known["columns"], "TestColumns": known["tests"]}
    out.write("contrast", {}, lambda path: files.write_table(path, list(person_rows(found))))
    if tests:
        out.write("contrast_tests", {}, lambda path: files.write_table(path, tests, columns=_TESTS))
    elif out.has("contrast_tests"):
        out.file("contrast_tests").unlink()  # of an earlier run with more people
    out.write("contrast_json", {}, lambda path: files.write_json(path, {**provenance, **columns}))
    values, names = preferential_maps(found)
    out.write("contrast_preferential", {}, lambda path: files.write_dscalar(path, values, names, found.axis))
    shown = []
    for picture in pictures:
        entities = {"desc": picture.file} if picture.file else {}
        path = out.write("contrast_figure", entities, lambda path, png=picture.png: path.write_bytes(png))  # type: ignore[misc]
        shown.append(Shown(picture.png, picture.alt, picture.caption, path.name))
    page = render_evidence(_content(found, tests, shown, provenance))
    return out.write("contrast_page", {}, lambda path: files.write_text(path, page))


def _intervals(found: Contrasts) -> Shown:
    first = found.tables[0]
    if len(found.tables) == 1:
        value, low, high, each = first.fisher_z, first.fisher_z_low, first.fisher_z_high, None
        words = f"{first.bootstrap.level:.0%} interval of this scan"
    else:
        each = np.stack([table.fisher_z for table in found.tables])
        n = np.isfinite(each).sum(axis=0)
        with np.errstate(all="ignore"):
            value = np.where(n > 0, np.nansum(each, axis=0) / n, np.nan)
            spread = np.sqrt(np.nansum((each - value) ** 2, axis=0) / (n - 1) / n)
        reach = stats.t.ppf(0.975, np.maximum(n - 1, 1)) * np.where(n > 1, spread, np.nan)
        low, high, words = value - reach, value + reach, "95% interval of the mean; pale: each person"
    picture = figures.contrast_intervals(first.regions, first.seeds, value, low, high, each=each)
    alt = "; ".join(
        f"{region}: " + ", ".join(f"{seed} {fine(z)}" for seed, z in zip(first.seeds, value[:, r], strict=True))
        for r, region in enumerate(first.regions)
    )
    caption = f"Correlation (Fisher z) of each network's mean series with the region's; {words}."
    return Shown(picture, f"Fisher z by region. {alt}.", caption)


def _preferred(found: Contrasts) -> Shown:
    made = found.preference
    cortex, n = found.axis.cortex(), found.axis.n_cortex
    group = isinstance(made, GroupPreference)
    margin = made.mean if isinstance(made, GroupPreference) else np.where(made.valid, made.margin, np.nan)
    margin = np.asarray(margin[:, :n], dtype=np.float64)
    positive = margin[np.isfinite(margin) & (margin > 0)]
    limit = float(np.quantile(positive, 0.95)) if positive.size else 1.0
    views = figures.surface_views(files.template_anatomy())
    words = "mean Fisher z above the next" if group else "Fisher z above the next"
    picture = figures.preferred_map(views, cortex, made.seeds, margin, limit=limit, words=words)
    share = [float((margin[k] > 0).mean()) for k in range(len(made.seeds))]
    alt = "Preferred network on the cortex: " + ", ".join(
        f"{name} on {part:.0%}" for name, part in zip(made.seeds, share, strict=True)
    )
    caption = (
        "Which of the four networks each place is tied to most: own Fisher z minus the largest other"
        + (", mean over people." if group else ".")
        + " Each network's own vertices prefer themselves."
    )
    return Shown(picture, alt + ".", caption, "preferential")


def _content(
    found: Contrasts, tests: Sequence[Mapping[str, Any]], shown: Sequence[Shown], provenance: Mapping[str, Any]
) -> EvidenceContent:
    known, first, n = facts.load("contrast"), found.tables[0], len(found.people)
    lead = f"sub-{found.people[0]['Label']}" if n == 1 else f"{n} people"
    minutes = [row["Minutes"] for row in found.people]
    glance = {"People": str(n), "Maps": found.maps, "Minutes": f"{min(minutes):.0f}" if n == 1 else _span(minutes)}
    glance["Resamples"] = f"{first.bootstrap.n:,} of blocks of {first.bootstrap.block_s:g} s"
    tables = [person_table(first)] if n == 1 else [people_table(found.tables)]
    sections = [EvidenceSection("By region", _not_covered(found), tables, shown[:1])]
    if tests:
        sections.append(EvidenceSection("Tests over people", (), test_tables(found, tests)))
    sections.append(EvidenceSection("Preferred network", (), (), shown[1:]))
    listed = [("Contrasts", "contrast.tsv"), ("Description", "contrast.json")]
    listed += [("Tests", "contrast_tests.tsv")] if tests else []
    listed += [("Preferential maps", "contrast_preferential.dscalar.nii")]
    return EvidenceContent(
        title="Connectivity of SCAN against foot, hand and mouth",
        lead=lead,
        answer=[*_answer(found), known["page"]["published"]],
        glance=glance,
        warnings=_warnings(found),
        sections=sections,
        limits=known["page"]["limits"],
        methods=[_methods(found)],
        references=_references(found),
        files=[*listed, *(("Picture", one.file) for one in shown)],
        provenance=provenance,
    )


def _references(found: Contrasts) -> list[str]:
    listed = [
        "Gordon et al. 2023, doi:10.1038/s41586-023-05964-2 (contrasts, preferential maps)",
        "Kunsch 1989, doi:10.1214/aos/1176347265 (blocks)",
    ]
    signs = "doi:10.1002/hbm.1058; Winkler et al. 2014, doi:10.1016/j.neuroimage.2014.01.060 (signs)"
    return listed if found.tests is None else [*listed, f"Nichols & Holmes 2002, {signs}"]


def _answer(found: Contrasts) -> list[str]:
    """Say what the connectivity with AMN shows, which is what was published first."""
    first = found.tables[0]
    r = first.regions.index("AMN")
    if len(found.tables) == 1:
        above = [bool(low > 0) for low in first.difference_low[:, r]]
        parts = [
            f"{name} is {fine(first.difference[e, r])} ({fine(first.difference_low[e, r])} to "
            f"{fine(first.difference_high[e, r])})"
            for e, name in enumerate(first.seeds[1:])
        ]
        verdict = "each" if all(above) else f"{sum(above)}"
        return [
            f"Fisher z of SCAN with AMN is {fine(first.fisher_z[0, r])}. By the {first.bootstrap.level:.0%} interval "
            f"of the difference it is above {verdict} of {', '.join(first.seeds[1:])}.",
            f"The difference to {', to '.join(parts)}.",
        ]
    ahead = [bool((table.difference[:, r] > 0).all()) for table in found.tables]
    sentence = f"In {sum(ahead)} of {len(ahead)} people SCAN goes with AMN more than foot, hand and mouth each."
    if found.tests is None:
        return [
            sentence,
            "There are too few people for a test over people; each person's intervals stand in the table.",
        ]
    p = ", ".join(f"{name} {found.tests.p_fwe[e, r]:.3f}" for e, name in enumerate(first.seeds[1:]))
    return [sentence, f"Over people, p (FWE) against {p}."]


def _warnings(found: Contrasts) -> list[str]:
    left_out = [one for one in found.outcomes if not one.ok]
    told = [f"sub-{one.label} is left out: {one.message.splitlines()[0]}." for one in left_out]
    if found.phantoms:
        told.insert(0, "These people, or those of the prior, are simulated; nothing here is about people.")
    return told


def _not_covered(found: Contrasts) -> list[str]:
    """Name the regions that could not be looked at, those of one reason together."""
    reasons: dict[str, list[str]] = {}
    for region, reason in found.absent.items():
        reasons.setdefault(reason, []).append(region)
    return [f"Not covered: {', '.join(names)}: {reason}." for reason, names in reasons.items()]


def _methods(found: Contrasts) -> str:
    first = found.tables[0]
    tests = (
        ""
        if found.tests is None
        else (
            " Differences were tested over people by paired t, with the false discovery rate and the largest "
            f"statistic under {found.tests.n_flips:,} exchanges of signs [3]."
        )
    )
    return (
        f"Networks were {found.maps}. Mean series of SCAN, foot, hand and mouth (each vertex at unit variance) were "
        f"correlated with those of {len(first.regions)} regions, cortex within {first.away_mm:g} mm of any of the four "
        f"left out [1]. Intervals: {first.bootstrap.n:,} resamples of blocks of {first.bootstrap.block_s:g} s [2]."
        f"{tests} Preferential maps are each network's Fisher z minus the largest of the others [1]."
    )


def _span(values: Sequence[float]) -> str:
    low, high = f"{min(values):.0f}", f"{max(values):.0f}"
    return f"{low} a person" if low == high else f"{low} to {high} a person"
