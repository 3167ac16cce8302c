"""The interface of encoders, and the arithmetic that they share; writes no format."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from isolde.audio.tags import SongTags
from isolde.core.stage import Float32


class Encoder(Protocol):
    """A writer of blocks to a stream, all of the same channels."""

    def write(self, block: Float32) -> None:
        """Write float32 (n_channels, n), finite, within [-1, 1] unless the subtype is float."""
        ...

    def finish(self) -> None:
        """Write the rest and the final header; the stream stays open."""
        ...

    def discard(self) -> None:
        """Release everything; the result is thrown away."""
        ...


@dataclass(frozen=True)
class Sound:
    """Form of the sound that an encoder writes.

    Attributes:
        sample_rate: Sample rate in Hz.
        n_channels: Number of channels, in the order of wav: left, right, centre, bass, back left...
        subtype: How samples are stored, one of the container's subtypes.
        tags: Tags and cover.
        bitrate: Bit rate of a lossy format in bits per second; None for what `quality` says.
        quality: Quality of a lossy format, from 0 (smallest) to 10 (best).
    """

    sample_rate: int
    n_channels: int
    subtype: str
    tags: SongTags
    bitrate: int | None = None
    quality: float = 8.0

    @property
    def usual_bitrate(self) -> int:
        """Bit rate in bits per second of codecs that know no quality: 256 kbit/s at 8, stereo."""
        return self.bitrate or round(self.n_channels * max(24_000, 16_000 * self.quality))


def quantise(block: Float32, bits: int) -> NDArray[np.int32]:
    """Round samples to integers: q = round(x * 2**(bits - 1)), so that reading gives x back.

    Exact for audio that was read from that many bits, which libsndfile's own conversion is not
    (it scales by 2**(bits - 1) - 1). No dither is added. +1.0 becomes the largest integer.

    Args:
        block: float32 (n_channels, n) in [-1, 1].
        bits: 16, 24 or 32.

    Returns:
        int32 (n_channels, n).
    """
    top = 2 ** (bits - 1)
    # Powers of two are exact, and float32 holds all integers of 24 bits.
    exact = block if bits <= 24 else block.astype(np.float64)
    scaled = np.rint(exact * top)
    limited: NDArray[np.int32] = np.clip(scaled, -top, top - 1).astype(np.int32)
    return limited
