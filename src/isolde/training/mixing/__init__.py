"""Training examples mixed on the device that trains: songs in its memory, cut, tuned and added."""
