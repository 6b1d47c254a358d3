"""What `convert` was asked, and what it did."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class ConvertRequest:
    """What is to be converted.

    Attributes
    ----------
    source, out : Path
    to : str
        A key of `navigation.SYSTEMS` that is written, or 'simnibs-script'.
    image : Path
        The image that the poses are written for.
    system : str or None
        Of `source`; found by its contents when None.
    assume : {'RAS', 'LPS'} or None
    axes : {'simnibs', 'brainsight', 'localite'} or None
        As in `navigation.Reading`.
    from_image : Path or None
        The image that the poses are on, with `transform`.
    transform : Path or None
        Registration of the two images.
    transform_to : {'reference', 'moving'} or None
        Which of its images `image` is, where nothing else tells.
    version : int or None
        Of a Brainsight file to be written.
    space : {'RAS', 'LPS'} or None
        Of a Localite file to be written.
    head_folder, coil_file : str
        For 'simnibs-script'.
    force : bool
        Write although poses and image do not seem to belong together; every note says so.
    overwrite : bool
    """

    source: Path
    out: Path
    to: str
    image: Path
    system: str | None = None
    assume: Literal["RAS", "LPS"] | None = None
    axes: Literal["simnibs", "brainsight", "localite"] | None = None
    from_image: Path | None = None
    transform: Path | None = None
    transform_to: Literal["reference", "moving"] | None = None
    version: int | None = None
    space: Literal["RAS", "LPS"] | None = None
    head_folder: str = ""
    coil_file: str = ""
    force: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class Converted:
    """What was done.

    Attributes
    ----------
    paths : tuple of Path
        Files written.
    read, written : str
        Systems.
    n_poses : int
    verbatim : bool
        The entries stand in the new file as they were read.
    notes : tuple of str
        Sentences: what the poses are tied to, what was left out, what is not verified.
    """

    paths: tuple[Path, ...]
    read: str
    written: str
    n_poses: int
    verbatim: bool
    notes: tuple[str, ...]
