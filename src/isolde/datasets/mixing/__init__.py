"""New mixtures from songs with known stems, each example from its own seed."""
