"""Many people's maps: how likely a network is at each place, and how far its parts scatter."""
