"""Stem files for DJs (Native Instruments' Stems, .stem.mp4): a mix and its four stems in one MP4.

Players that know nothing of it play the first track, the mix. The others are disabled, and a box
`stem` in `moov/udta` holds their names and colours as JSON (Native Instruments, Stems file format).
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from isolde.audio.encoding import mp4
from isolde.audio.encoding.base import Sound
from isolde.audio.formats import container_named
from isolde.audio.levels import ClipPolicy
from isolde.audio.multitrack import TrackFile
from isolde.core.errors import InputError
from isolde.core.stage import Float32

SUFFIXES = (".stem.mp4", ".stem.m4a")

MIX = "mix"

COLOURS = {"drums": "#009E73", "bass": "#D55E00", "other": "#CC79A7", "vocals": "#56B4E9"}
"""Colour of each stem, in the order that players expect; from the palette of Okabe and Ito."""

_MASTERING: dict[str, dict[str, Any]] = {
    "compressor": {
        "enabled": False,
        "input_gain": 0.5,
        "output_gain": 0.5,
        "threshold": 0,
        "dry_wet": 50,
        "attack": 0.003,
        "release": 0.3,
        "ratio": 3,
        "hp_cutoff": 300,
    },
    "limiter": {"enabled": False, "release": 0.05, "threshold": 0, "ceiling": -0.35},
}
"""What players do to the sum of the stems: nothing."""


def check_stem_file(stems: Sequence[str], *, sample_rate: int, n_channels: int) -> None:
    """Check that a stem file can hold such a song.

    Args:
        stems: Names of the stems.
        sample_rate: Sample rate of the song in Hz.
        n_channels: Number of its channels.

    Raises:
        InputError: It cannot.
    """
    if len(stems) != 4:
        raise InputError(
            f"a stem file holds four stems, not {len(stems)} ({', '.join(stems)}): take all of a "
            "model that gives four, like 'stems'"
        )
    if n_channels != 2:
        raise InputError(f"a stem file is stereo, not of {n_channels} channels: write wav")
    if container_named("m4a").rate_for(sample_rate) != sample_rate:
        raise InputError(
            f"a stem file does not hold {sample_rate} Hz: convert the song to 44100 Hz"
        )


def stem_box(stems: Sequence[str]) -> bytes:
    """Pack the box `stem`.

    Args:
        stems: Names of the four stems, in the order of their tracks.
    """
    values = {
        "mastering_dsp": _MASTERING,
        "version": 1,
        "stems": [{"name": stem, "color": COLOURS.get(stem, "#999999")} for stem in stems],
    }
    return mp4.box(b"stem", json.dumps(values).encode("utf-8"))


class StemFileWriter(TrackFile):
    """Takes blocks of four stems, whose sum is the mix; a context manager.

    Leaving the `with` block normally completes the file; leaving it by any exception removes it.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        stems: Sequence[str],
        sound: Sound,
        clip: ClipPolicy = "warn",
        overwrite: bool = False,
    ) -> None:
        """Open the file.

        Args:
            path: Path of the file.
            stems: Names of the stems; drums, bass, other and vocals are put into that order.
            sound: What each track is: "AAC", "ALAC_16" or "ALAC_24", in stereo; with the tags.
            clip: Policy for samples beyond full scale (see `AudioWriter`).
            overwrite: Whether an existing file may be replaced.

        Raises:
            AudioError: The file exists, or cannot be made.
            InputError: There are not four stems, the sound is not stereo, or its rate is not one
                that MP4 holds.
        """
        check_stem_file(stems, sample_rate=sound.sample_rate, n_channels=sound.n_channels)
        order = [*COLOURS, *stems]
        self.stems = sorted(stems, key=order.index)
        self._tags = sound.tags
        super().__init__(
            path,
            muxer="ipod",
            options=mp4.muxer_options(sound.sample_rate),
            clip=clip,
            overwrite=overwrite,
        )
        self.container.metadata.update(mp4.ffmpeg_tags(sound.tags))
        for name in (MIX, *self.stems):
            self.add(name, sound)

    def write(self, blocks: Mapping[str, Float32]) -> None:
        """Write the next samples (n_channels, n) of the stems, by name.

        Raises:
            AudioError: The disk is full, or samples cannot be held; nothing is left behind then.
            InputError: A stem is missing, a block does not fit, or the file is closed.
        """
        self.check(blocks, self.stems)
        parts = np.stack([blocks[stem] for stem in self.stems])
        mix: Float32 = parts.sum(axis=0, dtype=np.float64).astype(np.float32)
        super().write({**blocks, MIX: mix})

    def _finish(self, stream: BinaryIO) -> None:
        """Put the box, and the tags that FFmpeg leaves out, into the index."""
        items = [(mp4.ITEMS, item) for item in mp4.tag_items(self._tags)]
        mp4.extend_index(stream, [*items, ((b"udta",), stem_box(self.stems))])
