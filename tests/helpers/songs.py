"""Folders of short songs, and what lies in a folder."""

from pathlib import Path

import numpy as np

from helpers.sounds import noise
from isolde.audio import write


def music(folder: Path, n: int, n_samples: int = 20_000) -> list[Path]:
    """Songs of noise, none like another."""
    paths = [folder / f"song {k}.wav" for k in range(n)]
    for k, path in enumerate(paths):
        write(path, np.roll(noise(2, n_samples), 997 * k, axis=1), 22050)
    return paths


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but the journals."""
    files = (p for p in folder.rglob("*") if p.is_file() and "journal" not in p.name)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}
