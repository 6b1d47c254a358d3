"""One map against another: contrasts of connectivity, overlap with a map of pain, lesions; with their nulls."""
