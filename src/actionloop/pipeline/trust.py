"""How far to trust one person's map and targets: measured once, kept as a step, judged anew each time."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from actionloop import files
from actionloop.brain import Parcels
from actionloop.errors import SignalError
from actionloop.networks import DEFAULT_METHOD, IterativeSettings, find_method
from actionloop.pipeline.controls import Recipe
from actionloop.pipeline.head import Head
from actionloop.pipeline.priors import area_names
from actionloop.pipeline.progress import Progress
from actionloop.pipeline.steps import Arrays, Steps, key_of
from actionloop.reliability import (
    Curve,
    Draws,
    Halves,
    Measures,
    Reliability,
    Resamples,
    Similarity,
    Subject,
    assess,
    find_places,
    measure,
)
from actionloop.types import BoolArray, NetworkMap, Target, Timeseries

if TYPE_CHECKING:
    from actionloop.pipeline.person import PersonJob


def judge_targets(  # noqa: PLR0913 - each is another kind of input
    job: PersonJob,
    series: Timeseries,
    recipe: Recipe,
    made: NetworkMap,
    targets: Sequence[Target],
    head: Head,
    *,
    kept: tuple[Steps, str],
    progress: Progress,
    lesion: BoolArray,
    parcels: Parcels | None = None,
) -> tuple[Reliability | None, str]:
    """Measure the scan, or take that from the finished steps, and judge every target.

    Parameters
    ----------
    job : PersonJob
    series : Timeseries
        Cleaned; rows of the cortex, or parcels.
    recipe : Recipe
        Of these rows.
    made : NetworkMap
        Of the cortex.
    targets : sequence of Target
    head : Head
    kept : (Steps, str)
        Finished steps, and the key of the map.
    progress : Progress
    lesion : (grayordinate,) bool ndarray
        Rows left out.
    parcels : Parcels, optional

    Returns
    -------
    reliability : Reliability or None
        None where the scan is too short.
    reason : str
        Why it is None.
    """
    settings, (steps, map_key) = job.settings, kept
    template = files.template_anatomy()
    # By name: the order of the targets is that of the ranking, which what is measured does not depend on.
    targets = sorted(targets, key=lambda target: target.name)
    places = find_places(targets, made.grayordinates, head.anatomy, template, area=area_names())
    subject = _subject(series, recipe, made, head, parcels=parcels, lesion=lesion)
    key = key_of(
        {
            "map": map_key,
            "resamples": settings.resamples,
            "seed": settings.seed,
            "targets": [[target.name, target.vertex] for target in targets],
            "keeps": ["members"],  # so that a step that was finished without them is not taken
        }
    )

    def tell(done: int) -> None:
        progress.note(f"frames drawn anew: {done} of {settings.resamples} maps")

    def make() -> Arrays:
        draws = Draws(settings.resamples, settings.seed, _seldom(tell, settings.resamples))
        return _pack(measure(subject, places, draws=None if subject.settings is None else draws))

    try:
        arrays, _ = steps.run("reliability", key, make)
    except SignalError as error:
        return None, f"the scan cannot be judged: {error.problem}"
    usual = recipe.mapping.method == DEFAULT_METHOD and recipe.mapping.chosen() == IterativeSettings()
    return (
        assess(
            _unpack(arrays, made),
            places,
            minutes=series.minutes,
            calibrated=usual and parcels is None and job.prior_file is None,
        ),
        "",
    )


def trusted(targets: Sequence[Target], reliability: Reliability | None) -> list[Target]:
    """Return the targets whose verdict is better than 'none'."""
    if reliability is None:
        return []
    verdicts = [reliability.of(target) for target in targets]
    return [target for target, one in zip(targets, verdicts, strict=True) if one is not None and one.verdict != "none"]


def _subject(
    series: Timeseries,
    recipe: Recipe,
    made: NetworkMap,
    head: Head,
    *,
    parcels: Parcels | None,
    lesion: BoolArray,
) -> Subject:
    settings = recipe.mapping.chosen() if recipe.mapping.method == DEFAULT_METHOD and parcels is None else None
    subject = Subject(
        series,
        recipe.prior,
        head.anatomy,
        made,
        recipe.maker(series.grayordinates, parcels=parcels, lesion=lesion),
        settings,
        exclude=recipe.exclude,
        at_once=not find_method(recipe.mapping.method).compiled,
    )
    if parcels is None:
        return subject
    return replace(subject, on_vertices=lambda some: _spread(some, parcels, made), with_similarity=False)


def _spread(series: Timeseries, parcels: Parcels, made: NetworkMap) -> Timeseries:
    """Give every vertex the series of its parcel; 0 in none."""
    data = np.zeros((series.n_frames, len(made.grayordinates)), dtype=np.float32)
    for column, rows in enumerate(parcels.members):
        data[:, rows] = series.data[:, [column]]
    return replace(series, data=data, grayordinates=made.grayordinates)


def _seldom(tell: Callable[[int], None], n: int) -> Callable[[int], None]:
    """Pass on a count at each quarter."""
    told = set()

    def sparse(done: int) -> None:
        quarter = 4 * done // n
        if quarter not in told:
            told.add(quarter)
            tell(done)

    return sparse


def _pack(found: Measures) -> Arrays:
    halves, drawn = found.halves, found.resamples
    words = {
        "halves": {name: getattr(halves, name) for name in ("block_s", "minutes", "equal", "nmi")},
        "dice": dict(halves.dice),
        "resamples": {"n": drawn.n, "block_s": drawn.block_s, "seed": drawn.seed},
        "members": list(drawn.members),
        "curve": {**asdict(found.curve), "projected": [[m, r] for m, r in found.curve.projected.items()]},
        "similarity": None if found.similarity is None else asdict(found.similarity),
    }
    return {
        "labels": np.stack([made.label for made in halves.maps]),
        "probabilities": np.stack([made.probability for made in halves.maps]).astype(np.float32),
        "agree": halves.agree,
        "stability": drawn.stability,
        "occurrence": drawn.occurrence,
        "centres": np.stack(drawn.centres) if drawn.centres else np.zeros((0, drawn.n), dtype=np.int64),
        "members": np.stack(list(drawn.members.values())) if drawn.members else np.zeros((0, drawn.n, 0), np.uint8),
        "held": found.held,
        "text": np.array(json.dumps(words)),
    }


def _unpack(arrays: Arrays, made: NetworkMap) -> Measures:
    words: dict[str, Any] = json.loads(str(arrays["text"]))
    one, other = (
        replace(made, label=label, probability=probability, confidence=np.zeros(len(label), dtype=np.float32))
        for label, probability in zip(arrays["labels"], arrays["probabilities"], strict=True)
    )
    curve = words["curve"]
    return Measures(
        Halves(maps=(one, other), dice=words["dice"], agree=arrays["agree"], **words["halves"]),
        Resamples(
            stability=arrays["stability"],
            occurrence=arrays["occurrence"],
            centres=tuple(arrays["centres"]),
            members=dict(zip(words["members"], arrays["members"], strict=True)),
            **words["resamples"],
        ),
        Curve(
            tuple(curve["minutes"]),
            tuple(curve["agreement"]),
            curve["ceiling"],
            curve["rate_per_min"],
            {float(m): float(r) for m, r in curve["projected"]},
        ),
        None if words["similarity"] is None else Similarity(**words["similarity"]),
        arrays["held"],
    )
