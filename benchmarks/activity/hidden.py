"""A trunk's hidden units on songs, to train a head on: `hidden.py DATA CACHE TRUNK OUT`.

Without end: clip after clip, saved 25 at a time; stop it when there is enough.
"""

import sys
from pathlib import Path

import numpy as np
from data import split

from isolde.activity.level import Leveller
from isolde.catalogue import find
from isolde.datasets.library import FULL_SCALE, Entry, Library
from isolde.features import Features
from isolde.graph import Graph
from isolde.networks.temporal import hidden_graph
from isolde.spectrum import GRID_22, analyse

CLIP = 8.0
CROSS = 0.35  # chance that the backing is another song's
MUTED = 0.55  # chance that the voice is muted now and then
TEACHER = ("magnatune", "cc-songs")
"""Whose own backing is never used with a muted voice: what a separator took out would tell."""


def clip_of(entry: Entry, backings: list[Entry], rng: np.random.Generator, *, taught: bool):
    """A mixture (2, n), and in which of its frames the voice sounds."""
    hop = GRID_22.hop
    n_frames = min(int(CLIP / GRID_22.frame_seconds), entry.vocals.shape[1] // hop - 1)
    first = int(rng.integers(entry.vocals.shape[1] // hop - n_frames))
    part = slice(first * hop, (first + n_frames) * hop)
    v = entry.vocals[:, part].astype(np.float32) / FULL_SCALE
    sounds = entry.activity[first : first + n_frames].copy()
    gain = 10 ** (rng.normal(0, 2.5) / 20)
    cross = False
    if entry.accompaniment is None or rng.random() < CROSS:
        cross = True
        backing = backings[int(rng.integers(len(backings)))]
        start = int(rng.integers(max(1, backing.accompaniment.shape[1] - n_frames * hop)))
        a = backing.accompaniment[:, start : start + n_frames * hop].astype(np.float32) / FULL_SCALE
        a = np.pad(a, ((0, 0), (0, n_frames * hop - a.shape[1])))
        whole = entry.vocals[:, ::7].astype(np.float32) / FULL_SCALE
        loud = np.sqrt(np.mean(whole**2) / max(entry.activity.mean(), 0.05)) + 1e-4
        gain = 10 ** (rng.normal(-3, 4) / 20) * np.sqrt(np.mean(a**2)) / loud
    else:
        a = entry.accompaniment[:, part].astype(np.float32) / FULL_SCALE
    if (cross or not taught) and rng.random() < MUTED:
        on, at = bool(rng.random() < 0.3), 0
        keep = np.ones(n_frames, np.float32)
        while at < n_frames:
            length = int(rng.uniform(0.5, 4) / GRID_22.frame_seconds)
            keep[at : at + length] = on
            on, at = not on, at + length
        sounds &= keep > 0.5
        v = v * np.convolve(np.repeat(keep, hop), np.ones(hop) / hop, "same").astype(np.float32)
    return (gain * v + a).astype(np.float32), sounds


def units_of(graph: Graph, audio: np.ndarray, features: Features, *, look_ahead: int = 12):
    """The hidden units (n_frames, units) for audio (n_channels, n)."""
    frames = features(Leveller().feed(analyse(audio, GRID_22)))
    silence = np.zeros((1, 24 - look_ahead, 513), np.float32)
    after = np.zeros((1, look_ahead, 513), np.float32)
    units, _ = graph(np.concatenate([silence, frames, after], axis=1), graph.state(1))
    return units[0, 24:]


def main() -> None:
    """Go on until stopped."""
    data, cache, trunk, out = (Path(a) for a in sys.argv[1:5])
    out.mkdir(parents=True, exist_ok=True)
    entries, _ = split(data, cache)
    entries = [e for e in entries if e.vocals is not None]
    taught = {e.artist for f in TEACHER for e in Library([data / f], cache).entries}
    backings = [e for e in entries if e.accompaniment is not None and e.top_hz > 11000]
    graph = Graph(hidden_graph(trunk.read_bytes()))
    features = find(trunk).card.features
    chances = np.array([min(e.vocals.shape[1] / 22050, 30) for e in entries])
    chances[[e.accompaniment is None for e in entries]] *= 0.4
    chances /= chances.sum()
    number = 100 + len(list(out.glob("*.npz")))
    while True:
        rng = np.random.default_rng([5, number])
        picked = rng.choice(len(entries), 25, replace=False, p=chances)
        units, labels = [], []
        for i in picked:
            audio, sounds = clip_of(entries[i], backings, rng, taught=entries[i].artist in taught)
            u = units_of(graph, audio, features)[: len(sounds)]
            units.append(u.astype(np.float16))
            labels.append(sounds)
        np.savez(
            out / f"{number:04d}.npz",
            units=np.concatenate(units),
            sounds=np.concatenate(labels),
            lengths=[len(x) for x in labels],
        )
        number += 1
        print(number, sum(map(len, labels)), np.concatenate(labels).mean(), flush=True)


if __name__ == "__main__":
    main()
