"""A protocol as a person reads it: the items of SPIRIT that the file answers, and which it does not."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from actionloop import facts
from actionloop.trial.digest import protocol_digest
from actionloop.types import Analysis, TrialProtocol

KINDS = {
    "responder": "proportion of responders: logistic regression, g-computed risk difference",
    "mmrm": "mixed model for repeated measures of the change from baseline (REML, unstructured, Kenward-Roger)",
    "ancova": "analysis of covariance of the change from baseline at the visit",
    "ordinal": "proportional odds, Wilcoxon beside",
    "biomarker": "interaction of a continuous biomarker with arm",
    "bayes": "posterior of the difference, stated normal priors",
    "equivalence": "two one-sided tests, and which differences the interval excludes",
}
MISSING = {
    "as_observed": "as observed",
    "non_response": "missing counts as non-response",
    "multiple_imputation": "multiple imputation",
    "reference_based": "reference-based multiple imputation",
    "tipping_point": "tipping point",
}


@dataclass(frozen=True)
class SynopsisPart:
    """One part: heading, numbers of SPIRIT's items, sentences, and a table where there is one."""

    heading: str
    item_2013: str
    item_2025: str
    lines: tuple[str, ...]
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Synopsis:
    """A protocol's synopsis, for a page or for Markdown."""

    title: str
    digest: str
    parts: tuple[SynopsisPart, ...]
    sources: tuple[str, ...]


_Text = tuple[tuple[str, ...], tuple[str, ...], tuple[tuple[str, ...], ...]]


def write_synopsis(protocol: TrialProtocol) -> Synopsis:
    """Say in words and tables what a protocol states.

    Returns
    -------
    Synopsis
        Parts in the order of data/trial.toml [spirit], each with the items that it answers; the last names those that
        the file does not hold (funding, eligibility criteria, consent and so on), which stand in the full protocol.
    """
    spirit = facts.load("trial")["spirit"]
    parts = []
    for item in spirit["item"]:
        lines, head, rows = _PARTS[item["part"]](protocol)
        parts.append(SynopsisPart(item["heading"], item["item_2013"], item["item_2025"], lines, head, rows))
    sources = tuple(
        spirit[f"source_{year}"] + ("" if spirit[f"verified_{year}"] else " (item numbers not checked)")
        for year in (2013, 2025)
    )
    return Synopsis(protocol.title, protocol_digest(protocol), tuple(parts), sources)


def as_markdown(synopsis: Synopsis) -> str:
    """Return a synopsis as Markdown."""
    told = [f"# {_escaped(synopsis.title)}", ""]
    for part in synopsis.parts:
        told += [f"## {part.heading}", "", f"SPIRIT 2013: {part.item_2013}; SPIRIT 2025: {part.item_2025}", ""]
        told += [line for text in part.lines for line in (_escaped(text), "")]
        if part.rows:
            told += [_row(tuple(_escaped(one) for one in part.head)), _row(tuple("---" for _ in part.head))]
            told += [*(_row(tuple(_escaped(one) for one in row)) for row in part.rows), ""]
    told += ["Sources of the items:", "", *(f"- {source}" for source in synopsis.sources), ""]
    return "\n".join(told)


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", " ".join(text.split()))


def _title(protocol: TrialProtocol) -> _Text:
    return (protocol.title, f"Registration: {protocol.registration or 'none stated'}."), (), ()


def _version(protocol: TrialProtocol) -> _Text:
    return (f"SHA-256 {protocol_digest(protocol)}; whatever is changed in the protocol changes it.",), (), ()


def _design(protocol: TrialProtocol) -> _Text:
    ratio = ":".join(str(arm.ratio) for arm in protocol.arms)
    kinds = {one.kind for one in protocol.analyses if one.role in ("primary", "secondary")}
    frame = "superiority" + ("; equivalence as a further question" if "equivalence" in kinds else "")
    return (f"Randomised, parallel groups, {len(protocol.arms)} arms, {ratio}; {frame}.",), (), ()


def _setting(protocol: TrialProtocol) -> _Text:
    n = len(protocol.centres)
    return (f"{n} {'centre' if n == 1 else 'centres'}: {', '.join(protocol.centres)}.",), (), ()


def _interventions(protocol: TrialProtocol) -> _Text:
    words = {
        "fixed": "always {}",
        "lowest": "the candidate of lowest {}",
        "highest": "the candidate of highest {}",
        "sham": "{}, with a sham coil",
    }
    score = protocol.score.replace("_", " ")
    rows = tuple(
        (arm.label, words[arm.rule].format(arm.target or score), "control" if arm.name == protocol.control else "")
        for arm in protocol.arms
    )
    lines = (
        f"{protocol.sessions} sessions for each participant.",
        f"Candidate targets ({', '.join(protocol.candidates)}) and their scores are computed and frozen for everybody "
        "before allocation.",
    )
    return lines, ("Arm", "Target", ""), rows


def _outcomes(protocol: TrialProtocol) -> _Text:
    rows = tuple(
        (
            one.label,
            one.kind,
            f"{one.low:g} to {one.high:g}",
            "measured before allocation" if one.kind == "biomarker" else f"{one.better} is better",
        )
        for one in protocol.outcomes
    )
    primary = next(one for one in protocol.analyses if one.role == "primary")
    label = protocol.outcome(primary.outcome).label
    return (f"Primary: {label} at {primary.visit}.",), ("Outcome", "Kind", "Possible", ""), rows


def _timeline(protocol: TrialProtocol) -> _Text:
    names = [one.name for one in protocol.outcomes]
    rows = tuple(
        (
            visit.name,
            f"{visit.week:g}",
            f"± {visit.window_days} days",
            *("x" if visit in protocol.rated(name) else "" for name in names),
        )
        for visit in protocol.visits
    )
    line = "Weeks are counted from the first visit; one outside its window is asked about, never refused."
    return (line,), ("Visit", "Week", "Window", *names), rows


def _size(protocol: TrialProtocol) -> _Text:
    share = sum(arm.ratio for arm in protocol.arms)
    each = ", ".join(f"{arm.label} {protocol.sample_size * arm.ratio / share:g}" for arm in protocol.arms)
    line = "What this size can and cannot show is for simulation to say (actionloop trial simulate)."
    return (f"{protocol.sample_size} participants ({each}).", line), (), ()


def _sequence(protocol: TrialProtocol) -> _Text:
    strata = [f"{one.name} ({', '.join(one.levels)})" for one in protocol.strata]
    over = f"over {'; '.join(strata)}" if strata else "without strata"
    if protocol.allocation.method == "blocks":
        return (f"Permuted blocks of hidden, varying size {over}; the sizes are not told to centres.",), (), ()
    return (f"Minimisation {over}, biased coin {protocol.allocation.biased_coin:g}.",), (), ()


def _concealment(_: TrialProtocol) -> _Text:
    lines = (
        "An arm follows from a secret that the allocator alone holds; the log keeps its hash from the start and no arm "
        "before unblinding. A participant is allocated once eligibility and all candidate targets are locked, in "
        "order.",
        "The coordinator screens and locks, the allocator allocates, the operator is told the target.",
    )
    return lines, (), ()


def _blinding(protocol: TrialProtocol) -> _Text:
    coil = "; who holds the coils, which is a sham" if any(arm.rule == "sham" for arm in protocol.arms) else ""
    lines = (
        "Raters see neither arm nor target; the statistician sees arms as codes until the data are locked.",
        f"The operator knows the target that is delivered{coil}.",
        "One participant's arm is revealed with a reason, which is recorded and reveals nobody else's.",
    )
    return lines, (), ()


def _data(_: TrialProtocol) -> _Text:
    line = (
        "Append-only log, each entry with the hash of the one before; corrections keep what was there, with a reason."
    )
    return (line,), (), ()


def _estimand(protocol: TrialProtocol) -> _Text:
    rows = tuple(
        (one.label, one.strategy.replace("_", " "), one.responder.replace("_", " "))
        for one in protocol.estimand.intercurrent
    )
    lines = (f"Population: {protocol.estimand.population}.", protocol.estimand.summary)
    return lines, ("Intercurrent event", "Strategy", "Responder analysis"), rows


def _analyses(protocol: TrialProtocol) -> _Text:
    rows = tuple(_analysis_row(one) for one in protocol.analyses)
    holm = any(one.multiplicity == "holm" and len(one.comparisons) > 1 for one in protocol.analyses)
    lines = (
        f"Two-sided level {protocol.alpha:g}" + (", Holm over the comparisons of an analysis." if holm else "."),
        "Locked with the protocol: nothing else is run, and a change after unblinding is refused and recorded. "
        "A difference that is not significant is no equivalence: intervals are reported.",
    )
    return lines, ("Analysis", "Role", "How", "Comparisons", "Missing"), rows


def _analysis_row(one: Analysis) -> tuple[str, ...]:
    how = f"{KINDS[one.kind]}; {one.outcome} at {one.visit}"
    if one.threshold is not None:
        how += f"; relief of {100 * one.threshold:g} % or more"
    if one.margin is not None:
        how += f"; margin {one.margin:g}"
    if one.biomarker is not None:
        how += f"; {one.biomarker}"
    if one.adjust:
        how += f"; adjusted for {', '.join(one.adjust)}"
    pairs = ", ".join(f"{arm} v. {reference}" for arm, reference in one.comparisons)
    return one.name, one.role, how, pairs, MISSING[one.missing]


def _interim(protocol: TrialProtocol) -> _Text:
    looks = ", ".join(f"{100 * share:g} %" for share in protocol.stopping.blinded_at)
    line = f"Blinded looks at variance and event rate at {looks} of the participants." if looks else "No interim look."
    return (line, protocol.stopping.safety or "No rule for safety is stated."), (), ()


def _harms(_: TrialProtocol) -> _Text:
    line = (
        "Every adverse event is entered with day, severity, seriousness and relation, at any time, also after the lock."
    )
    return (line,), (), ()


def _absent(_: TrialProtocol) -> _Text:
    named = "rationale, eligibility criteria, recruitment, consent, oversight, funding"
    return (f"These items stand in the full protocol: {named}, and the others whose numbers stand above.",), (), ()


_PARTS: dict[str, Callable[[TrialProtocol], _Text]] = {
    "title": _title,
    "version": _version,
    "design": _design,
    "setting": _setting,
    "interventions": _interventions,
    "outcomes": _outcomes,
    "timeline": _timeline,
    "size": _size,
    "sequence": _sequence,
    "concealment": _concealment,
    "blinding": _blinding,
    "data": _data,
    "estimand": _estimand,
    "analyses": _analyses,
    "interim": _interim,
    "harms": _harms,
    "absent": _absent,
}
