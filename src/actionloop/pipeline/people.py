"""People one at a time: who is asked for, where finished maps lie, and who has to be left out."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from actionloop import files
from actionloop.errors import ActionloopError, InputError
from actionloop.files import PersonFiles
from actionloop.pipeline.choice import Choice
from actionloop.pipeline.progress import Progress
from actionloop.pipeline.run import Outcome

_LABEL = re.compile(r"^(?:sub-)?([A-Za-z0-9]+)[_.]")
_LABELS, _PROBABILITIES, _WHOLE = ".dlabel.nii", "_probseg.dscalar.nii", "den-91k"


def list_everybody(choice: Choice, derivatives: Path) -> list[str]:
    """Return the labels of the people asked for; everybody in the data set if none was named.

    Raises
    ------
    InputError
        There is nobody, or no such data set.
    """
    labels = [label.removeprefix("sub-") for label in choice.participant_labels]
    found = labels or files.list_people(derivatives, layout=choice.layout)
    if not found:
        raise InputError("there is nobody in this data set", where=derivatives)
    return list(dict.fromkeys(found))


def find_files(choice: Choice, derivatives: Path, label: str) -> PersonFiles:
    """Find the runs of one person that were asked for, with the repetition time that was stated."""
    person = files.find_person(
        derivatives, label, layout=choice.layout, selection=choice.selection(), anatomy=choice.anatomy
    )
    if choice.tr_s is None:
        return person
    return replace(person, runs=tuple(replace(run, tr_s=choice.tr_s) for run in person.runs))


def visit(
    labels: Sequence[str],
    work: Callable[[str], str],
    *,
    progress: Progress,
    where: Path | None,
    stop_on_first_crash: bool = False,
) -> list[Outcome]:
    """Work on one person after another; who cannot be used is named and left out.

    Parameters
    ----------
    labels : sequence of str
    work : callable
        Gets a label; returns words on how the person was used.
    progress : Progress
        One step a person.
    where : Path or None
        The data set, for errors.
    stop_on_first_crash : bool

    Returns
    -------
    list of Outcome

    Raises
    ------
    ActionloopError
        The error of an only person, or of the first with `stop_on_first_crash`; or nobody could be used.
    """
    outcomes: list[Outcome] = []
    for label in labels:
        progress.step(f"sub-{label}")
        try:
            outcomes.append(Outcome(label, True, work(label)))
        except ActionloopError as error:
            if stop_on_first_crash or len(labels) == 1:
                raise
            outcomes.append(Outcome(label, False, str(error)))
            progress.note(f"sub-{label} is left out: {error.problem}")
    if not any(one.ok for one in outcomes):
        raise InputError(
            f"none of the {len(labels)} people could be used; sub-{labels[0]}: {outcomes[0].message.splitlines()[0]}",
            where=where,
            fix="look at one person alone: --participant-label",
        )
    return outcomes


class MapFolder:
    """Finished maps of many people, as `plan` writes them, or one file a person whose name begins with the label.

    Labels are taken before probabilities, and maps of the cortex before those of all 91,282 rows unless `subcortex`.

    Parameters
    ----------
    folder : Path
    subcortex : bool

    Attributes
    ----------
    labels : tuple of str
        Of everybody who has a map.

    Raises
    ------
    InputError
        No folder, or no map in it.
    """

    def __init__(self, folder: Path, *, subcortex: bool = False) -> None:
        if not folder.is_dir():
            raise InputError("the folder of maps does not exist", where=folder, fix="check the path")
        self.folder, self._subcortex = folder, subcortex
        found = sorted(_map_files(folder))
        named = [path for path in found if path.name.startswith("sub-")]
        self._files: dict[str, list[Path]] = {}
        for path in named or found:
            if label := _LABEL.match(path.name):
                self._files.setdefault(label[1], []).append(path)
        if not self._files:
            raise InputError(
                "there is no map in this folder",
                where=folder,
                fix=f"put one file sub-01_*{_LABELS} (or *{_PROBABILITIES}) a person there, as 'plan' writes them",
            )
        self.labels = tuple(self._files)

    def file_of(self, label: str) -> Path:
        """Return the one map of a person.

        Raises
        ------
        InputError
            There is none, or there are several.
        """
        own = self._files.get(label, [])
        for wanted in (lambda path: path.name.endswith(_LABELS), lambda path: (_WHOLE in path.name) == self._subcortex):
            own = [path for path in own if wanted(path)] or own
        if len(own) == 1:
            return own[0]
        names = ", ".join(path.relative_to(self.folder).as_posix() for path in own)
        raise InputError(
            f"expected one map of sub-{label}, found {names or 'none'}",
            where=self.folder,
            fix="keep one map a person in the folder" if own else f"maps of others are there: {len(self.labels)}",
        )


def _map_files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if name.endswith((_LABELS, _PROBABILITIES)) and not name.startswith("."):
                yield Path(place) / name
