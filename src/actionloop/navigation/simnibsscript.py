"""A script that computes coil poses in SimNIBS: written here, run there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from actionloop import facts
from actionloop.errors import OptionError
from actionloop.navigation.laterality import plain
from actionloop.navigation.telling import name_poses, tell_frame
from actionloop.types import CoilPose, Image


def write_simnibs_script(
    poses: Sequence[CoilPose],
    *,
    image: Image,
    head_folder: str,
    coil_file: str,
    output_folder: str = "simnibs_actionloop",
    didt_a_per_s: float = 1e6,
    coil_beside: bool = False,
) -> str:
    """Write a Python script that computes the field of every pose in SimNIBS; nothing is run here.

    Parameters
    ----------
    poses : sequence of CoilPose
        RAS mm of `image`.
    image : Image
        The image that the head model is made from.
    head_folder : str
        SimNIBS's m2m folder of this person, or its head mesh (.msh).
    coil_file : str
        As SimNIBS finds it, or with `coil_beside` its name.
    output_folder : str
    didt_a_per_s : float
        Rate of change of the coil's current, A/s.
    coil_beside : bool
        The coil's file lies beside the script, wherever that is run from.

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
    named = name_poses(poses, image=image, kept=None, system="SimNIBS")
    lines = ['"""Fields of the coil poses below, in SimNIBS: run with simnibs_python."""', ""]
    lines += [f"# {plain(text)}" for text in tell_frame(image)]
    head = "fnamehead" if str(head_folder).lower().endswith(".msh") else "subpath"
    beside = "str(Path(__file__).resolve().parent / {})" if coil_beside else "{}"
    lines += [
        "# The head model must be made from this image: its T1.nii.gz must overlay it.",
        "",
        *(["from pathlib import Path", ""] if coil_beside else []),
        "from simnibs import run_simnibs, sim_struct",
        "",
        "session = sim_struct.SESSION()",
        f"session.{head} = {str(head_folder)!a}",
        f"session.pathfem = {str(output_folder)!a}",
        "session.open_in_gmsh = False",
        "coil = session.add_tmslist()",
        f"coil.fnamecoil = {beside.format(ascii(str(coil_file)))}",
    ]
    for pose, (name, said) in zip(poses, named, strict=True):
        lines += ["", f"# {said}" + f"; note: {plain(pose.note)}" * bool(pose.note)]
        lines += ["position = coil.add_position()", f"position.name = {name!a}"]
        lines += [f"position.didt = {float(didt_a_per_s)!r}", "position.matsimnibs = ["]
        lines += [f"    [{', '.join(repr(float(value)) for value in row)}]," for row in pose.matrix] + ["]"]
    lines += ["", 'if __name__ == "__main__":', f"    print({facts.notice()!a})", "    run_simnibs(session)"]
    return "\n".join(lines) + "\n"
