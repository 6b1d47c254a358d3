"""The flow diagram of a trial (CONSORT 2025): boxes and arrows from counts."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from actionloop import facts
from actionloop.figures.colours import brain_colour, hexadecimal
from actionloop.figures.page import ink, png, quiet, sheet, write
from actionloop.types import FlowArm, TrialFlow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STAGES = ("Enrolment", "Allocation", "Follow-up", "Analysis")
_STRIP, _MARGIN, _GAP, _STEP = 64, 40, 36, 64  # pixels: stage strip, edge, between columns, between rows
_LINE, _PAD = 30, 22
_SIZE = 7.0  # points
_CHARACTER = 11.6  # pixels, mean width of a letter at that size
_TITLE, _TITLE_LINE = 14.6, 36  # pixels, of the title: width of a letter, height of a line
_LEAST = 500
_MOST_REASONS = 6


@dataclass(frozen=True)
class _Box:
    """Lines of text, the first `bold` of them so, and where their box lies, pixels."""

    lines: tuple[str, ...]
    left: float
    top: float
    width: float
    bold: int = 0

    @property
    def height(self) -> float:
        return len(self.lines) * _LINE + 2 * _PAD

    @property
    def middle(self) -> float:
        return self.left + self.width / 2

    @property
    def bottom(self) -> float:
        return self.top + self.height


def flow_diagram(flow: TrialFlow, *, title: str = "", form: Literal["png", "svg"] = "png") -> bytes:
    """Draw who was assessed, excluded, allocated, treated, followed and analysed.

    Parameters
    ----------
    flow : TrialFlow
    title : str
        Above the diagram.
    form : {'png', 'svg'}

    Returns
    -------
    bytes
        The same flow gives the same bytes.
    """
    columns = max(len(flow.arms), 1)
    wide = max(_LEAST, min(620, 1500 // columns))
    page_width = max(_MARGIN * 2 + _STRIP + columns * wide + (columns - 1) * _GAP, 1240)
    heading = textwrap.wrap(title, int((page_width - 2 * _MARGIN) / _TITLE))
    top = _MARGIN + (24 if heading else 0) + _TITLE_LINE * len(heading)
    boxes, stages = _arranged(flow, page_width, top, wide)
    height = max(box.bottom for rows in boxes for box in rows) + _MARGIN + _LINE
    figure, page = sheet(round(page_width), round(height))
    for index, line in enumerate(heading):
        write(page, _MARGIN, _MARGIN + 14 + _TITLE_LINE * index, line, fontsize=9, weight="bold")
    _draw_stages(page, stages)
    _draw_arrows(page, boxes)
    for rows in boxes:
        for box in rows:
            _draw_box(page, box)
    note = f"Analysed: as in the analysis '{flow.analysis}'. Counted from the trial's log."
    write(page, _MARGIN + _STRIP, height - _MARGIN / 2 - 6, note, fontsize=6, color=quiet())
    return png(figure) if form == "png" else _svg(figure)


def _arranged(
    flow: TrialFlow, page_width: float, top: float, wide: float
) -> tuple[list[list[_Box]], list[tuple[float, float]]]:
    """Lay out [assessed, excluded], [randomised], then one row of boxes for each later stage; and the stages' spans."""
    left, right = _MARGIN + _STRIP, page_width - _MARGIN
    centre = left + (right - left) / 2 - (120 if len(flow.arms) < 2 else 0)
    assessed = _Box((f"Assessed for eligibility (n = {flow.assessed})",), centre - 250, top, 500)
    beside = _reasons("Excluded", flow.excluded, 460)
    if flow.undecided:
        beside = (*beside, f"Not decided yet (n = {flow.undecided})")
    excluded = _Box(beside, min(centre + 80, right - 520), assessed.bottom + _STEP / 2, 520)
    randomised = _Box((f"Randomised (n = {flow.randomised})",), centre - 250, excluded.bottom + _STEP / 2, 500)
    boxes = [[assessed, excluded], [randomised]]
    stages = [(top, randomised.bottom)]
    span = len(flow.arms) * wide + (len(flow.arms) - 1) * _GAP
    start = centre - span / 2
    row_top = randomised.bottom + _STEP * 1.4
    for tell in (_allocation, _follow_up, _analysis):
        row = [
            _Box(tell(arm, wide - 40), start + index * (wide + _GAP), row_top, wide)
            for index, arm in enumerate(flow.arms)
        ]
        most = max(len(box.lines) for box in row)
        bold = [len(_wrapped(arm.label, wide - 40)) if tell is _allocation else 0 for arm in flow.arms]
        row = [
            _Box(box.lines + ("",) * (most - len(box.lines)), box.left, box.top, box.width, n)
            for box, n in zip(row, bold, strict=True)
        ]
        boxes.append(row)
        stages.append((row_top, row[0].bottom))
        row_top = row[0].bottom + _STEP
    return boxes, stages


def _allocation(arm: FlowArm, width: float) -> tuple[str, ...]:
    return (
        *_wrapped(arm.label, width),
        f"Allocated (n = {arm.allocated})",
        f"Received one session or more (n = {arm.received})",
        *(_reasons("Received none", arm.not_received, width) if arm.not_received else ()),
    )


def _follow_up(arm: FlowArm, width: float) -> tuple[str, ...]:
    told = (
        *_reasons("Lost to follow-up", arm.lost, width),
        *_reasons("Stopped treatment, still rated", arm.discontinued, width),
    )
    return (*told, f"Still followed (n = {arm.following})") if arm.following else told


def _analysis(arm: FlowArm, width: float) -> tuple[str, ...]:
    told = f"Analysed (n = {arm.analysed})"
    return (told, *_reasons("Not analysed", arm.not_analysed, width)) if arm.not_analysed else (told,)


def _reasons(head: str, reasons: Mapping[str, int], width: float) -> tuple[str, ...]:
    """Tell a sum and its reasons, the rarest put together where there are many."""
    listed = list(reasons.items())
    if len(listed) > _MOST_REASONS:
        rest = listed[_MOST_REASONS - 1 :]
        listed = [*listed[: _MOST_REASONS - 1], (f"{len(rest)} other reasons", sum(n for _, n in rest))]
    lines = [f"{head} (n = {sum(reasons.values())})"]
    for reason, count in listed:
        first, *more = _wrapped(f"{reason} (n\u00a0=\u00a0{count})", width - 40)
        lines += [f"   • {first}", *(f"     {line}" for line in more)]
    return tuple(lines)


def _wrapped(text: str, width: float) -> list[str]:
    return textwrap.wrap(text, max(int(width / _CHARACTER), 12), break_long_words=True) or [""]


def _draw_stages(page: Axes, stages: Sequence[tuple[float, float]]) -> None:
    from matplotlib.patches import Rectangle

    fill = facts.load("palette")["networks"]["Foot"]
    for name, (top, bottom) in zip(_STAGES, stages, strict=True):
        page.add_patch(Rectangle((_MARGIN, top), 36, bottom - top, facecolor=fill, edgecolor="none"))
        size = _SIZE if bottom - top > 120 else 5.0
        style = {"rotation": 90, "ha": "center", "color": "white", "fontsize": size, "weight": "bold"}
        write(page, _MARGIN + 18, (top + bottom) / 2, name, **style)


def _draw_box(page: Axes, box: _Box) -> None:
    from matplotlib.patches import Rectangle

    style: dict[str, Any] = {"facecolor": "white", "edgecolor": ink(), "lw": 0.8, "zorder": 3}
    page.add_patch(Rectangle((box.left, box.top), box.width, box.height, **style))
    for index, line in enumerate(box.lines):
        row = box.top + _PAD + (index + 0.5) * _LINE
        weight = "bold" if index < box.bold else "normal"
        write(page, box.left + 20, row, line, fontsize=_SIZE, weight=weight, zorder=4)


def _draw_arrows(page: Axes, boxes: Sequence[Sequence[_Box]]) -> None:
    (assessed, excluded), (randomised,), *rows = boxes
    _arrow(page, (assessed.middle, assessed.bottom), (randomised.middle, randomised.top))
    side = excluded.top + excluded.height / 2
    _arrow(page, (assessed.middle, side), (excluded.left, side))
    fork = randomised.bottom + _STEP * 0.6
    first, last = rows[0][0].middle, rows[0][-1].middle
    line: dict[str, Any] = {"color": ink(), "lw": 0.9, "solid_capstyle": "butt"}
    page.plot([randomised.middle] * 2, [randomised.bottom, fork], **line)
    page.plot([min(first, randomised.middle), max(last, randomised.middle)], [fork, fork], **line)
    for box in rows[0]:
        _arrow(page, (box.middle, fork), (box.middle, box.top))
    for above, below in pairwise(rows):
        for upper, lower in zip(above, below, strict=True):
            _arrow(page, (upper.middle, upper.bottom), (lower.middle, lower.top))


def _arrow(page: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    style = {"arrowstyle": "-|>,head_width=.22,head_length=.4", "color": ink(), "lw": 0.9, "shrinkA": 0, "shrinkB": 0}
    page.annotate("", xy=end, xytext=start, arrowprops=style, zorder=2)


def _svg(figure: Figure) -> bytes:
    """Bytes of a figure as SVG, text as outlines so that it looks alike everywhere; the same each time."""
    import matplotlib as mpl

    drawn = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": hexadecimal(brain_colour("ink"))}):
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    return drawn.getvalue()
