"""Who may write and who may see what in a trial's journal, by the table in data/trial.toml."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from actionloop import facts
from actionloop.errors import OptionError
from actionloop.journal import Entry, canonical
from actionloop.trial.register import ALLOCATED, EVERYBODY, UNBLINDED

ALL = "*"


def _table() -> dict[str, Any]:
    found: dict[str, Any] = facts.load("trial")["roles"]
    return found


def role_names() -> tuple[str, ...]:
    """Return the roles that there are."""
    return tuple(_table())


def _role(name: str) -> dict[str, Any]:
    found: dict[str, Any] | None = _table().get(name)
    if found is None:
        raise OptionError(f"there is no role {name!r}", fix=f"choose from {', '.join(role_names())}")
    return found


def may_append(role: str, kind: str) -> bool:
    """Return whether a role may write entries of a kind.

    Raises
    ------
    OptionError
        No such role.
    """
    return kind in _role(role)["appends"]


def may_see(role: str, kind: str) -> bool:
    """Return whether a role sees entries of a kind, some of their fields at least.

    Raises
    ------
    OptionError
        No such role.
    """
    sees = _role(role)["sees"]
    return ALL in sees or kind in sees


def require_append(role: str, kind: str) -> None:
    """Refuse what a role may not write.

    Raises
    ------
    OptionError
        No such role, or this is not its to write.
    """
    if not may_append(role, kind):
        others = [name for name in role_names() if may_append(name, kind)]
        raise OptionError(
            f"the role {role} does not write {kind!r}",
            fix=f"this is for: {', '.join(others)}" if others else "check the kind of entry",
        )


def view(entries: Iterable[Entry], role: str, *, codes: Mapping[str, str] | None = None) -> tuple[Entry, ...]:
    """Return what a role may see of a journal.

    Fields that are not the role's are left out, and so are salt and digests, so that nobody finds a hidden field by
    hashing guesses. This keeps honest people blind in what the program shows them. Whoever opens the file reads all
    of it, but for arms: those stand in no entry before they are unblinded.

    Parameters
    ----------
    codes : mapping of str to str, optional
        Code of each participant's arm (see `unblinding.arm_codes`), for a role that sees the field 'code'.

    Raises
    ------
    OptionError
        No such role.
    """
    sees: Mapping[str, list[str]] = _role(role)["sees"]
    if ALL in sees:
        return tuple(entries)
    told = []
    for entry in entries:
        whole_trial = entry.kind == UNBLINDED and entry.content.get("participant") == EVERYBODY
        fields = [ALL] if whole_trial else sees.get(entry.kind)
        if fields is not None:
            told.append(_redacted(entry, fields, codes or {}))
    return tuple(told)


def _redacted(entry: Entry, fields: Iterable[str], codes: Mapping[str, str]) -> Entry:
    content = {name: value for name, value in entry.content.items() if ALL in fields or name in fields}
    participant = str(entry.content.get("participant"))
    if entry.kind == ALLOCATED and "code" in fields and participant in codes:
        content["code"] = codes[participant]
    return replace(entry, content=content, text=canonical(content), salt="", previous="", digest="")
