"""Songs with known stems, memory-mapped for training; it mixes none."""
