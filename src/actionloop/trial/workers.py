"""A plain loop, processes or Dask: the same results in the same order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from multiprocessing import get_context
from typing import Any, TypeVar

from actionloop.errors import OptionError

Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Workers:
    """Who does the work.

    Attributes
    ----------
    processes : int
        Of this machine; 1 is a plain loop.
    dask : str, 'local' or None
        Address of a Dask scheduler, or 'local' for one of this machine's own with `processes` workers. None uses
        processes, and Dask where the run is large and Dask is installed.
    """

    processes: int = 1
    dask: str | None = None

    def __post_init__(self) -> None:
        if self.processes < 1:
            raise OptionError(f"expected 1 process or more, found {self.processes}", where="processes")


def work(task: Callable[[Job], Result], parts: Sequence[Job], workers: Workers, *, large: bool = False) -> list[Result]:
    """Do a task for every part, in the order of the parts.

    Parameters
    ----------
    task : callable
        A function of a module, so that another process finds it.
    parts : sequence
    workers : Workers
    large : bool
        Whether Dask is worth starting though nobody asked for it.

    Raises
    ------
    OptionError
        Dask is asked for and not installed, or no scheduler answers.
    """
    several = workers.processes > 1
    if workers.dask is not None or (large and several and find_spec("distributed") is not None):
        return _by_dask(task, parts, workers)
    if several and len(parts) > 1:
        with ProcessPoolExecutor(workers.processes, mp_context=get_context("spawn")) as pool:
            return list(pool.map(task, parts))
    return [task(part) for part in parts]


def work_as_done(task: Callable[[Job], Result], parts: Sequence[Job], workers: Workers) -> Iterator[tuple[int, Result]]:
    """Do a task for every part; yield the number of each part and its result as soon as it is there.

    Parameters and errors as for `work`.
    """
    if workers.dask is not None:
        with _client(workers) as client:
            done: Any = import_module("distributed").as_completed

            numbers = {future: k for k, future in enumerate(client.map(task, list(parts), pure=False))}
            for future, result in done(numbers, with_results=True):
                yield numbers[future], result
    elif workers.processes > 1 and len(parts) > 1:
        with ProcessPoolExecutor(workers.processes, mp_context=get_context("spawn")) as pool:
            futures = {pool.submit(task, part): k for k, part in enumerate(parts)}
            try:
                for one in as_completed(futures):
                    yield futures[one], one.result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
    else:
        for k, part in enumerate(parts):
            yield k, task(part)


def _by_dask(task: Callable[[Job], Result], parts: Sequence[Job], workers: Workers) -> list[Result]:
    with _client(workers) as client:
        gathered: list[Result] = client.gather(client.map(task, list(parts), pure=False))
    return gathered


def _client(workers: Workers) -> Any:
    """Return a client of the scheduler that is asked for."""
    try:
        from distributed import Client
    except ImportError:
        raise OptionError(
            "Dask is asked for and not installed", where="dask", fix="pip install 'actionloop[trial]'"
        ) from None
    scheduler: Any = Client
    own = {"n_workers": workers.processes, "threads_per_worker": 1, "dashboard_address": None}
    try:
        return scheduler(**own) if workers.dask in (None, "local") else scheduler(workers.dask, timeout=5)
    except (OSError, ValueError) as problem:
        raise OptionError(
            f"no Dask scheduler answers: {problem}", where=f"dask: {workers.dask}", fix="start one, or leave 'dask' out"
        ) from None
