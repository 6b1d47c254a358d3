"""Coils, head models, the electric field in a head, and reciprocity."""
