"""The verdict on a target: how probably it is right, and whether that is enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from actionloop import facts
from actionloop.errors import OptionError
from actionloop.reliability.curve import minutes_needed
from actionloop.reliability.evidence import Evidence
from actionloop.reliability.found import Curve, TargetReliability, Verdict
from actionloop.reliability.places import Place
from actionloop.types import FloatArray

VERDICT_WORDS: Mapping[Verdict, str] = {"use": "use", "caution": "use with caution", "none": "no reliable target"}


@dataclass(frozen=True)
class Model:
    """A logistic model of hitting the true node.

    Attributes
    ----------
    names : tuple of str
        Features, see `Evidence.features`.
    centre, scale, weight : tuple of float
        logit p = intercept + sum of weight (feature - centre) / scale.
    intercept : float
    """

    names: tuple[str, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    weight: tuple[float, ...]
    intercept: float

    @classmethod
    def calibrated(cls) -> Model:
        """Return the model of data/verdict.toml."""
        table: dict[str, Any] = facts.load("verdict")["model"]
        centre, scale, weight = (tuple(float(value) for value in table[key]) for key in ("centre", "scale", "weight"))
        return cls(tuple(table["names"]), centre, scale, weight, float(table["intercept"]))

    def probability(self, evidence: Evidence) -> float:
        """Return the probability that the target lies within 5 mm of the true node."""
        features = evidence.features()
        x = np.array([features[name] for name in self.names])
        logit = self.intercept + float(np.sum(np.array(self.weight) * (x - self.centre) / self.scale))
        return float(1 / (1 + np.exp(-np.clip(logit, -30, 30))))


def fit_model(found: Sequence[Evidence], hit: Sequence[bool], *, names: Sequence[str], penalty: float = 1.0) -> Model:
    """Fit the model to targets whose truth is known.

    Parameters
    ----------
    found : sequence of Evidence
    hit : sequence of bool
    names : sequence of str
        Features to weigh.
    penalty : float
        Inverse strength of the ridge penalty on standardised features.

    Returns
    -------
    Model

    Raises
    ------
    OptionError
        All are hits, or none.
    """
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

    truth = np.asarray(hit, dtype=bool)
    if truth.all() or not truth.any():
        raise OptionError("the verdict cannot be fitted: all targets are hits, or none", fix="give more people")
    rows: FloatArray = np.array([[one.features()[name] for name in names] for one in found])
    centre, scale = rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-9)
    fitted = LogisticRegression(C=penalty, max_iter=1000).fit((rows - centre) / scale, truth)
    weight = fitted.coef_[0]
    return Model(tuple(names), tuple(centre), tuple(scale), tuple(weight), float(fitted.intercept_[0]))


def decide(evidence: Evidence, model: Model) -> tuple[float, Verdict]:
    """Return the probability of a hit, and the verdict by the thresholds of data/verdict.toml.

    However probable, no target is trusted in a scan that is too short, or where its piece does not go with distant
    parts of its network in the half that was not mapped.

    Parameters
    ----------
    evidence : Evidence
    model : Model

    Returns
    -------
    probability : float
    verdict : {'use', 'caution', 'none'}
    """
    limits = facts.load("verdict")["thresholds"]
    probability = model.probability(evidence)
    if not is_admissible(evidence) or probability < limits["caution"]:
        return probability, "none"
    return probability, "use" if probability >= limits["use"] else "caution"


def is_admissible(evidence: Evidence) -> bool:
    """Tell whether a target may be trusted at all: a scan that is long enough, and a piece that is no noise."""
    limits = facts.load("verdict")["thresholds"]
    noise = evidence.lead < limits["least_lead"] or evidence.held_out < limits["least_held_out"]
    return not (noise or evidence.minutes < limits["least_minutes"])


def judge(
    place: Place, evidence: Evidence, *, model: Model | None = None, curve: Curve | None = None
) -> TargetReliability:
    """Judge one target.

    Parameters
    ----------
    place : Place
    evidence : Evidence
    model : Model, optional
        That of data/verdict.toml by default.
    curve : Curve, optional
        From which the minutes that would help are read.

    Returns
    -------
    TargetReliability
    """
    limits = facts.load("verdict")["thresholds"]
    near_mm = float(facts.load("reliability")["held_out"]["near_mm"])
    probability, verdict = decide(evidence, model or Model.calibrated())
    return TargetReliability(
        name=place.target.name,
        hemisphere=place.target.piece.hemisphere,
        spread_mm=evidence.spread_mm,
        spread_95_mm=evidence.spread_95_mm,
        present=evidence.present,
        within=evidence.within,
        near_mm=near_mm,
        halves_mm=evidence.apart_mm,
        probability=probability,
        verdict=verdict,
        reasons=_reasons(evidence, probability, near_mm, limits),
        minutes_more=None if verdict == "use" else _minutes_more(evidence.minutes, curve, limits),
    )


def _minutes_more(minutes: float, curve: Curve | None, limits: Mapping[str, Any]) -> float | None:
    """Further minutes to a good agreement of halves, by the curve, else to a length that is usually enough."""
    needed = None if curve is None else minutes_needed(curve, float(limits["good_agreement"]))
    wanted = float(limits["good_minutes"]) if needed is None else max(needed, float(limits["least_minutes"]))
    return wanted - minutes if wanted > minutes else None


def _reasons(evidence: Evidence, probability: float, near_mm: float, limits: Mapping[str, Any]) -> tuple[str, ...]:
    """Say what speaks for and against, worst first."""
    told = [
        f"Probability of lying within {near_mm:g} mm of the true node: {probability:.0%} "
        "(calibrated on simulated people)."
    ]
    if evidence.minutes < limits["least_minutes"]:
        told.append(
            f"Only {evidence.minutes:.1f} usable minutes; below {limits['least_minutes']:g} no target is trusted."
        )
    if evidence.held_out < limits["least_held_out"] or evidence.lead < limits["least_lead"]:
        told.append(
            "In the half of the scan that was not mapped, the piece does not go with distant parts of its network "
            f"(Fisher z {evidence.held_out:.2f}, {evidence.lead:+.2f} against the next network): noise does the same."
        )
    else:
        told.append(
            "In the half of the scan that was not mapped, the piece goes with distant parts of its network: Fisher z "
            f"{evidence.held_out:.2f}, {evidence.lead:+.2f} against the next network."
        )
    told.append(
        f"Frames drawn anew: the piece is found in {evidence.present:.0%} of maps, its centre "
        f"{evidence.spread_mm:.1f} mm from the target (median; 95 %: {evidence.spread_95_mm:.1f} mm)."
    )
    told.append(f"Halves of the scan: {evidence.equal:.0%} of the cortex has the same network in both.")
    return tuple(told)
