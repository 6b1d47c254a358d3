"""Watching that people are read one at a time."""

from __future__ import annotations

import gc
import weakref
from types import ModuleType

import pytest

from actionloop.pipeline import cohort


def watch_memory(patch: pytest.MonkeyPatch, module: ModuleType = cohort) -> list[weakref.ref[object]]:
    """Hold, at each series that a module reads, that no earlier one is left; returns what was read so far."""
    alive: list[weakref.ref[object]] = []
    load = module.load_series

    def watched(*given: object, **options: object) -> object:
        gc.collect()
        assert not [one for one in alive if one() is not None], "two people in memory"
        loaded = load(*given, **options)  # type: ignore[arg-type]
        alive.append(weakref.ref(loaded.series))
        return loaded

    patch.setattr(module, "load_series", watched)
    return alive
