"""A script that computes coil poses in cuNIBS: written here, run by the Python that holds cuNIBS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from actionloop import facts
from actionloop.brain import Scalp
from actionloop.errors import OptionError
from actionloop.navigation.laterality import plain
from actionloop.navigation.telling import name_poses, tell_frame
from actionloop.types import CoilPose, FloatArray, Image

_HANDLE_MM = 50.0


@dataclass(frozen=True, eq=False)
class Placement:
    """A pose as cuNIBS takes it: it lays the coil flat on its own scalp there.

    Attributes
    ----------
    centre_mm : (3,) float64 ndarray
        On the scalp, RAS mm.
    along_mm : (3,) float64 ndarray
        A point in the direction of the coil's y axis.
    distance_mm : float
        From the scalp to the middle of the coil's face.
    """

    centre_mm: FloatArray
    along_mm: FloatArray
    distance_mm: float


def place_coil(matrix: FloatArray, scalp: Scalp) -> Placement:
    """Say a pose by the nearest point of the scalp; the tilt of the coil against the scalp is lost.

    Parameters
    ----------
    matrix : (4, 4) float ndarray
        Coil axes in columns, RAS mm.
    scalp : Scalp

    Returns
    -------
    Placement
    """
    middle = np.asarray(matrix, dtype=np.float64)[:3, 3]
    centre = np.asarray(scalp.nearest(middle)[0], dtype=np.float64)
    along = centre + _HANDLE_MM * np.asarray(matrix, dtype=np.float64)[:3, 1]
    return Placement(centre, along, float(np.linalg.norm(middle - centre)))


def write_cunibs_script(
    poses: Sequence[CoilPose],
    *,
    image: Image,
    scalp: Scalp,
    head_mesh: str,
    coil_file: str,
    didt_a_per_s: float = 1e6,
) -> str:
    """Write a Python script that computes the field of every pose in cuNIBS; nothing is run here.

    It leaves files field_0001.npz and so on beside itself: 'magnE' (V/m), 'tet_tags', 'barycenters_mm', 'transform'.

    Parameters
    ----------
    poses : sequence of CoilPose
        RAS mm of `image`.
    image : Image
        The image that the head mesh is made from.
    scalp : Scalp
        Of this head.
    head_mesh : str
        Mesh of SimNIBS's CHARM (.msh).
    coil_file : str
        Dipoles (.ccd).
    didt_a_per_s : float
        Rate of change of the coil's current, A/s.

    Returns
    -------
    str
        Every name and path stands in it as an escaped string, never as code.

    Raises
    ------
    GeometryError, EmptyRegionError
        As in `write_simnibs`.
    OptionError
        A rate that is not above 0.
    """
    if not (np.isfinite(didt_a_per_s) and didt_a_per_s > 0):
        raise OptionError(f"the coil's rate of current is {didt_a_per_s} A/s, expected above 0", where="didt_a_per_s")
    named = name_poses(poses, image=image, kept=None, system="cuNIBS")
    lines = ['"""Fields of the coil poses below, in cuNIBS: run with the Python that holds it."""', ""]
    lines += [f"# {plain(text)}" for text in tell_frame(image)]
    lines += [
        "",
        "import inspect",
        "from pathlib import Path",
        "",
        "import numpy as np",
        "from cunibs import Placement, Subject",
        "from cunibs.coil import Coil, encode_ccd",
        "",
        "here = Path(__file__).resolve().parent",
        "placements = []",
    ]
    for pose, (_, said) in zip(poses, named, strict=True):
        at = place_coil(pose.matrix, scalp)
        middle, along = ([float(value) for value in point] for point in (at.centre_mm, at.along_mm))
        lines += [f"# {said}", f"placements.append(Placement({middle!r}, {along!r}, {at.distance_mm!r}))"]
    lines += [
        "",
        'if __name__ == "__main__":',
        f"    print({facts.notice()!a})",
        f'    encode_ccd(Path({str(coil_file)!a}), here / "coil.h5")',
        '    coil = Coil.load(here / "coil.h5")',
        f"    subject = Subject.from_mesh({str(head_mesh)!a})",
        "    known = inspect.signature(subject.simulate).parameters",
        '    kept = {name: True for name in ("magnitude", "retain_fields") if name in known}',
        "    for number, placement in enumerate(placements, start=1):",
        f"        field = subject.simulate(coil, placement, didt={float(didt_a_per_s)!r}, **kept)",
        "        np.savez(",
        '            here / f"field_{number:04d}.npz",',
        "            magnE=field.magnE,",
        "            tet_tags=field.tet_tags,",
        "            barycenters_mm=field.barycenters_mm,",
        "            transform=field.transform,",
        "        )",
    ]
    return "\n".join(lines) + "\n"
