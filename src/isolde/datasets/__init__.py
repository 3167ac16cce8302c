"""Data sets to train on: how they lie on disk, how they are made, and how they are remixed."""
