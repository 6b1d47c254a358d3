"""What the open exchange formats share: reading hostile text safely, and what every export says of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from actionloop.errors import GeometryError, InputError, OptionError
from actionloop.navigation.conventions import BRAINSIGHT_AXES, LOCALITE_AXES
from actionloop.navigation.found import NavigationFile, Space
from actionloop.navigation.laterality import plain
from actionloop.navigation.telling import name_poses, tell_frame, tell_kept, unverified
from actionloop.types import CoilPose, FloatArray, Image

# Right-multiplied to the file's coil axes they give ours; each is its own inverse.
AXES: Mapping[str, FloatArray] = {"simnibs": np.eye(4), "brainsight": BRAINSIGHT_AXES, "localite": LOCALITE_AXES}
Axes = Literal["simnibs", "brainsight", "localite"]

OUR_AXES = "coil axes: SimNIBS (columns x, y, z; x = y × z, y away from the handle, z into the head)"

# Nothing on a head is further from the origin of its image than this.
_FURTHEST_MM = 1e4


@dataclass(frozen=True)
class Saying:
    """The words that go beside one exported pose.

    Attributes
    ----------
    name : str
        With the side, e.g. 'SCAN middle L (left)'.
    said : str
        The side again, in words, beside the sign of x.
    note : str
        Of the pose; one line.
    """

    name: str
    said: str
    note: str


def tell(
    poses: Sequence[CoilPose],
    *,
    image: Image,
    system: str,
    forbidden: Sequence[str] = (),
    kept: NavigationFile | None = None,
    space: Space = "RAS",
) -> tuple[list[str], list[Saying]]:
    """Check poses before an export and put into words what every file of theirs must say.

    Parameters
    ----------
    poses : sequence of CoilPose
    image : Image
    system : str
        For which no real file was at hand, so that the export says that it is unverified.
    forbidden : sequence of str
        Pieces that may not stand in the names in this format.
    kept : NavigationFile, optional
        Entries that stand in the export as they were read.
    space : {'RAS', 'LPS'}
        Of the file to be written; `kept` must be in it.

    Returns
    -------
    general : list of str
        One line each: notice, version, frame, image hash, what is not verified.
    sayings : list of Saying
        In the order of the poses.

    Raises
    ------
    GeometryError
        Poses of another image, qform and sform that disagree or are missing, or a name that contradicts its place.
    EmptyRegionError
        Nothing to write.
    """
    general = [
        *tell_frame(image),
        *tell_kept(kept),
        unverified(system),
    ]
    named = name_poses(poses, image=image, kept=kept, system=system, space=space)
    sayings = []
    for pose, (name, said) in zip(poses, named, strict=True):
        sayings.append(Saying(plain(name, forbidden=forbidden), plain(said, forbidden=forbidden), plain(pose.note)))
    if len({one.name for one in sayings}) < len(sayings):
        raise GeometryError(
            "two poses have the same name once the characters that this format does not allow are taken out",
            fix="rename one of them",
        )
    return general, sayings


def numbers(value: object, n: int, *, what: str, where: str, mm: bool = False) -> FloatArray:
    """Read a flat list of finite numbers.

    Parameters
    ----------
    value : object
        As parsed; strings and booleans are no numbers.
    n : int
        How many there must be.
    what, where : str
        For the error.
    mm : bool
        Coordinates: refused beyond 10 m.

    Returns
    -------
    (n,) float64 ndarray

    Raises
    ------
    InputError
    """
    ok = isinstance(value, list) and len(value) == n
    ok = ok and all(isinstance(one, int | float) and not isinstance(one, bool) for one in value)  # type: ignore[attr-defined]
    if ok:
        # A whole number beyond the floats cannot be converted at all.
        bounded = [one if abs(one) < 1e300 else np.inf for one in value]  # type: ignore[attr-defined]
        found = np.array(bounded, dtype=float)
        if np.isfinite(found).all() and not (mm and np.abs(found).max() > _FURTHEST_MM):
            return found
    raise InputError(
        f"{what} should be {n} finite numbers{' in mm' if mm else ''}, found {plain(repr(value)[:80])}",
        where=where or None,
        fix="the file is damaged or in other units; export it again",
    )


def floats(row: Mapping[str, str], names: Sequence[str]) -> list[object]:
    """Turn the cells of a row into floats, leaving for `numbers` to refuse what is none."""
    found: list[object] = []
    for name in names:
        try:
            found.append(float(row.get(name, "")))
        except ValueError:
            found.append(row.get(name))
    return found


def table(lines: Sequence[str], columns: Sequence[str], *, first: int, where: str) -> list[dict[str, str]]:
    """Part tab-separated lines into rows by column.

    Parameters
    ----------
    lines, columns : sequence of str
    first : int
        Number of the first line in the file, for the error.
    where : str

    Returns
    -------
    list of dict of str to str

    Raises
    ------
    InputError
        A row with more or fewer cells than columns.
    """
    rows = []
    for number, line in enumerate(lines, first):
        cells = line.rstrip("\r").split("\t")
        if len(cells) != len(columns):
            raise InputError(
                f"line {number} has {len(cells)} columns, expected {len(columns)}",
                where=where or None,
                fix="the file is truncated or was edited; export it again",
            )
        rows.append(dict(zip(columns, cells, strict=True)))
    return rows


def mapping(value: object, *, what: str, where: str) -> dict[str, Any]:
    """Return a JSON object, or refuse what is none."""
    if isinstance(value, dict):
        return value
    raise InputError(
        f"{what} should be a JSON object, found {plain(repr(value)[:80])}",
        where=where or None,
        fix="the file is damaged; export it again",
    )


def items(value: object, *, what: str, where: str) -> list[Any]:
    """Return a JSON array, or refuse what is none."""
    if isinstance(value, list):
        return value
    raise InputError(
        f"{what} should be a JSON array, found {plain(repr(value)[:80])}",
        where=where or None,
        fix="the file is damaged; export it again",
    )


def words(value: object) -> str:
    """Return a text field as one plain line; anything that is no text is empty."""
    return plain(value) if isinstance(value, str) else ""


def axes_of(axes: str | None) -> FloatArray | None:
    """Look up the coil axes that the caller names for a file that does not name its own."""
    if axes is None:
        return None
    if axes not in AXES:
        raise OptionError(f"coil axes {axes!r} are not known ({', '.join(AXES)})", where="axes")
    return AXES[axes]
