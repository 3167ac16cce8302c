"""Plain wav from a stream that cannot seek: nothing is read ahead, memory is constant."""

from typing import BinaryIO

import numpy as np

from isolde.audio import wav
from isolde.audio.decoding.base import Loss, read_fully, skip_by_reading
from isolde.audio.formats import AudioInfo
from isolde.core.errors import AudioError
from isolde.core.stage import Float32


class PlainWavDecoder:
    """Wav of 16, 24 or 32 bit or float, as it comes, whatever length its header states."""

    def __init__(self, stream: BinaryIO, header: wav.WavHeader, name: str) -> None:
        """Take over a stream.

        Args:
            stream: Stream that stands at the first sample; it stays open.
            header: Header of the stream, with a subtype that `wav.unpack` knows.
            name: Name of it in messages.
        """
        self.losses: list[Loss] = []
        self.notes: list[str] = []
        self._stream = stream
        self._header = header
        self.info = AudioInfo(
            path=name,
            sample_rate=header.sample_rate,
            n_channels=header.n_channels,
            n_samples=header.n_samples,
            container="RF64" if header.is_rf64 else "WAV",
            subtype=header.subtype,
        )
        self.position = 0

    def skip_to(self, sample: int) -> None:
        """Read and discard."""
        skip_by_reading(self, sample)

    def read(self, n_samples: int) -> Float32:
        """Wait for the next samples; fewer only at the end.

        Raises:
            AudioError: The stream breaks.
        """
        declared = self._header.n_samples
        if declared is not None:
            n_samples = min(n_samples, declared - self.position)
        block = self._header.block_bytes
        try:
            data = read_fully(self._stream, n_samples * block)
        except OSError as error:
            raise AudioError(f"{self.info.path}: cannot be read: {error.strerror}") from error
        data = data[: len(data) // block * block]
        samples = wav.unpack(data, self._header.subtype).reshape(-1, self._header.n_channels)
        self.position += len(samples)
        if declared is not None and len(samples) < n_samples and not self.losses:
            rate = self.info.sample_rate
            self.losses.append(Loss(self.position / rate, declared / rate, cut=True))
        return np.ascontiguousarray(samples.T)

    def close(self) -> None:
        """Do nothing: the stream belongs to the caller."""
