"""One hash for one protocol, whatever the order of its keys, its comments or how its numbers are written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from actionloop.types import TrialProtocol


def plain_protocol(protocol: TrialProtocol) -> dict[str, Any]:
    """Return a protocol as mappings, lists, texts and numbers; whole numbers are ints, 2.0 as well as 2."""
    plain = _plain(asdict(protocol))
    if not isinstance(plain, dict):
        raise TypeError("a protocol is a mapping")
    return plain


def protocol_digest(protocol: TrialProtocol) -> str:
    """SHA-256 of a protocol's canonical JSON, 64 hexadecimal digits.

    Two files that say the same have the same digest; what stands in comments does not count, the order of arms, visits,
    outcomes and analyses does.
    """
    text = json.dumps(
        plain_protocol(protocol), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
