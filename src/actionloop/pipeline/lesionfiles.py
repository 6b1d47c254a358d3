"""What `actionloop lesion` is given: masks or a coordinate, the way from a T1 to MNI, and a table of symptoms."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from actionloop import facts, files
from actionloop.errors import GeometryError, InputError, OptionError
from actionloop.evidence import Lesion, LesionSide, lesion_at, lesion_of
from actionloop.files import MNI_FRAME
from actionloop.types import FloatArray, Image

_MNI_CODE = 4  # of NIfTI: the frame of the MNI152
_ENDINGS = (".nii.gz", ".nii", ".mgz", ".mgh")
_SIDES: Mapping[str, LesionSide] = {"left": "L", "right": "R", "both": "both", "l": "L", "r": "R"}


@dataclass(frozen=True, eq=False)
class Symptoms:
    """Scores of a symptom for many lesions.

    Attributes
    ----------
    score : mapping of str to float
        By name of the lesion.
    sides : mapping of str to {'L', 'R', 'both'}
        Where the table says them.
    covariates : tuple of str
    values : mapping of str to tuple of float
        Covariates of each lesion.
    source : Path
    """

    score: Mapping[str, float]
    sides: Mapping[str, LesionSide]
    covariates: tuple[str, ...]
    values: Mapping[str, tuple[float, ...]]
    source: Path


def lesion_name(path: Path) -> str:
    """Name of a mask's file without its ending."""
    return next((path.name.removesuffix(ending) for ending in _ENDINGS if path.name.endswith(ending)), path.name)


def coordinate_lesion(
    xyz_mni: Sequence[float], *, radius_mm: float | None = None, side: LesionSide | None = None
) -> Lesion:
    """Take a sphere around an MNI coordinate for a lesion.

    Raises
    ------
    GeometryError
        No finite place, no radius, or no side.
    OptionError
        'both' for a coordinate.
    """
    if side == "both":
        raise OptionError("a coordinate lies on one side", where="--side", fix="say left or right")
    place = ", ".join(f"{value:g}".replace("-", "−") for value in xyz_mni)
    try:
        return lesion_at(np.array(xyz_mni, dtype=np.float64), radius_mm=radius_mm, side=side, name=f"lesion at {place}")
    except GeometryError as error:
        if side is None and "has no side" in error.problem:
            raise GeometryError(error.problem, where="--coordinate", fix="say --side left or --side right") from error
        raise


def read_lesions(
    paths: Sequence[Path],
    *,
    side: LesionSide | None,
    t1w: Path | None = None,
    transform: Path | None = None,
    symptoms: Symptoms | None = None,
) -> tuple[Lesion, ...]:
    """Read masks, in MNI space or in that of a T1.

    Parameters
    ----------
    paths : sequence of Path
    side : {'L', 'R', 'both'} or None
        Of all of them; the table of symptoms may say it of each.
    t1w : Path, optional
        Image that the mask was drawn on.
    transform : Path, optional
        Affine between that image and MNI152.
    symptoms : Symptoms, optional

    Returns
    -------
    tuple of Lesion
        In RAS mm of MNI.

    Raises
    ------
    InputError, GeometryError, EmptyRegionError
        A mask that cannot be used; native space without the way to MNI; a way that does not lead there.
    OptionError
        No side; a T1 without transform or the reverse; several masks with one T1; one name twice.
    """
    names = [lesion_name(path) for path in paths]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise OptionError(f"two lesions are called {twice[0]}", fix="give each mask a name of its own")
    if (t1w is None) != (transform is None):
        raise OptionError(
            f"a lesion in a person's own space needs both the T1 and its transform to MNI; "
            f"{'--t1' if t1w is None else '--transform'} is missing",
            fix="give --t1 T1 --transform FILE, or a mask that was warped to MNI",
        )
    if t1w is not None and len(paths) > 1:
        raise OptionError(
            f"{len(paths)} lesions, one T1", where="--t1", fix="warp the masks to MNI152 first (nearest neighbour)"
        )
    reference = None if t1w is None else files.read_image(t1w, frame="T1w")
    to_mni = None if transform is None or reference is None else moving_to_mni(transform, reference)
    found = []
    for path, name in zip(paths, names, strict=True):
        own = side if symptoms is None else symptoms.sides.get(name, side)
        if own is None:
            raise OptionError(
                f"the side of {name} was not said; a mask that is stored mirrored looks like any other",
                where="--side",
                fix="say where the lesion is known to be: --side left, right or both",
            )
        mask = files.read_image(path, frame="T1w")
        if reference is None:
            mask = _in_mni(mask, path)
        found.append(lesion_of(mask, side=own, reference=reference, moving_to_mni=to_mni, name=name))
    return tuple(found)


def moving_to_mni(path: Path, t1: Image) -> FloatArray:
    """Read the affine from a T1 to MNI152, whichever way the file has it, and refuse one that does not lead there.

    Names in the file (BIDS: from-T1w_to-MNI...) say the way; else the T1 counts as the moving image. Whatever they
    say, the T1 must look like the template where the affine puts it, and more so than with the affine reversed.

    Parameters
    ----------
    path : Path
    t1 : Image

    Returns
    -------
    (4, 4) float64 ndarray
        RAS mm of the T1 to RAS mm of MNI.

    Raises
    ------
    InputError
        Unreadable or nonlinear.
    GeometryError
        Mirrored, or a T1 that does not come to lie on the template.
    """
    settings, template = facts.load("lesion")["command"], files.template_image()
    try:
        read = files.read_transform(path, moving=t1, reference=template)
    except InputError as error:
        if "nonlinear" not in error.problem and "warp" not in error.problem.lower():
            raise
        raise InputError(
            error.problem,
            where=path,
            fix="warp the mask to MNI152 with the program that made it (nearest neighbour) and give the warped mask, "
            "with space-MNI152NLin6Asym in its name",
        ) from error
    reversed_ = read.moving.startswith("MNI")
    matrix = read.reference_to_moving if reversed_ else read.moving_to_reference
    here, back = (_likeness(t1, template, one) for one in (matrix, np.linalg.inv(matrix)))
    if here < settings["least_r"] or back > here + 0.05:
        why = "the other way round it would fit better" if back > here else "another head, or another pair of images"
        raise GeometryError(
            f"with this transform the T1 does not lie on the MNI152 template (correlation {here:.2f}, reversed "
            f"{back:.2f}): {why}",
            where=path,
            fix="give the affine that takes points of this T1 to MNI152; FSL: flirt -in T1 -ref MNI152 -omat FILE",
        )
    return matrix


def read_symptoms(path: Path, names: Sequence[str]) -> Symptoms:
    """Read one row a lesion: columns lesion and score, side if wanted, any others as covariates.

    Parameters
    ----------
    path : Path
        Text with a header and tabs or commas; a lesion is named as its file, with or without ending.
    names : sequence of str
        Of the lesions that were given.

    Returns
    -------
    Symptoms

    Raises
    ------
    InputError
        Columns missing, numbers that are none, a lesion without row or a row without lesion, or too few lesions.
    """
    rows = _rows(path)
    score: dict[str, float] = {}
    sides: dict[str, LesionSide] = {}
    values: dict[str, tuple[float, ...]] = {}
    more = tuple(name for name in rows[0] if name not in ("lesion", "score", "side"))
    for line, row in enumerate(rows, start=2):
        name = lesion_name(Path(row["lesion"].strip()))
        if name in score or name not in names:
            what = "comes twice" if name in score else "is none of the lesions that were given"
            raise InputError(f"line {line}: {name!r} {what}", where=path, fix="one row for each mask, by file name")
        score[name] = _number(row["score"], "score", line, path)
        values[name] = tuple(_number(row[one], one, line, path) for one in more)
        if row.get("side", "").strip():
            word = row["side"].strip().lower()
            if word not in _SIDES:
                raise InputError(f"line {line}: {word!r} is no side", where=path, fix="say left, right or both")
            sides[name] = _SIDES[word]
    lacking = [name for name in names if name not in score]
    if lacking:
        raise InputError(f"{len(lacking)} lesions have no row: {', '.join(lacking[:3])}", where=path)
    least = int(facts.load("lesion")["symptoms"]["least_lesions"]) + len(more)
    if len(score) < least:
        raise InputError(
            f"{len(score)} lesions are too few to exchange the labels of a symptom; {least} are needed",
            where=path,
            fix="leave out --symptoms: each lesion is still compared with lesions of its size elsewhere",
        )
    return Symptoms(score, sides, more, values, path)


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise InputError("the table of symptoms does not exist", where=path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("the table of symptoms is no readable text", where=path) from error
    delimiter = "\t" if "\t" in text.partition("\n")[0] else ","
    reader = csv.DictReader(io.StringIO(text), delimiter=delimiter, restval="", restkey="more")
    rows = list(reader)
    header = [name or "" for name in reader.fieldnames or ()]
    if not rows or not {"lesion", "score"} <= set(header) or any("more" in row for row in rows):
        raise InputError(
            f"expected a table with the columns lesion and score, found {', '.join(header[:6]) or 'nothing'}",
            where=path,
            fix="tabs or commas; further columns (age, volume ...) are covariates; side may say left, right, both",
        )
    return rows


def _number(text: str, column: str, line: int, path: Path) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise InputError(f"line {line}: the {column} {text!r} is no number", where=path, fix="leave no cell empty")
    return value


def _in_mni(mask: Image, path: Path) -> Image:
    """Give a mask the frame of MNI if its name or the code of its header says so, and refuse it otherwise."""
    if "space-MNI" not in path.name and _MNI_CODE not in mask.form_codes:
        raise GeometryError(
            "neither name nor header of the lesion mask says that it is in MNI space",
            where=path,
            fix="drawn on the person's own T1: give --t1 T1 --transform FILE; already in MNI152: put "
            "space-MNI152NLin6Asym into its name",
        )
    return replace(mask, frame=MNI_FRAME)


def _likeness(t1: Image, template: Image, matrix: FloatArray) -> float:
    """Correlation of a T1 with the template over the brain, with the T1 carried by an affine."""
    brain = files.read_image(files.resource("mni_brain"), frame=MNI_FRAME)
    step = max(1, round(float(facts.load("lesion")["command"]["lattice_mm"])))
    ijk = np.argwhere(np.asarray(brain.data)[::step, ::step, ::step] > 0) * step
    places = ijk @ brain.affine[:3, :3].T + brain.affine[:3, 3]
    back = np.linalg.inv(matrix)
    ours, theirs = _sampled(t1, places @ back[:3, :3].T + back[:3, 3]), _sampled(template, places)
    return float(np.corrcoef(ours, theirs)[0, 1]) if ours.std() > 0 and theirs.std() > 0 else 0.0


def _sampled(image: Image, places_mm: FloatArray) -> FloatArray:
    """Values of an image at places, linear, 0 outside; (place,)."""
    from scipy.ndimage import map_coordinates

    inverse = np.linalg.inv(image.affine)
    ijk = places_mm @ inverse[:3, :3].T + inverse[:3, 3]
    found: FloatArray = map_coordinates(np.asarray(image.data, dtype=np.float32), ijk.T, order=1, mode="constant")
    return found
