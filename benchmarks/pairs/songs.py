"""The songs that the rig damages: folders of stems, DATA/{set}/{song}/{stem}.ogg."""

import csv
from pathlib import Path

import numpy as np
import soundfile as sf

from isolde.core.stage import Float32

SECONDS = 75.0  # heard of a song, at most
SHORT = "musdb18-7-dev"  # 7 s each: too short to be cut
SAMPLED = "everything-is-free"  # long, and made of loops
WEIGHTS = {"magnatune": 0.68, "cc-songs": 0.20, SAMPLED: 0.06, SHORT: 0.06}


class Songs:
    """The sets under a folder that are there, and whose song is whose."""

    def __init__(self, data: Path) -> None:
        """List the songs; `magnatune/tags.csv` tells the artists of that set."""
        self._data = data
        self.of = {
            group: sorted(f"{group}/{folder.name}" for folder in (data / group).glob("*/"))
            for group in WEIGHTS
            if (data / group).is_dir()
        }
        if not self.of:
            raise SystemExit(f"{data} holds none of {', '.join(WEIGHTS)}: name another --data")
        self.long = [name for group, names in self.of.items() if group != SHORT for name in names]
        self.artist = {name: name[9:].split(" - ")[0] for name in self.of.get("cc-songs", [])}
        tags = data / "magnatune" / "tags.csv"
        if tags.exists():
            with tags.open(encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    self.artist[f"magnatune/{row['song']}"] = row["artist"]

    def choose(self, rng: np.random.Generator, *, short: bool) -> str:
        """Choose a song of any set by `WEIGHTS`; of the short ones only if `short`."""
        groups = [group for group in self.of if short or group != SHORT]
        weights = np.array([WEIGHTS[group] for group in groups])
        group = str(rng.choice(groups, p=weights / weights.sum()))
        return str(rng.choice(self.of[group]))

    def stems(self, name: str, *, start: float = 0.0) -> tuple[Float32, Float32, int]:
        """Read voice and accompaniment (n_channels, n) from `start` s on, and their rate."""
        files = sorted((self._data / name).glob("*.ogg"))
        heard = {file.stem: _stretch(file, start) for file in files}
        voice, rate = heard.pop("vocals")
        return voice, np.sum([audio for audio, _ in heard.values()], axis=0), rate


def _stretch(path: Path, start: float) -> tuple[Float32, int]:
    with sf.SoundFile(path) as file:
        rate = file.samplerate
        file.seek(min(file.frames, int(start * rate)))
        return file.read(int(SECONDS * rate), "float32", always_2d=True).T, rate
