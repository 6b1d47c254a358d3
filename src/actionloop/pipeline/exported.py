"""What was handed on to other programs and people, for the page and the provenance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from actionloop import navigation
from actionloop.files import OutputFolder, declared_outputs
from actionloop.types import CoilPose, FloatArray, Image

Kind = Literal["navigation", "imaging", "tape"]


@dataclass(eq=False)
class Shelf:
    """OUT for one person: writes declared outputs and keeps the list of them.

    Attributes
    ----------
    out : OutputFolder
    entities : mapping
        Of the person's file names.
    written : list of (str, str)
        Key and path below OUT of everything written so far.
    """

    out: OutputFolder
    entities: Mapping[str, str | None]
    written: list[tuple[str, str]] = field(default_factory=list)

    def put(self, key: str, writer: Callable[[Path], object], **more: str) -> str:
        """Write one output; returns its path below OUT."""
        return self.note(key, self.out.write(key, {**self.entities, **more}, writer))

    def note(self, key: str, path: Path) -> str:
        """Keep an output that is written already; returns its path below OUT."""
        below = path.relative_to(self.out.path).as_posix()
        self.written.append((key, below))
        return below

    def empty_folder(self, key: str, **more: str) -> Path:
        """Return the folder of an output of many files, without those of an earlier run."""
        folder = self.out.file(key, {**self.entities, **more}).parent
        declared = declared_outputs()[key]
        for old in folder.glob("*") if folder.is_dir() else ():
            if declared.matches(old.relative_to(self.out.path).as_posix()):
                old.unlink()
        return folder


@dataclass(frozen=True)
class ExportedFile:
    """One file for a navigation system, an imaging system or the tape.

    Attributes
    ----------
    kind : {'navigation', 'imaging', 'tape'}
    name : str
        Of the system, or what the file shows.
    frame : str
        In words.
    verified : str
        Whether real files of the system were at hand; empty for an open standard.
    sides : str
        Which sides it holds, in words and by the sign of x.
    path : str
        Below OUT.
    note : str
    """

    kind: Kind
    name: str
    frame: str
    verified: str
    sides: str
    path: str = ""
    note: str = ""


@dataclass(eq=False)
class Handed:
    """Collects what was handed on.

    Attributes
    ----------
    files : list of ExportedFile
        In the order they were written.
    left_out : list of (str, str)
        What is not there, and why.
    """

    files: list[ExportedFile] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)

    def add(self, about: ExportedFile, path: str, **more: str) -> None:
        """Note a file that was written, with what differs from `about`."""
        self.files.append(replace(about, path=path, **more))  # type: ignore[arg-type]

    def leave_out(self, name: str, reason: str) -> None:
        """Note what was left out."""
        if (name, reason) not in self.left_out:
            self.left_out.append((name, reason))

    def of(self, kind: Kind) -> list[ExportedFile]:
        """Return the files of one kind."""
        return [one for one in self.files if one.kind == kind]

    def recorded(self) -> dict[str, Any]:
        """Return what the provenance says."""
        return {
            "files": {kind: len(self.of(kind)) for kind in ("navigation", "imaging", "tape")},
            "left_out": [{"what": name, "why": reason} for name, reason in self.left_out],
        }


def side_words(image: Image, poses: Sequence[CoilPose]) -> str:
    """Say how many poses are on each side, beside the sign of their x."""
    return _sides([navigation.side_of(pose.label, pose.matrix[:3, 3], image) for pose in poses])


def place_side(label: str, xyz_ras: FloatArray, image: Image) -> str:
    """Say the side of one place, beside the sign of its x."""
    return f"{navigation.side_of(label, xyz_ras, image).upper()}, x = {float(xyz_ras[0]):+.1f} mm"


def _sides(sides: Sequence[str]) -> str:
    signs = {"left": "negative x", "right": "positive x"}
    return "; ".join(f"{sides.count(side)} {side} ({sign})" for side, sign in signs.items() if side in sides)


def entity_of(name: str) -> str:
    """Return a name as a BIDS entity allows it: letters and digits."""
    return "".join(character for character in name if character.isascii() and character.isalnum())
