"""The allocator's secret: what the arms follow from, what seals them, and what nobody else may read."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from collections.abc import Sequence
from fractions import Fraction
from math import lcm
from pathlib import Path
from typing import Any, TypeVar

from actionloop.errors import InputError, OutputError
from actionloop.journal import canonical

SECRET = "secret"  # noqa: S105 - a file's name
BYTES = 32
OTHERS = stat.S_IRWXG | stat.S_IRWXO
T = TypeVar("T")


class Draws:
    """Uniform numbers that follow from a key and a label alone: HMAC-SHA256 of a counter.

    They are the same on every machine and with every version of every library, for as long as the study is kept, which
    no generator of a numerical library promises; and numbers of one label tell nothing of another's.
    """

    def __init__(self, key: bytes, label: Sequence[Any]) -> None:
        self._key = hmac.new(key, canonical(["draws", *label]).encode(), hashlib.sha256).digest()
        self._counter, self._left = 0, b""

    def below(self, limit: int) -> int:
        """Return a whole number from 0 to `limit` - 1, all equally likely; what would favour some is redrawn."""
        words = limit.bit_length() // 64 + 1
        fair = (1 << 64 * words) // limit * limit
        while True:
            found = 0
            for _ in range(words):
                found = found << 64 | self._word()
            if found < fair:
                return found % limit

    def _word(self) -> int:
        if not self._left:
            self._left = hmac.new(self._key, self._counter.to_bytes(8, "big"), hashlib.sha256).digest()
            self._counter += 1
        word, self._left = self._left[:8], self._left[8:]
        return int.from_bytes(word, "big")

    def shuffled(self, values: Sequence[T]) -> list[T]:
        """Return the values in random order (Fisher and Yates)."""
        found = list(values)
        for last in range(len(found) - 1, 0, -1):
            other = self.below(last + 1)
            found[last], found[other] = found[other], found[last]
        return found

    def choice(self, weights: Sequence[Fraction]) -> int:
        """Return an index, each with its exact probability; the weights sum to 1."""
        whole = lcm(*(weight.denominator for weight in weights))
        point = self.below(whole)
        for index, weight in enumerate(weights):
            point -= int(weight * whole)
            if point < 0:
                return index
        raise ValueError("the weights do not sum to 1")


class Secret:
    """32 random bytes; they are never printed, and `repr` does not show them."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        if len(key) != BYTES:
            raise InputError(
                f"expected a secret of {BYTES} bytes, found {len(key)}", fix="restore the allocator's copy"
            )
        self._key = key

    def __repr__(self) -> str:
        return "Secret(...)"

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")

    @property
    def commitment(self) -> str:
        """SHA-256 of the secret: stands in the journal from its first entry on, so that nobody can exchange it."""
        return hashlib.sha256(self._key).hexdigest()

    def draws(self, *label: Any) -> Draws:
        """Return the numbers of one label."""
        return Draws(self._key, label)

    def seal(self, *, study: str, participant: str, number: int, arm: str) -> str:
        """Return what proves the arm of one participant to the secret's holder and tells nobody else anything.

        HMAC-SHA256 of the canonical text of study, participant, number within the stratum and arm.
        """
        text = canonical(["seal", study, participant, number, arm])
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()

    def opened(self, seal: str, *, study: str, participant: str, number: int, arms: Sequence[str]) -> str | None:
        """Return the arm that a seal was made for, or None where it fits none of them.

        It needs no other entry of the journal: an emergency does not depend on whether the rest is whole.
        """
        for arm in arms:
            if hmac.compare_digest(seal, self.seal(study=study, participant=participant, number=number, arm=arm)):
                return arm
        return None


def create_secret(folder: str | Path) -> Secret:
    """Draw a secret and write it where only this account reads it.

    Parameters
    ----------
    folder : str or Path
        The allocator's own folder, beside nothing that an operator reads; made with mode 0700 when it is not there.

    Raises
    ------
    OutputError
        A secret is there already, or the folder cannot be written or is open to others.
    """
    path = Path(folder) / SECRET
    key = secrets.token_bytes(BYTES)
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        _require_private(path.parent)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise OutputError(
            "a secret is there already; without it nobody can tell who was allocated to what",
            where=path,
            fix="begin a new study in another folder",
        ) from None
    except OSError as problem:
        raise OutputError(f"the secret cannot be written: {problem.strerror}", where=path) from None
    with os.fdopen(handle, "wb") as stream:
        stream.write(key)
        stream.flush()
        os.fsync(stream.fileno())
    return Secret(key)


def read_secret(folder: str | Path) -> Secret:
    """Read the secret of a study.

    On POSIX a file or folder that others may read is refused; elsewhere permissions are not looked at.

    Raises
    ------
    InputError
        Absent, open to others, or not 32 bytes.
    """
    path = Path(folder) / SECRET
    try:
        _require_private(path.parent)
        _require_private(path)
        key = path.read_bytes()
    except FileNotFoundError:
        raise InputError(
            "the secret is not here", where=path, fix="name the allocator's folder, or restore its sealed copy"
        ) from None
    except OSError as problem:
        raise InputError(
            f"the secret cannot be read: {problem.strerror}", where=path, fix="only the allocator's account reads it"
        ) from None
    return Secret(key)


def _require_private(path: Path) -> None:
    mode = path.stat().st_mode
    if os.name == "posix" and mode & OTHERS:
        raise InputError(
            f"others may read the allocator's secret (mode {stat.S_IMODE(mode):04o})",
            where=path,
            fix=f"find out who could read it, then: chmod {'700' if path.is_dir() else '600'} {path}",
        )
