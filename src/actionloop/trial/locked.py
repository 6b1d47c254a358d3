"""The lock on a protocol's analyses: its digest, and the refusal of a change once the blind is broken."""

from __future__ import annotations

import hashlib
import json

from actionloop.errors import OptionError
from actionloop.trial.digest import plain_protocol
from actionloop.types import TrialProtocol

COUNTS = ("alpha", "analyses", "arms", "control", "estimand", "outcomes", "strata", "visits")
"""What an analysis follows from; a changed title or contact does not break the lock."""
POSSIBLE = {
    "responder": ("as_observed", "non_response", "multiple_imputation", "reference_based", "tipping_point"),
    "mmrm": ("as_observed", "multiple_imputation", "reference_based", "tipping_point"),
    "ancova": ("as_observed", "multiple_imputation", "reference_based", "tipping_point"),
    "ordinal": ("as_observed",),
    "biomarker": ("as_observed",),
    "bayes": ("as_observed", "multiple_imputation", "reference_based"),
    "equivalence": ("as_observed", "multiple_imputation", "reference_based"),
}
"""Which ways with missing values each kind of analysis has."""


def analysis_digest(protocol: TrialProtocol) -> str:
    """SHA-256 of all that the analyses follow from, 64 hexadecimal digits."""
    plain = {name: part for name, part in plain_protocol(protocol).items() if name in COUNTS}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def require_locked(protocol: TrialProtocol, locked_digest: str, *, unblinded: bool) -> str:
    """Refuse analyses that were changed after unblinding; return the digest of those given.

    Raises
    ------
    OptionError
        They differ from what was locked, and someone knows an arm.
    """
    found = analysis_digest(protocol)
    if unblinded and found != locked_digest:
        raise OptionError(
            f"the analyses differ from those locked (locked {locked_digest[:12]}, found {found[:12]})",
            where="analyses",
            fix="analyse by the locked protocol; report anything else as post hoc, beside it",
        )
    return found


def require_runnable(protocol: TrialProtocol) -> None:
    """Refuse a protocol that names a way with missing values, or with events, which the analyses do not have.

    Ratings after an event are used as they are; in the responder analysis an event may count as non-response. No
    other strategy is there.

    Raises
    ------
    OptionError
        All such analyses, or all such events, at once.
    """
    unmet = [
        f"{one.event}: {one.strategy!r}"
        for one in protocol.estimand.intercurrent
        if one.strategy != "treatment_policy" and (one.strategy, one.responder) != ("composite", "non_response")
    ]
    if unmet:
        raise OptionError(
            f"no analysis has the strategy of {'; '.join(unmet)}",
            where="estimand: intercurrent",
            fix="take 'treatment_policy', or 'composite' with responder 'non_response'",
        )
    wrong = [
        f"{one.name}: {one.kind!r} with {one.missing!r} (possible: {', '.join(POSSIBLE[one.kind])})"
        for one in protocol.analyses
        if one.missing not in POSSIBLE[one.kind]
    ]
    if wrong:
        raise OptionError("; ".join(wrong), where="analyses: missing")
