"""The format "aiff" for isolde; docs/guide/formats.md of isolde describes the entry point."""

from collections.abc import Iterable
from typing import BinaryIO

import numpy as np
import soundfile

from isolde.audio import Container, Sound, quantise

BITS = {"PCM_16": 16, "PCM_24": 24}
TAGS = ("title", "artist", "copyright", "comment")  # that libsndfile writes into aiff


class AiffEncoder:
    """Blocks of samples to an aiff file."""

    def __init__(self, stream: BinaryIO, sound: Sound) -> None:
        """Open libsndfile on the stream."""
        self._bits = BITS[sound.subtype]
        self._file = soundfile.SoundFile(
            stream, "w", sound.sample_rate, sound.n_channels, sound.subtype, format="AIFF"
        )
        for name in TAGS:
            if text := sound.tags.values.get(name):
                setattr(self._file, name, text)

    def write(self, block: np.ndarray) -> None:
        """Write float32 (n_channels, n) in [-1, 1]."""
        samples = quantise(block, self._bits).T
        self._file.write(samples.astype(np.int16) if self._bits == 16 else samples << 8)

    def finish(self) -> None:
        """Write the header again, now with the length; the stream stays open."""
        self._file.close()

    def discard(self) -> None:
        """Let libsndfile go."""
        self._file.close()


def formats() -> Iterable[Container]:
    """Give each format."""
    return [Container("aiff", ".aiff", tuple(BITS), max_channels=8, encoder=AiffEncoder)]
