"""Which people and runs of a data set were asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from actionloop import files
from actionloop.files import Layout, Selection


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What every command that reads a data set was asked of whom and which runs to take; paths as given."""

    participant_labels: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    acquisitions: tuple[str, ...] = ()
    bids_filter: Path | None = None
    anatomy: Path | None = None
    layout: Layout | None = None
    tr_s: float | None = None

    def selection(self) -> Selection:
        """Return the runs that are chosen, by label and by filter file.

        Raises
        ------
        InputError
            The filter file cannot be used.
        """
        return Selection(
            sessions=self.sessions,
            tasks=self.tasks,
            runs=self.runs,
            acquisitions=self.acquisitions,
            bids_filter={} if self.bids_filter is None else files.read_bids_filter(self.bids_filter),
        )
