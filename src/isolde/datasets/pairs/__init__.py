"""Mix <-> vocal training pairs: found, aligned, normalised, scored; it never trains on them."""
