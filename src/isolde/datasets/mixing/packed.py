"""Songs that are decoded already: int16 arrays at 22,050 Hz in a folder; it decodes and mixes none.

A labelling for training may leave its songs in this form, without a manifest: {folder}/{kind}/
{song}.npy of shape (n_stems, 2, n), where the kind says which stems they are. {song}.activity
beside it, if there, tells where the voice sounds, which is computed otherwise: a byte, 0 or 1, for
each frame of `GRID_22`; an empty file if it never does. The artist is what stands before " - " in a
song's name, or the whole name.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from isolde.core.errors import InputError
from isolde.core.signal.spectrum import GRID_22
from isolde.datasets.cache import FULL_SCALE
from isolde.datasets.frames import activity_of
from isolde.datasets.mixing.library import Entry

KINDS: dict[str, tuple[str, ...]] = {
    "quartet": ("vocals", "drums", "bass", "other"),
    "pair": ("vocals", "accompaniment"),
    "solo": ("vocals",),
    "backing": ("accompaniment",),
}
"""Stems of the songs in each sub-folder."""

TOP_HZ = 11025.0


def is_packed(folder: Path) -> bool:
    """Tell whether a folder holds songs in this form."""
    return any(True for kind in KINDS for _ in folder.glob(f"{kind}/*.npy"))


def packed_songs(folder: Path) -> tuple[list[Entry], list[str]]:
    """Open the songs of a folder, memory-mapped.

    Args:
        folder: Folder with sub-folders named as in `KINDS`.

    Returns:
        songs sorted by kind and name, and a line for each file that is none.
    """
    paths = [(path, kind) for kind in KINDS for path in sorted(folder.glob(f"{kind}/*.npy"))]
    with ThreadPoolExecutor() as pool:  # to find where voices sound takes time
        found = list(pool.map(lambda one: _opened(one[0], KINDS[one[1]]), paths))
    entries = [song for song in found if isinstance(song, Entry)]
    return entries, [problem for problem in found if isinstance(problem, str)]


def _opened(path: Path, stems: tuple[str, ...]) -> Entry | str:
    """A song, or a line that says why it is none."""
    try:
        return _song(path, stems)
    except (InputError, OSError, ValueError) as error:
        return f"{path}: is no packed song ({error})"


def _song(path: Path, stems: tuple[str, ...]) -> Entry:
    sound = np.load(path, mmap_mode="r")
    if sound.dtype != np.int16 or sound.ndim != 3 or sound.shape[:2] != (len(stems), 2):
        raise InputError(f"{sound.dtype} of shape {sound.shape}, not int16 ({len(stems)}, 2, n)")
    name = path.stem.replace("_", " ")
    parts = dict(zip(stems, sound, strict=True))
    vocals = parts.pop("vocals", None)
    told = path.with_suffix(".activity")
    activity = np.zeros(GRID_22.n_frames(sound.shape[2]), np.bool_)
    if told.is_file():
        marks = np.fromfile(told, np.uint8) > 0
        if len(marks) not in (0, len(activity)):
            raise InputError(f"{told.name} is for {len(marks)} frames of another song")
        activity[: len(marks)] = marks
    elif vocals is not None:
        activity = activity_of(vocals / np.float32(FULL_SCALE))
    return Entry(
        track=f"{path.parent.name}/{path.stem}",
        artist=name.partition(" - ")[0],
        top_hz=TOP_HZ,
        vocals=vocals,
        accompaniment=parts.pop("accompaniment", None),
        activity=activity,
        **parts,
    )
