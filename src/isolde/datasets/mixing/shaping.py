"""What is done to a source before it is mixed: cut, equalised, limited; it draws no songs."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from isolde.audio import Resampler
from isolde.core.spectrum import GRID_22
from isolde.core.stage import Complex64, Float32
from isolde.datasets.mixing.library import FULL_SCALE, Int16

HARMONIES = (-12, -5, -4, -3, 3, 4, 5, 7)
"""Semitones between a voice and another that sings along."""

HOLD = 6
"""Frames, 70 ms, for which a limiter stays down."""


def rms(audio: Float32) -> float:
    """Root of the mean square, above 0 also for silence."""
    return float(np.sqrt(np.mean(np.square(audio)) + 1e-12))


def chances(parts: Sequence[Int16 | None]) -> Float32:
    """The share of each part in the length of all."""
    lengths = np.array([0 if p is None else p.shape[1] for p in parts], float)
    return lengths / lengths.sum()  # type: ignore[no-any-return]


def equaliser(rng: np.random.Generator, deviation_db: float) -> Float32:
    """A smooth random gain over the bins: five points over the logarithm of frequency.

    Args:
        rng: of all that is random.
        deviation_db: standard deviation at each point.

    Returns:
        (513,) gains.
    """
    points = rng.normal(0, deviation_db, 5)
    octaves = np.log2(1 + np.arange(GRID_22.n_bins))
    decibel = np.interp(octaves, np.linspace(0, octaves[-1], 5), points)
    return (10 ** (decibel / 20)).astype(np.float32)


def cut(part: Int16, start: int, n: int, speed: float, sides: list[int]) -> Float32:
    """`n` samples of some channels (-1 is the mean of both), played at `speed`: (sides, n)."""
    need = n if speed == 1 else int(np.ceil(n * speed)) + 16
    piece = part[:, start : start + need].astype(np.float32) / np.float32(FULL_SCALE)
    piece = np.stack([piece.mean(axis=0) if side < 0 else piece[side] for side in sides])
    if speed != 1 and piece.shape[1] > 64:
        resampler = Resampler(
            round(GRID_22.sample_rate * speed), GRID_22.sample_rate, piece.shape[0]
        )
        piece = np.concatenate([resampler.feed(piece), resampler.flush()], axis=1)
    missing = max(0, n - piece.shape[1])
    return np.pad(piece[:, :n], ((0, 0), (0, missing))).astype(np.float32)


def double_of(part: Int16, start: int, n: int, speed: float, rng: np.random.Generator) -> Float32:
    """A second take of a voice: (1, n), some 8 to 40 ms off, out of tune by cents or a harmony.

    Args:
        part: the voice's channels.
        start: where the first take begins.
        n: samples.
        speed: of the first take.
        rng: of all that is random.
    """
    semitones = rng.normal(0, 0.1) if rng.random() < 0.6 else float(rng.choice(HARMONIES))
    delay = int(rng.uniform(0.008, 0.04) * GRID_22.sample_rate)
    return cut(part, max(0, start - delay), n, speed * 2 ** (semitones / 12), [-1])


def panned(audio: Float32, place: float) -> Float32:
    """Channels (1 or 2, n) at a place from -1, left, to 1, right, at equal power: (2, n)."""
    angle = (place + 1) * np.pi / 4
    gains = np.sqrt(2) * np.array([[np.cos(angle)], [np.sin(angle)]])
    return (gains * audio).astype(np.float32)  # type: ignore[no-any-return]


def limiter(mixture: Complex64, over_db: float) -> Float32:
    """Gains (n_frames, 1) of a limiter that works `over_db` below the loudest frame.

    It lets go within some 60 ms; the same gains on all that sounds keep the sum a sum.
    """
    level = np.sqrt((np.abs(mixture) ** 2).sum(axis=(0, 2))) + 1e-9
    gains = np.minimum(1, level.max() * 10 ** (-over_db / 20) / level)
    before = np.pad(gains, (HOLD - 1, 0), constant_values=1.0)
    held = np.lib.stride_tricks.sliding_window_view(before, HOLD).min(axis=1)
    return held[:, None].astype(np.float32)  # type: ignore[no-any-return]


def paused(
    voice: Float32, sounds: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[Float32, NDArray[np.bool_]]:
    """A voice (n_channels, n) that is silent now and then, and in which frames it still sounds.

    It is there and away in turns of 0.5 to 4 s; each edge is a ramp over one hop, around the border
    between two frames.
    """
    hop, n_frames = GRID_22.hop, len(sounds)
    keep, at, on = np.ones(n_frames, np.float32), 0, bool(rng.random() < 0.5)
    while at < n_frames:
        length = int(rng.uniform(0.5, 4) / GRID_22.frame_seconds)
        keep[at : at + length] = on
        at, on = at + length, not on
    ramps = np.interp(np.arange(voice.shape[1]) / hop, np.arange(n_frames), keep)
    return voice * ramps.astype(np.float32), sounds & (keep > 0.5)
