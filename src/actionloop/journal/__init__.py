"""A log that is only added to: every entry carries the hash of the one before."""

from actionloop.journal.chain import Entry, Fault, Receipt, canonical, check, make_entry, sha256
from actionloop.journal.proof import verify
from actionloop.journal.store import Journal, Pen, utc_now

__all__ = [
    "Entry",
    "Fault",
    "Journal",
    "Pen",
    "Receipt",
    "canonical",
    "check",
    "make_entry",
    "sha256",
    "utc_now",
    "verify",
]
