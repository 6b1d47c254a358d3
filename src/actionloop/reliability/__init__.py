"""How much of a map is the person and how much chance: halves, resampled frames, length of the scan, verdicts."""
