"""A library of songs for training: decoded once, mapped from disk, at one sample rate.

It reads folders of `{track}/{stem}.{ext}`. It never writes beside the songs: decoded samples go as
int16 into a cache folder that can be thrown away.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from isolde.audio import info, read
from isolde.errors import AudioError, InputError
from isolde.spectrum import GRID_22, GRID_44, analyse

STEMS = ("vocals", "drums", "bass", "other", "accompaniment")
SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3")
FULL_SCALE = 32767.0

Int16 = NDArray[np.int16]


@dataclass(frozen=True)
class Entry:
    """One song, or one solo voice, in the cache.

    Attributes:
        track: name, unique in the library.
        artist: who must not be on both sides of a split.
        top_hz: highest frequency that the recording holds.
        vocals: (2, n) int16 or None.
        accompaniment: (2, n) int16 or None.
        activity: (n // hop,) bool: where the voice sounds, frame by frame.
    """

    track: str
    artist: str
    top_hz: float
    vocals: Int16 | None
    accompaniment: Int16 | None
    activity: NDArray[np.bool_]


def artist_of(folder: Path) -> str:
    """Artist by the folder's name: `{artist} - {title}`, `{singer}_{song}_{clip}`, or the track.

    A `tags.csv` beside the folders (columns song, artist) has the first word.
    """
    tags = folder.parent / "tags.csv"
    if tags.is_file():
        import csv

        with tags.open(newline="", encoding="utf-8") as rows:
            for row in csv.DictReader(rows):
                if row["song"] == folder.name:
                    return row["artist"]
    name = folder.name
    if " - " in name:
        return name.split(" - ")[0]
    return name.split("_")[0]


def _decode(path: Path, sample_rate: int) -> tuple[NDArray[np.float32], int]:
    """Stereo samples at `sample_rate`, and the file's own rate."""
    own_rate = info(path).sample_rate
    audio, _ = read(path, sample_rate=sample_rate)
    stereo = audio[:2] if audio.shape[0] > 1 else np.repeat(audio, 2, axis=0)
    return np.ascontiguousarray(stereo), own_rate


def _activity(vocals: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Frames of a clean voice that are within 40 dB of its loud parts (95th percentile)."""
    spectra = analyse(vocals, GRID_22)
    level = np.sqrt((np.abs(spectra) ** 2).sum(axis=(0, 2)))
    loud = np.percentile(level, 95) if level.size else 0.0
    active: NDArray[np.bool_] = level > max(0.01 * loud, 1e-4)
    return active


class Library:
    """Songs under some folders, decoded into a cache and mapped from there."""

    def __init__(self, folders: Iterable[Path], cache: Path) -> None:
        """Decode what the cache does not hold yet.

        Args:
            folders: each holds songs, `{track}/{stem}.{ext}`, or solo voices, `{voice}.{ext}`.
            cache: where decoded samples are kept.

        Raises:
            InputError: when nothing is found.
        """
        self.entries: list[Entry] = []
        self.failed: list[str] = []
        cache.mkdir(parents=True, exist_ok=True)
        for folder in folders:
            for item in sorted(folder.iterdir()):
                if item.is_dir() or item.suffix in SUFFIXES:
                    try:
                        self.entries.append(self._entry(item, cache))
                    except AudioError as error:
                        self.failed.append(str(error))
        if not self.entries:
            raise InputError("no songs found: a folder must hold {track}/{stem}.wav or {voice}.wav")

    def _entry(self, item: Path, cache: Path) -> Entry:
        stamp = f"{item.resolve()}|{item.stat().st_mtime_ns}"
        key = hashlib.sha1(stamp.encode(), usedforsecurity=False).hexdigest()[:16]
        facts = cache / f"{key}.json"
        if not facts.is_file():
            self._prepare(item, cache, key)
        meta = json.loads(facts.read_text())

        def load(part: str) -> Int16 | None:
            path = cache / f"{key}.{part}.npy"
            return np.load(path, mmap_mode="r") if path.is_file() else None

        return Entry(
            track=item.stem if item.is_file() else item.name,
            artist=artist_of(item),
            top_hz=meta["top_hz"],
            vocals=load("vocals"),
            accompaniment=load("accompaniment"),
            activity=np.load(cache / f"{key}.activity.npy"),
        )

    @staticmethod
    def _prepare(item: Path, cache: Path, key: str) -> None:
        rate = GRID_22.sample_rate
        found: dict[str, NDArray[np.float32]] = {}
        top = GRID_44.sample_rate / 2.0
        files = [item] if item.is_file() else sorted(item.iterdir())
        for path in files:
            stem = "vocals" if item.is_file() else path.stem
            if path.suffix in SUFFIXES and stem in STEMS:
                found[stem], own_rate = _decode(path, rate)
                top = min(top, own_rate / 2)
        if not found:
            raise AudioError(f"{item}: holds no stem named {', '.join(STEMS)}")
        n = min(a.shape[1] for a in found.values())
        vocals = found.pop("vocals", None)
        rest = [a[:, :n] for a in found.values()]
        if vocals is not None:
            np.save(cache / f"{key}.vocals.npy", _int16(vocals[:, :n]))
            np.save(cache / f"{key}.activity.npy", _activity(vocals[:, :n]))
        else:
            np.save(cache / f"{key}.activity.npy", np.zeros(GRID_22.n_frames(n), np.bool_))
        if rest:
            np.save(cache / f"{key}.accompaniment.npy", _int16(np.sum(rest, axis=0)))
        (cache / f"{key}.json").write_text(json.dumps({"top_hz": top, "item": str(item)}))


def _int16(audio: NDArray[np.float32]) -> Int16:
    return np.round(np.clip(audio, -1, 1) * FULL_SCALE).astype(np.int16)
