"""Plain wav from a stream that cannot seek: nothing is read ahead, memory is constant."""

from collections.abc import Callable

import numpy as np

from isolde.audio import wav
from isolde.audio.decoding.base import Decoder, Loss
from isolde.audio.formats import AudioInfo
from isolde.core.stage import Float32


class PlainWavDecoder(Decoder):
    """Wav of 16, 24 or 32 bit or float, as it comes, whatever length its header states."""

    def __init__(
        self, read_bytes: Callable[[int], bytes], header: wav.WavHeader, name: str
    ) -> None:
        """Take over a stream, which stays open.

        Args:
            read_bytes: Function that gives the next n bytes, the first ones those of the first
                sample; fewer only at the end.
            header: Header of the stream, with a subtype that `wav.unpack` knows.
            name: Name of it in messages.
        """
        super().__init__()
        self._read_bytes, self._header = read_bytes, header
        self.info = AudioInfo(
            path=name,
            sample_rate=header.sample_rate,
            n_channels=header.n_channels,
            n_samples=header.n_samples,
            container="RF64" if header.is_rf64 else "WAV",
            subtype=header.subtype,
        )

    def read(self, n_samples: int) -> Float32:
        """Wait for the next samples; fewer only at the end."""
        declared = self._header.n_samples
        if declared is not None:
            n_samples = min(n_samples, declared - self.position)
        block = self._header.block_bytes
        data = self._read_bytes(n_samples * block)
        data = data[: len(data) // block * block]
        samples = wav.unpack(data, self._header.subtype).reshape(-1, self._header.n_channels)
        self.position += len(samples)
        if declared is not None and len(samples) < n_samples and not self.losses:
            rate = self.info.sample_rate
            self.losses.append(Loss(self.position / rate, declared / rate, cut=True))
        return np.ascontiguousarray(samples.T)

    def close(self) -> None:
        """Do nothing: the stream belongs to the caller."""
