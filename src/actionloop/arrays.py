"""The same array code on NumPy, CuPy and torch: where arrays live, and how they come and go."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from actionloop.errors import OptionError, ResourceError

T = TypeVar("T")
R = TypeVar("R")

DEVICES = ("cpu", "cuda", "torch")
"""Names of `--device`: NumPy; an NVIDIA GPU by CuPy or else torch; torch on the processor."""


@dataclass(frozen=True)
class Device:
    """Where numbers are crunched.

    Attributes
    ----------
    name : str
        One of `DEVICES`.
    library : str
        'numpy', 'cupy' or 'torch'.
    xp : module
        Array-API namespace of that library (array-api-compat).
    place : str or None
        What the library calls the device; None for its default.
    """

    name: str
    library: str
    xp: Any
    place: str | None = None

    def put(self, array: NDArray[Any]) -> Any:
        """Bring a NumPy array to the device; its dtype is kept."""
        if self.library == "numpy":
            return array
        return self.xp.asarray(np.ascontiguousarray(array), device=self.place)

    def get(self, array: Any) -> NDArray[Any]:
        """Bring an array back as a NumPy array."""
        if self.library == "cupy":
            return np.asarray(array.get())
        return np.asarray(array.cpu()) if self.library == "torch" else np.asarray(array)


def device(name: str = "cpu") -> Device:
    """Return a device by its name.

    Parameters
    ----------
    name : str
        'cpu' (NumPy), 'cuda' (CuPy where it is installed, else torch) or 'torch' (torch on the processor).

    Returns
    -------
    Device

    Raises
    ------
    OptionError
        No such device.
    ResourceError
        The library is not installed, or finds no GPU.
    """
    if name not in DEVICES:
        raise OptionError(f"there is no device {name!r}", fix=f"choose one of {', '.join(DEVICES)}")
    if name == "cpu":
        import array_api_compat.numpy as xp

        return Device(name, "numpy", xp)
    if name == "cuda" and (found := _cupy()) is not None:
        return found
    try:
        import array_api_compat.torch as xp
        import torch
    except ImportError:
        raise ResourceError(
            f"--device {name} needs {'CuPy or ' if name == 'cuda' else ''}torch, which is not installed",
            fix='install it with: pip install "actionloop[torch]", or leave --device out',
        ) from None
    if name == "cuda" and not torch.cuda.is_available():
        raise ResourceError("--device cuda found no NVIDIA GPU", fix="leave --device out to use the processor")
    return Device(name, "torch", xp, "cuda" if name == "cuda" else "cpu")


def side_by_side(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Do the same work on several items at once, each on one core.

    Worth it where products of matrices alternate with steps that a library does on one core.

    Parameters
    ----------
    work : callable
        Of one item; NumPy lets go of the interpreter in it.
    items : iterable

    Returns
    -------
    list
        Results in the order of the items.
    """
    from concurrent.futures import ThreadPoolExecutor

    from threadpoolctl import threadpool_limits

    todo = list(items)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if min(cores, len(todo)) < 2:
        return [work(item) for item in todo]
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(max_workers=cores) as pool:
        return list(pool.map(work, todo))


def _cupy() -> Device | None:
    try:
        import array_api_compat.cupy as xp
        import cupy

        if cupy.cuda.runtime.getDeviceCount() < 1:
            return None
    except Exception:  # CuPy without a driver fails in many ways
        return None
    return Device("cuda", "cupy", xp)
