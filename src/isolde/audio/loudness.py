"""Loudness as ITU-R BS.1770-4 and EBU R 128 measure it, and gains from it; changes no sound.

FFmpeg's filter `ebur128` does the arithmetic. Below 16 kHz its weighting is off by more than 0.1 LU
(0.2 at 8 kHz), and below 3364 Hz, twice its shelf, it is none: such sound is measured at 48 kHz.
"""

import importlib
import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from isolde.audio.encoding.ffmpeg import LAYOUTS
from isolde.audio.reader import AudioReader
from isolde.core.errors import InputError
from isolde.core.signal.resample import Resampler
from isolde.core.stage import Float32

REPLAYGAIN = -18.0
"""Loudness in LUFS that ReplayGain 2.0 brings sound to."""

SILENCE = -70.0
"""Loudness in LUFS at and below which nothing is counted: the absolute gate."""

_LOWEST_RATE = 16_000
"""Sample rate in Hz below which sound is measured at another one."""

_RATE = 48000
"""Sample rate in Hz at which it is measured then."""


@dataclass(frozen=True)
class Loudness:
    """Loudness and peak of a sound.

    Attributes:
        integrated: Integrated loudness in LUFS; -70 for silence.
        peak: Largest magnitude of a sample.
    """

    integrated: float
    peak: float

    def gain_to(self, target: float, *, ceiling: float | None = 1.0) -> float:
        """Return the factor that brings the sound to a loudness; 1 for silence.

        Args:
            target: Loudness in LUFS.
            ceiling: Largest magnitude that a sample may get; None for any.
        """
        if self.integrated <= SILENCE:
            return 1.0
        gain = 10 ** ((target - self.integrated) / 20)
        if ceiling is not None and self.peak * gain > ceiling:
            return ceiling / self.peak
        return float(gain)

    def after(self, gain: float) -> "Loudness":
        """Return what the sound measures times a gain."""
        return Loudness(self.integrated + 20 * math.log10(gain), self.peak * gain)


class LoudnessMeter:
    """Measures blocks as they come; memory does not grow.

    Examples:
        >>> import numpy as np
        >>> tone = np.sin(2 * np.pi * 1000 * np.arange(5 * 48000) / 48000)
        >>> meter = LoudnessMeter(48000, 2)
        >>> meter.feed((0.1 * np.stack([tone, tone])).astype(np.float32))
        >>> round(meter.finish().integrated, 1)
        -20.0
    """

    def __init__(self, sample_rate: int, n_channels: int) -> None:
        """Start a measurement.

        Args:
            sample_rate: Sample rate in Hz.
            n_channels: Number of channels, 1 to 8, in the order of wav.

        Raises:
            InputError: There are more channels.
        """
        if n_channels not in LAYOUTS:
            raise InputError(f"loudness of {n_channels} channels is not defined: take 1 to 8")
        av: Any = importlib.import_module("av")
        rate = sample_rate if sample_rate >= _LOWEST_RATE else _RATE
        self._resampler = Resampler(sample_rate, rate, n_channels)
        self._av, self._rate, self._layout = av, rate, LAYOUTS[n_channels]
        self._graph = av.filter.Graph()
        self._source = self._graph.add(
            "abuffer",
            f"sample_rate={rate}:sample_fmt=flt:channel_layout={self._layout}:time_base=1/{rate}",
        )
        meter = self._graph.add("ebur128", "metadata=1:framelog=quiet")
        self._sink = self._graph.add("abuffersink")
        self._source.link_to(meter)
        meter.link_to(self._sink)
        self._graph.configure()
        self._at, self._peak, self._integrated = 0, 0.0, SILENCE

    def feed(self, block: Float32, /) -> None:
        """Take the next block (n_channels, n), finite, nominally in [-1, 1]."""
        if not block.shape[1]:
            return
        self._peak = max(self._peak, float(np.abs(block).max()))
        self._measure(self._resampler.feed(block))

    def finish(self) -> Loudness:
        """End the sound, and give its loudness."""
        self._measure(self._resampler.flush())
        self._source.push(None)
        self._pull()
        return Loudness(max(SILENCE, self._integrated), self._peak)

    def _measure(self, block: Float32) -> None:
        """Send a block (n_channels, n), at the rate of the filter, to it."""
        if not block.shape[1]:
            return
        samples = np.ascontiguousarray(block.T.reshape(1, -1), np.float32)
        frame = self._av.AudioFrame.from_ndarray(samples, format="flt", layout=self._layout)
        frame.sample_rate, frame.pts = self._rate, self._at
        frame.time_base = Fraction(1, self._rate)
        self._at += block.shape[1]
        self._source.push(frame)
        self._pull()

    def _pull(self) -> None:
        """Read what the filter has found so far."""
        while True:
            try:
                found = self._sink.pull().metadata.get("lavfi.r128.I")
            except (self._av.error.BlockingIOError, self._av.error.EOFError):
                return
            if found is not None and math.isfinite(float(found)):
                self._integrated = float(found)


def measure_loudness(path: str | Path, *, start: float = 0.0, end: float | None = None) -> Loudness:
    """Measure the loudness of a file, or of a range of it.

    Args:
        path: Audio file.
        start: Time of the first sample in seconds.
        end: Time after the last sample in seconds; None for the end of the file.

    Raises:
        AudioError: It cannot be read.
        InputError: The range is empty or outside of the file, or it has more than 8 channels.
    """
    with AudioReader(path, start=start, end=end) as reader:
        meter = LoudnessMeter(reader.info.sample_rate, reader.info.n_channels)
        for block in reader:
            meter.feed(block)
    return meter.finish()


def replaygain_tags(song: Loudness) -> dict[str, str]:
    """Write the ReplayGain tags of all stems of a song: those of the song as a whole.

    Players that turn each file to one loudness would else turn the stems apart, and they would not
    sum to the song any more.

    Args:
        song: Loudness of the song, after any gain that its stems got.

    Returns:
        Values by name; none for silence, which no gain makes louder.
    """
    if song.integrated <= SILENCE:
        return {}
    gain = f"{REPLAYGAIN - song.integrated:.2f} dB"
    return {
        "replaygain_track_gain": gain,
        "replaygain_album_gain": gain,
        "replaygain_album_peak": f"{song.peak:.6f}",
        "replaygain_reference_loudness": f"{REPLAYGAIN:.2f} LUFS",
    }
