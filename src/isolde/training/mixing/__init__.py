"""Mix training examples on the device that trains, from songs in its memory."""
