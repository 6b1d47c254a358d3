"""Progress on stderr: a bar with elapsed time on a terminal, one plain line per step elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID


class Lines:
    """Plain text: one line per step and per note."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._label, self._steps, self._step, self._began = "", 0, 0, time.monotonic()

    def start(self, label: str, steps: int) -> None:
        """Begin a piece of work."""
        self._label, self._steps, self._step, self._began = label, steps, 0, time.monotonic()

    def step(self, text: str) -> None:
        """Say which step begins, and how long the ones before it took."""
        self._step += 1
        self._write(f"{self._label} [{self._step}/{max(self._steps, self._step)}] {self._elapsed()} {text}")

    def note(self, text: str) -> None:
        """Write one line."""
        self._write(f"{self._label}: {text}" if self._label else text)

    def done(self) -> None:
        """Say that the piece of work is finished; twice is once."""
        if self._label:
            self._write(f"{self._label} finished after {self._elapsed()}")
        self._label = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._label = ""

    def _elapsed(self) -> str:
        return clock(time.monotonic() - self._began)

    def _write(self, line: str) -> None:
        print(line, file=self._stream or sys.stderr, flush=True)


class Bar:
    """A bar that stays on one line of the terminal, with notes above it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.table import Column

        self._bar: RichProgress = Progress(
            SpinnerColumn(),
            TextColumn("{task.fields[label]}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True)),
            console=Console(stderr=True, highlight=False),
            expand=True,
        )
        self._task: TaskID | None = None
        self._steps, self._step = 0, 0

    def start(self, label: str, steps: int) -> None:
        """Begin a piece of work; one that was never finished stays as it stands."""
        if self._task is not None:
            self._bar.stop_task(self._task)
        self._steps, self._step = steps, 0
        self._task = self._bar.add_task("", total=steps, label=label)

    def step(self, text: str) -> None:
        """Show the step that begins; the bar counts those before it."""
        if self._task is None:
            self.note(text)
            return
        self._step += 1
        self._steps = max(self._steps, self._step)
        self._bar.update(self._task, completed=self._step - 1, total=self._steps, description=text, refresh=True)

    def note(self, text: str) -> None:
        """Write one line above the bar."""
        self._bar.console.print(text, markup=False, soft_wrap=True)

    def done(self) -> None:
        """Fill the bar; twice is once."""
        if self._task is not None:
            self._bar.update(self._task, completed=self._steps, description="finished", refresh=True)
            self._bar.stop_task(self._task)
        self._task = None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()


def clock(seconds: float) -> str:
    """Write a time as m:ss, or h:mm:ss from an hour on."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def shown_progress() -> Bar | Lines:
    """Return a bar where stderr is a terminal, else plain lines."""
    return Bar() if sys.stderr.isatty() else Lines()
