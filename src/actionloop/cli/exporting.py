"""The words of `actionloop plan` about what is handed on to other programs and people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter

_EXPORTS = Group("What other programs and people get", sort_key=5)


@Parameter(name="*", group=_EXPORTS)
@dataclass(frozen=True)
class Exporting:
    """Files for navigation systems, imaging and the tape; without a reliable target they are withheld (see --force).

    Parameters
    ----------
    export
        What is written, with blanks or commas between: all (default), none, or any of brainsight, localite, visor2,
        slicer, navinibs, simnibs, simnibs-mat, invesalius, nibs-bids, overlays, meshes, sheets.
    dicom
        Folder with the person's own T1 series: it is written again with targets burned in, and as DICOM SEG.
    fiducials
        JSON or TSV file with nasion, inion, left and right (tragus), RAS mm of the T1, for the scalp sheets.
    """

    export: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="", show_default=False)] = ()
    dicom: Path | None = None
    fiducials: Path | None = None

    def choice(self) -> dict[str, Any]:
        """Return the same as the fields of the settings' section."""
        return {"wanted": self.export or None, "dicom": self.dicom, "fiducials": self.fiducials}
