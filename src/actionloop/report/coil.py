"""What the section 'The coil: pose, field, and chance of hitting' says; filled in by the pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from actionloop.types import FloatArray, Hemisphere, IntArray

if TYPE_CHECKING:
    from actionloop.report.content import Picture, Table


@dataclass(frozen=True, eq=False)
class PlacedCoil:
    """A coil on the head, in lines, for the view that can be turned; RAS mm.

    Attributes
    ----------
    mark : str
        One or two letters that stand beside it and in the legend.
    name : str
        Of the target and the coil, for the legend.
    hemisphere : {'L', 'R'}
    colour : str
        '#rrggbb'.
    lines : sequence of (point, 3) float ndarray
        Closed lines of the windings.
    handle : (2, 3) float ndarray
    middle, aim : (3,) float ndarray
        Middle of the coil's face, and the target in the cortex.
    """

    mark: str
    name: str
    hemisphere: Hemisphere
    colour: str
    lines: Sequence[FloatArray]
    handle: FloatArray
    middle: FloatArray
    aim: FloatArray


@dataclass(frozen=True, eq=False)
class CoiledHead:
    """The scalp with every coil on it.

    Attributes
    ----------
    vertices : (vertex, 3) float ndarray
        Of the scalp, RAS mm.
    faces : (face, 3) int ndarray
    coils : sequence of PlacedCoil
    """

    vertices: FloatArray
    faces: IntArray
    coils: Sequence[PlacedCoil]


@dataclass(frozen=True, eq=False)
class CoilTarget:
    """What is said of the coil for one target.

    Attributes
    ----------
    title : str
        With its mark and side.
    hemisphere : {'L', 'R'}
    sentences : sequence of str
        What the pose does, the most important first.
    compared : sequence of str
        How it stands beside the geometric and the conventional poses.
    chance : sequence of str
    tables, chance_tables : sequence of Table
    pictures : sequence of Picture
        Of section 'coil', in the order in which they are shown.
    """

    title: str
    hemisphere: Hemisphere
    sentences: Sequence[str] = ()
    compared: Sequence[str] = ()
    chance: Sequence[str] = ()
    tables: Sequence[Table] = ()
    chance_tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()


@dataclass(frozen=True, eq=False)
class CoilPart:
    """Something else about the coil, under a heading of its own.

    Attributes
    ----------
    title : str
    sentences : sequence of str
    tables : sequence of Table
    pictures : sequence of Picture
        Of section 'coil'.
    """

    title: str
    sentences: Sequence[str] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()


@dataclass(frozen=True, eq=False)
class CoilContent:
    """Everything that the section says; whatever is empty is left out.

    Attributes
    ----------
    facts : mapping of str to str
    warnings : sequence of str
        What the reader must know before using a pose.
    overview : Table or None
        One row a posed target.
    targets : sequence of CoilTarget
    plan : sequence of str
        Two coils at once, in words.
    parts : sequence of CoilPart
        The motor hotspot, how people bore TMS there, the field by other programs.
    notes, limits : sequence of str
    head : CoiledHead or None
        None where there is no scalp.
    """

    facts: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    overview: Table | None = None
    targets: Sequence[CoilTarget] = ()
    plan: Sequence[str] = ()
    parts: Sequence[CoilPart] = ()
    notes: Sequence[str] = ()
    limits: Sequence[str] = ()
    head: CoiledHead | None = None

    @property
    def pictures(self) -> list[Picture]:
        """Every picture of the section."""
        return [picture for some in (self.targets, self.parts) for one in some for picture in one.pictures]
