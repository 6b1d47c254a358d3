"""Watching that people are read one at a time."""

from __future__ import annotations

import gc
import weakref

import pytest

from actionloop.pipeline import cohort


def watch_memory(patch: pytest.MonkeyPatch) -> list[weakref.ref[object]]:
    """Hold, at each series that `prior build` reads, that no earlier one is left; returns what was read so far."""
    alive: list[weakref.ref[object]] = []
    load = cohort.load_series

    def watched(*given: object, **options: object) -> object:
        gc.collect()
        assert not [one for one in alive if one() is not None], "two people in memory"
        loaded = load(*given, **options)  # type: ignore[arg-type]
        alive.append(weakref.ref(loaded.series))
        return loaded

    patch.setattr(cohort, "load_series", watched)
    return alive
