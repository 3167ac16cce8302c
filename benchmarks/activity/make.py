"""Songs with known activity for every detector alike: `python make.py DATA CACHE OUT`.

dev-onoff   94 real multitracks that no model of ours has learnt from, by other artists. Previews
            hold voice nearly all the time (97 %), so the true vocal stem is muted now and then, for
            0.5 to 4 s, and what is left is labelled by the stem: half voice, half band.
dev         the same, as they are.
backings    the same as they are, and their backings alone.
magnatune   eight artists as they are, from whom networks and head have learnt; labels of a teacher.

Each track is a 22,050 Hz wav and an .npy of frames (11.6 ms), 1 where somebody sings.
"""

import sys
from pathlib import Path

import numpy as np

from isolde.audio import write
from isolde.core.signal.spectrum import GRID_22
from isolde.datasets.mixing.library import FULL_SCALE, Entry, Library
from isolde.datasets.voicing import labelled

HOP = GRID_22.hop
N_ARTISTS = {"magnatune": 8}
SEED = 2


def drawn_artists(data: Path, folder: str, cache: Path) -> set[str]:
    """Artists of a folder, drawn once and for all."""
    artists = sorted({e.artist for e in Library([data / folder], cache).entries})
    rng = np.random.default_rng(SEED)
    return {artists[i] for i in rng.permutation(len(artists))[: N_ARTISTS.get(folder, 0)]}


def muted(entry: Entry, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A mixture whose voice pauses now and then, and where it sounds."""
    n = entry.vocals.shape[1] // HOP
    keep, at, on = np.ones(n, np.float32), 0, bool(rng.random() < 0.5)
    while at < n:
        length = int(rng.uniform(0.5, 4) / GRID_22.frame_seconds)
        keep[at : at + length] = on
        at, on = at + length, not on
    gain = np.convolve(np.repeat(keep, HOP), np.ones(HOP) / HOP, "same")
    v = entry.vocals[:, : n * HOP] * gain
    return (v + entry.accompaniment[:, : n * HOP]) / FULL_SCALE, entry.activity[:n] & (keep > 0.5)


def plain(entry: Entry) -> tuple[np.ndarray, np.ndarray]:
    """The mixture as it is, and where the voice sounds."""
    mixture = entry.vocals.astype(np.float32) + entry.accompaniment
    return mixture / FULL_SCALE, entry.activity


def backing(entry: Entry) -> tuple[np.ndarray, np.ndarray]:
    """The accompaniment alone, in which nobody sings."""
    audio = entry.accompaniment.astype(np.float32) / FULL_SCALE
    return audio, np.zeros_like(entry.activity)


def main() -> None:
    """Write all sets."""
    data, cache, out = (Path(a) for a in sys.argv[1:4])
    rng = np.random.default_rng(11)

    def entries(folder: str) -> list[Entry]:
        found = labelled(Library([data / folder], cache).entries)
        held = drawn_artists(data, folder, cache)
        return [e for e in found if e.artist in held or not held]

    def put(name: str, track: str, audio: np.ndarray, labels: np.ndarray) -> None:
        path = out / name / f"{track}.wav"
        peak = max(1.0, float(np.abs(audio).max()))
        write(path, (audio / peak).astype(np.float32), 22050, overwrite=True)
        np.save(path.with_suffix(".npy"), labels)

    for entry in entries("musdb18-7-dev"):
        put("dev-onoff", entry.track, *muted(entry, rng))
        put("dev", entry.track, *plain(entry))
        put("backings", entry.track, *plain(entry))
        put("backings", f"{entry.track} (backing)", *backing(entry))
    for entry in entries("magnatune"):
        put("magnatune", entry.track, *plain(entry))


if __name__ == "__main__":
    main()
