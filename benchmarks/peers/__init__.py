"""The same training, written in each peer as its users would write it."""
