"""Folders of short songs, and what lies in a folder."""

from pathlib import Path

import numpy as np
import soundfile

from helpers.sounds import noise
from isolde.audio import write
from isolde.audio.demo import read_demo


def music(folder: Path, n: int, n_samples: int = 20_000) -> list[Path]:
    """Songs of noise, none like another."""
    paths = [folder / f"song {k}.wav" for k in range(n)]
    for k, path in enumerate(paths):
        write(path, np.roll(noise(2, n_samples), 997 * k, axis=1), 22050)
    return paths


def demo_song(path: Path, seconds: int, **options: str) -> Path:
    """The first seconds of the demo song, mixed."""
    stems, rate = read_demo()
    soundfile.write(path, sum(stems.values())[:, : seconds * rate].T, rate, **options)
    return path


def three_songs(folder: Path, rate: int) -> Path:
    """Songs in the musdb layout, float WAV, 1.5 s; vocals 6 dB above each of two others."""
    generator = np.random.default_rng(0)
    for number, artist in enumerate(("Ann", "Ben", "Ann")):
        song = folder / "test" / f"{artist} - Song {number}"
        song.mkdir(parents=True)
        for stem, level in (("vocals", 0.1), ("drums", 0.05), ("other", 0.05)):
            samples = level * generator.standard_normal((rate * 3 // 2, 2))
            soundfile.write(song / f"{stem}.wav", samples, rate, subtype="FLOAT")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but the journals."""
    files = (p for p in folder.rglob("*") if p.is_file() and "journal" not in p.name)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}
