"""Each person's networks for a prior: from a folder of label maps, or from mapping the person."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from actionloop import files
from actionloop.errors import InputError, OptionError
from actionloop.networks.iterative import map_iterative
from actionloop.pipeline.priors import choose_prior
from actionloop.types import Basis, NetworkMap, Prior


class LabelMaker:
    """Where each person's networks come from.

    Parameters
    ----------
    folder : Path or None
        With one label map per person; None: everybody is mapped.
    prior_file : Path or None
        What the mapping starts from; None: the default prior.

    Attributes
    ----------
    words : str
        How labels come about.
    start : str or None
        The prior that mapping starts from.

    Raises
    ------
    OptionError
        Both were given.
    InputError, PriorError, ResourceError
        The folder or the prior cannot be used.
    """

    def __init__(self, folder: Path | None, prior_file: Path | None) -> None:
        self.folder, self.prior_file = folder, prior_file
        self.prior: Prior | None = None
        self.start: str | None = None
        if self.folder is None:
            # On the cortex for now: whether there are voxels, the first person tells.
            self.prior = choose_prior(prior_file, files.template_grayordinates())
            self.start = self.prior.source if prior_file is None else prior_file.name
            self.words = "each mapped iteratively on template surfaces"
            return
        if prior_file is not None:
            raise OptionError(
                "--prior starts the mapping of people; with --labels nobody is mapped", fix="leave one of them out"
            )
        if not self.folder.is_dir():
            raise InputError("the folder of labels does not exist", where=self.folder, fix="check the path")
        self.found = sorted(_label_files(self.folder))
        self.words = "with given labels"

    def file_of(self, label: str) -> Path | None:
        """Return the one label map of a person; None where people are mapped."""
        if self.folder is None:
            return None
        named = re.compile(rf"^(?:sub-)?{re.escape(label)}[_.]")
        own = [path for path in self.found if named.match(path.name)]
        if len(own) == 1:
            return own[0]
        names = [path.relative_to(self.folder).as_posix() for path in own]
        raise InputError(
            f"expected one label map of sub-{label}, found {', '.join(names) or 'none'}",
            where=self.folder,
            fix=f"put one file sub-{label}_*.dlabel.nii per person there"
            + ("" if own else f" ({len(self.found)} label maps of others are there)"),
        )

    def make(self, basis: Basis, path: Path | None) -> NetworkMap:
        """Read or make a person's map, on the rows of the basis."""
        axis = basis.grayordinates
        if path is None:
            if self.prior is None or len(self.prior.grayordinates) != len(axis):
                self.prior = choose_prior(self.prior_file, axis)
            return map_iterative(basis, self.prior, files.template_anatomy())
        return files.align_map(files.read_network_map(path), axis)


def _label_files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place) / name for name in names if name.endswith(".dlabel.nii") and not name.startswith("."))
