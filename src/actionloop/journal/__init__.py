"""A log that is only added to: every entry carries the hash of the one before."""
