"""The songs behind the activity model: what it learns from and what is held out."""

from pathlib import Path

import numpy as np

from isolde.datasets.labels import labelled
from isolde.datasets.library import Entry, Library

TRAIN = ("magnatune", "cc-songs", "everything-is-free", "mir-1k", "vocalset-arpeggios")
HELD_OUT = {"magnatune": 8, "mir-1k": 3}  # artists (singers) of each that no weight ever saw
SEED = 2


def held_out_artists(data: Path, folder: str, cache: Path) -> set[str]:
    """Artists of a folder that are kept for validation, drawn once and for all."""
    artists = sorted({e.artist for e in Library([data / folder], cache).entries})
    rng = np.random.default_rng(SEED)
    return {artists[i] for i in rng.permutation(len(artists))[: HELD_OUT.get(folder, 0)]}


def split(data: Path, cache: Path) -> tuple[list[Entry], dict[str, list[Entry]]]:
    """Entries to learn from, and the held-out ones by folder; all labelled."""
    train: list[Entry] = []
    held: dict[str, list[Entry]] = {}
    for folder in TRAIN:
        out = held_out_artists(data, folder, cache)
        entries = labelled(Library([data / folder], cache).entries)
        train += [e for e in entries if e.artist not in out]
        if out:
            held[folder] = [e for e in entries if e.artist in out]
    return train, held
