"""Rendering: one self-contained page, nothing loaded from anywhere, everything from files escaped."""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from actionloop import __version__, facts
from actionloop.figures import legend_colours
from actionloop.files import declared_outputs
from actionloop.report.content import VERDICT_SHAPES, VERDICT_WORDS, ReportContent, Section, TargetTrust
from actionloop.report.rotatable import packed_plotly, rotatable_view
from actionloop.types import SIDES, FloatArray, SiteReading, Target

if TYPE_CHECKING:
    from jinja2 import Environment

_DASH = "–"
# Outputs of many files, of which the list shows the folder.
_IN_FOLDERS = ("figure", "dicom_series")


def render_report(content: ReportContent) -> str:
    """Render the page of one person.

    Parameters
    ----------
    content : ReportContent

    Returns
    -------
    str
        HTML; opens without a network and without the files beside it.
    """
    return (
        _templates()
        .get_template("report.html.j2")
        .render(
            content=content,
            version=__version__,
            notice=facts.notice(),
            sides=facts.load("outputs")["dataset"]["sides"],
            best=_best(content.targets),
            usable=_usable(content),
            trust_of=lambda target: _trust_of(content, target),
            verdict_words=VERDICT_WORDS,
            verdict_shapes=VERDICT_SHAPES,
            ordered=sorted(content.targets, key=lambda target: target.rank),
            colours=legend_colours(content.network_map),
            pictures=_by_section(content),
            outputs=_outputs(content),
            navigation_names={path: declared_outputs()[key].format for key, path in content.written},
            run_columns=list(content.runs[0]) if content.runs else [],
            run_rows=[list(run.values()) for run in content.runs],
            site_distances=lambda site: _site_distances(site, content.targets),
            rotatable=rotatable_view(
                content.anatomy,
                content.network_map,
                content.targets,
                head=content.coil.head if content.coil else None,
            )
            if content.rotatable
            else None,
            plotly=packed_plotly() if content.rotatable else "",
        )
    )


def embedded(png: bytes) -> dict[str, Any]:
    """Return data URI and size of a picture; WebP where Pillow knows it (a fifth of the size), else PNG; or SVG."""
    if png.lstrip()[:5] in (b"<?xml", b"<svg "):
        return _embedded_svg(png)
    from PIL import Image, features

    picture = Image.open(io.BytesIO(png))
    kind, data = "png", png
    if features.check("webp"):
        packed = io.BytesIO()
        picture.convert("RGB").save(packed, format="WEBP", quality=86, method=4)
        if packed.tell() < len(png):
            kind, data = "webp", packed.getvalue()
    uri = f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
    return {"uri": uri, "width": picture.width // 2, "height": picture.height // 2}


def _embedded_svg(svg: bytes) -> dict[str, Any]:
    """Return data URI and size (CSS pixels) of a drawing whose size is given in points."""
    size = [re.search(rb"<svg[^>]*\b" + name + rb'="([0-9.]+)pt"', svg) for name in (b"width", b"height")]
    width, height = (round(float(found[1]) * 4 / 3) if found else 800 for found in size)
    uri = f"data:image/svg+xml;base64,{base64.b64encode(svg).decode('ascii')}"
    return {"uri": uri, "width": width, "height": height}


def number(value: Any, digits: int = 2) -> str:
    """Write a value for reading: rounded, with a real minus; a dash where nothing is known."""
    value = value.item() if isinstance(value, np.generic) else value
    if value is None or value == "" or (isinstance(value, float) and not math.isfinite(value)):
        return _DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace("-", "−")
    if isinstance(value, float):
        return f"{round(value, digits) + 0.0:,.{digits}f}".replace("-", "−")
    return str(value)


def share(value: float | None) -> str:
    """Write a share, 0 to 1, in per cent."""
    known = value is not None and math.isfinite(value)
    return f"{100 * float(value):.0f} %" if known and value is not None else _DASH


def point(xyz: FloatArray | None, digits: int = 0) -> str:
    """Write a point as 'x, y, z'."""
    if xyz is None:
        return _DASH
    return ", ".join(number(float(value), digits) for value in xyz)


def moment(created: str) -> str:
    """Write an ISO time for reading; any other text stays as it is."""
    try:
        return f"{datetime.fromisoformat(created):%Y-%m-%d %H:%M %Z}".strip()
    except ValueError:
        return created


@cache
def _templates() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("actionloop.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=number, share=share, point=point, moment=moment, side=lambda hemisphere: SIDES[hemisphere]
    )
    return environment


def _best(targets: Sequence[Target]) -> list[Target]:
    """Best target, then the best of every other network."""
    best: dict[str, Target] = {}
    for target in sorted(targets, key=lambda item: item.rank):
        best.setdefault(target.piece.network, target)
    return list(best.values())


def _trust_of(content: ReportContent, target: Target) -> TargetTrust | None:
    return None if content.trust is None else content.trust.of(target.rank)


def _usable(content: ReportContent) -> Target | None:
    """Best-ranked target whose verdict is use; where there is none, caution."""
    ordered = sorted(content.targets, key=lambda target: target.rank)
    judged = [(target, trust.verdict) for target in ordered if (trust := _trust_of(content, target)) is not None]
    found = [target for wanted in ("use", "caution") for target, verdict in judged if verdict == wanted]
    return found[0] if found else None


def _site_distances(site: SiteReading, targets: Sequence[Target]) -> list[tuple[Target, float]]:
    """Straight distance from a site to the best target of each network on its side."""
    same_side = [target for target in targets if target.piece.hemisphere == site.hemisphere]
    return [(target, float(np.linalg.norm(target.xyz_ras - site.xyz_ras))) for target in _best(same_side)]


def _by_section(content: ReportContent) -> dict[str, list[dict[str, Any]]]:
    sections: dict[str, list[dict[str, Any]]] = {key: [] for key in get_args(Section)}
    trust = content.trust.pictures if content.trust else ()
    coil = content.coil.pictures if content.coil else ()
    for picture in {picture.key: picture for picture in (*content.pictures, *trust, *coil)}.values():
        ending = f"_desc-{picture.key}_figure.png"
        files = [path for key, path in content.written if key == "figure" and path.endswith(ending)]
        shown = {"picture": picture, "file": files[0] if files else "", **embedded(picture.png)}
        sections[picture.section].append(shown)
    return sections


def _outputs(content: ReportContent) -> list[Mapping[str, Any]]:
    """Rows of the output list: what was written, and what was not and why."""
    rows: list[Mapping[str, Any]] = []
    paths: dict[str, list[str]] = {}
    for key, path in content.written:
        paths.setdefault(key, []).append(path)
    for key, output in declared_outputs().items():
        if output.level == "analysis":
            continue
        files = paths.get(key, [])
        if key in _IN_FOLDERS:
            files = [f"{path.rsplit('/', 1)[0]}/" for path in files[:1]]
        if files or not output.required:
            rows.append({"output": output, "files": files})
    return rows
