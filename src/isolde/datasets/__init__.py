"""Songs with known stems: where they lie, how they are read, and how they are mixed anew."""
