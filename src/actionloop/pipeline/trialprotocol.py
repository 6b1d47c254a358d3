"""A trial's protocol as a YAML file: read with every fault named at once, written back, and those that come along."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from actionloop.errors import ActionloopError, InputError, OptionError
from actionloop.files.atomic import atomic_path
from actionloop.pipeline.yamltext import Fault, build, compose, find_yaml, line_of, node_faults
from actionloop.trial import plain_protocol, protocol_digest, require_known_events, require_runnable
from actionloop.types import (
    Allocation,
    Analysis,
    Arm,
    Estimand,
    Stopping,
    Stratum,
    TrialOutcome,
    TrialProtocol,
    Visit,
)

__all__ = [
    "packaged_protocols",
    "plain_protocol",
    "protocol_digest",
    "protocol_from_plain",
    "read_packaged",
    "read_protocol",
    "write_protocol",
]

MOST_BYTES = 256 * 1024
_LISTS: dict[str, Any] = {
    "arms": Arm,
    "strata": Stratum,
    "visits": Visit,
    "outcomes": TrialOutcome,
    "analyses": Analysis,
}
_SINGLES: dict[str, Any] = {"allocation": Allocation, "estimand": Estimand, "stopping": Stopping}
_HEAD = "# A randomised trial's protocol. Its digest does not depend on comments or on the order of keys.\n"


def read_protocol(path: str | Path) -> TrialProtocol:
    """Read a protocol.

    Parameters
    ----------
    path : path
        YAML, at most 256 KiB, without anchors and aliases; each key once.

    Returns
    -------
    TrialProtocol

    Raises
    ------
    InputError
        Missing, too large, not YAML, or what it says cannot be: every fault with its line and field.
    OptionError
        The package that reads YAML is not installed.
    """
    path = Path(path)
    try:
        with path.open("rb") as opened:
            raw = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"the protocol cannot be read: {error.strerror}", where=path, fix="check the path") from error
    return _parse(raw, path)


def packaged_protocols() -> tuple[str, ...]:
    """Names of the protocols that come along."""
    folder = resources.files("actionloop") / "data" / "protocols"
    return tuple(sorted(one.name.removesuffix(".yaml") for one in folder.iterdir() if one.name.endswith(".yaml")))


def read_packaged(name: str) -> TrialProtocol:
    """Read a protocol that comes along, by its name; one that is none is an OptionError."""
    if name not in packaged_protocols():
        known = ", ".join(packaged_protocols())
        raise OptionError(f"no protocol is called {name!r}", fix=f"choose from {known}, or give a file")
    place = resources.files("actionloop") / "data" / "protocols" / f"{name}.yaml"
    return _parse(place.read_bytes(), Path(f"{name}.yaml"))


def write_protocol(path: str | Path, protocol: TrialProtocol) -> None:
    """Write a protocol with all its defaults spelled out; reading it gives an equal one."""
    text = find_yaml().safe_dump(plain_protocol(protocol), sort_keys=False, allow_unicode=True, width=110)
    with atomic_path(path) as temporary:
        temporary.write_text(_HEAD + text, encoding="utf-8")


def protocol_from_plain(plain: Any) -> TrialProtocol:
    """Build a protocol from what `plain_protocol` made of one.

    Raises
    ------
    InputError
        It is none.
    """
    if not isinstance(plain, dict):
        raise InputError("expected a protocol's fields", where="protocol_locked")
    faults, protocol = _validated(plain)
    if protocol is None:
        raise InputError(f"{faults[0][1]}: {faults[0][2]}", where="protocol_locked", fix="update actionloop")
    return protocol


def _parse(raw: bytes, path: Path) -> TrialProtocol:
    if len(raw) > MOST_BYTES:
        raise InputError(f"a protocol has at most {MOST_BYTES // 1024} KiB", where=path, fix="give the protocol's file")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("the protocol is not UTF-8 text", where=path, fix="save it as UTF-8") from error
    node = compose(text, path)
    faults = list(node_faults(node, ""))
    if not faults:
        given = build(node)
        if not isinstance(given, dict):
            raise InputError(
                "expected a protocol with fields such as 'title:' and 'arms:'",
                where=path,
                fix="start from one that comes along",
            )
        faults, protocol = _validated(given)
        if protocol is not None:
            return protocol
    told = [f"{line_of(node, loc)}{field}: {problem}" for loc, field, problem in faults]
    if len(told) == 1:
        raise InputError(told[0], where=path, fix="mend the file")
    raise InputError(
        "\n".join([f"the protocol has {len(told)} faults:", *(f"  - {one}" for one in told)]),
        where=path,
        fix="mend all of them",
    )


def _sound(given: dict[str, Any]) -> tuple[list[Fault], dict[str, Any]]:
    """Check the parts one by one; return their faults, and the protocol without the parts that have any."""
    found: list[Fault] = []
    sound = dict(given)
    for name, kind in _LISTS.items():
        if isinstance(given.get(name), list):
            told = [_faults_of(kind, row, (name, index)) for index, row in enumerate(given[name])]
            found += [fault for faults in told for fault in faults]
            sound[name] = [row for row, faults in zip(given[name], told, strict=True) if not faults]
    for name, kind in _SINGLES.items():
        if name in given:
            faults = _faults_of(kind, given[name], (name,))
            found += faults
            if faults:
                del sound[name]
    return found, sound


def _validated(given: dict[str, Any]) -> tuple[list[Fault], TrialProtocol | None]:
    """Check the parts and then the whole, so that one fault does not hide another."""
    found, sound = _sound(given)
    try:
        protocol: TrialProtocol = _adapter(TrialProtocol).validate_json(json.dumps(sound), strict=True)
    except ValidationError as error:
        # A part that was left out above is not missing from the file.
        rest = [one for one in error.errors() if one["loc"][0] in sound or one["loc"][0] not in given]
        found += [(one["loc"], _named(one["loc"], sound, ()), _said(one)) for one in rest]
    except ActionloopError as error:
        # Names that nothing has are judged only where no part was left out.
        found = found or [_fault(one, ()) for one in getattr(error, "faults", (error,))]
    if found:
        return found, None
    for require in (require_known_events, require_runnable):
        try:
            require(protocol)
        except OptionError as error:
            found.append(_fault(error, ()))
    return (found, None) if found else ([], protocol)


@cache
def _adapter(kind: Any) -> Any:
    return TypeAdapter(kind)


def _faults_of(kind: Any, given: Any, loc: tuple[Any, ...]) -> list[Fault]:
    try:
        _adapter(kind).validate_json(json.dumps(given, default=str), strict=True)
    except ValidationError as error:
        return [((*loc, *one["loc"]), _named((*loc, *one["loc"]), given, loc), _said(one)) for one in error.errors()]
    except ActionloopError as error:
        return [_fault(error, loc)]
    return []


def _fault(error: ActionloopError, loc: tuple[Any, ...]) -> Fault:
    """Turn a dataclass' own error into a fault; without `loc` its place is what it names: 'allocation: block_sizes'."""
    place = error.where or ".".join(map(str, loc))
    told = f"{error.problem}; {error.fix}" if error.fix else error.problem
    return loc or tuple(place.split(": ")), place, told


def _named(loc: Sequence[Any], given: Any, base: tuple[Any, ...]) -> str:
    """Name a place as a person looks for it: 'arms[2] (m1): rule'."""
    told = ""
    here = given if not base else None
    for depth, step in enumerate(loc):
        if isinstance(step, int):
            row = given if depth == len(base) - 1 else (here[step] if isinstance(here, list) else None)
            name = row.get("name") if isinstance(row, dict) else None
            told += f"[{step + 1}]" + (f" ({name})" if isinstance(name, str) else "")
            here = row
        else:
            told += f".{step}" if told else str(step)
            here = here.get(step) if isinstance(here, dict) else None
    return told or "the protocol"


def _said(error: Any) -> str:
    if error["type"] == "missing":
        return "is missing"
    if error["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        return "is no field of this part; check the spelling"
    found = error["input"]
    shown = "" if isinstance(found, (dict, list)) else f", found {found!r}"
    return f"{error['msg'][:1].lower()}{error['msg'][1:]}{shown}"
