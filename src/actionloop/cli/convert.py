"""`actionloop convert`: one navigation system's file as another's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from actionloop import facts
from actionloop.cli.options import Flag, Verbose
from actionloop.cli.streams import put, say


@Parameter(name="*")
@dataclass(frozen=True)
class Tied:
    """Which image the poses are on, and how the file is read.

    Parameters
    ----------
    from_system
        System that wrote IN; told by what it holds when left out.
    assume
        Which way the axes of IN point, where nothing in it tells.
    axes
        Which way the coil's axes point in a Slicer or NIBS-BIDS file of another program.
    from_image
        The image that the poses are on, where --transform carries them to --image.
    transform
        Affine registration of the two images: ITK (.h5, .mat, .txt, .tfm), FSL (.mat) or FreeSurfer (.lta).
    transform_to
        Which image of the transform --image is, where its name or its images do not tell; 'reference' when left out.
    force
        Write poses that do not seem to lie on this head; every note says so.
    """

    from_system: Annotated[str | None, Parameter(name="--from")] = None
    assume: Literal["RAS", "LPS"] | None = None
    axes: Literal["simnibs", "brainsight", "localite"] | None = None
    from_image: Path | None = None
    transform: Path | None = None
    transform_to: Literal["reference", "moving"] | None = None
    force: Flag = False


@Parameter(name="*")
@dataclass(frozen=True)
class Written:
    """How the file is written.

    Parameters
    ----------
    file_version
        Version of a Brainsight file, 7 to 14.
    space
        Of a Localite file: RAS for a session made from NIfTI, LPS for one made from DICOM.
    head_folder
        SimNIBS's m2m folder, for --to simnibs-script.
    coil_file
        Coil as SimNIBS finds it, for --to simnibs-script.
    overwrite
        Replace OUT.
    """

    file_version: int | None = None
    space: Literal["RAS", "LPS"] | None = None
    head_folder: str = ""
    coil_file: str = ""
    overwrite: Flag = False


_TIED, _WRITTEN = Tied(), Written()


def convert(
    source: Path,
    out: Path,
    /,
    *,
    to: str,
    image: Path,
    tied: Tied = _TIED,
    written: Written = _WRITTEN,
    verbose: Verbose = False,
) -> int:
    """Write the coil poses of one navigation system's file for another.

    Poses stay on the image that they were made on. A file of actionloop is refused with another image, by its hash; a
    file of another program is taken to belong to --image after a look at whether its poses lie on that head.

    Parameters
    ----------
    source
        File of Brainsight, Localite, Visor2, 3D Slicer, NaviNIBS, SimNIBS, InVesalius, Softaxic or NIBS-BIDS.
    out
        File to write; NIBS-BIDS has its sidecar beside it.
    to
        brainsight, localite, visor2, slicer, navinibs, simnibs, simnibs-mat, simnibs-script, invesalius or nibs-bids.
    image
        The T1 that the poses are navigated on.
    """
    say(facts.notice())
    from actionloop import pipeline

    request = pipeline.ConvertRequest(
        source=source,
        out=out,
        to=to,
        image=image,
        system=tied.from_system,
        assume=tied.assume,
        axes=tied.axes,
        from_image=tied.from_image,
        transform=tied.transform,
        transform_to=tied.transform_to,
        version=written.file_version,
        space=written.space,
        head_folder=written.head_folder,
        coil_file=written.coil_file,
        force=tied.force,
        overwrite=written.overwrite,
    )
    done = pipeline.convert_file(request)
    for path in done.paths:
        put(str(path))
    say(f"{done.n_poses} poses from {done.read} to {done.written}{', as they were read' if done.verbatim else ''}")
    for note in done.notes:
        say(f"note: {note}")
    return 0
