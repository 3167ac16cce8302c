"""From music to the probability that somebody sings, as streams; it decides nothing.

`FrameDetector` goes from spectra to probabilities, `ActivityDetector` from samples. Both hear the
music at an even level (see `level`), so that its gain changes nothing. Frames are those of the
model's grid, 11.6 ms apart for the shipped one: frame t is centred on t * 11.6 ms, whatever the
sample rate.
"""

from math import ceil
from pathlib import Path

import numpy as np

from isolde.activity.level import Leveller
from isolde.audio import Resampler
from isolde.core.errors import InputError, ModelError
from isolde.core.spectrum import GRID_22, Analysis
from isolde.core.stage import Complex64, Float32, check_block
from isolde.models import catalogue
from isolde.models.card import Card
from isolde.models.graph import Graph
from isolde.models.stream import GraphStream

MODEL = "activity"
FRAME_SECONDS = GRID_22.frame_seconds


class FrameDetector:
    """Spectra (n_channels, n, n_bins) in, probabilities (m,) in [0, 1] out, one for each frame."""

    def __init__(self, graph: Graph, card: Card, *, n_channels: int) -> None:
        """Start a stream.

        Args:
            graph: A network that answers with one probability a frame.
            card: What it expects. A network that also separates hears the music as it is, one that
                was made for activity at an even level.
            n_channels: Number of channels of the music.
        """
        self.grid = card.grid
        self._features = card.features
        self._level = None if card.stems else Leveller(card.grid.frame_seconds)
        self._stream = GraphStream(
            graph,
            streams=card.features.streams(n_channels),
            look_ahead=card.look_ahead,
            past=card.past,
        )

    @property
    def latency(self) -> int:
        """Frames: probability k is out once frame k + latency is in."""
        return self._stream.latency

    def reset(self) -> None:
        """Begin a song."""
        if self._level:
            self._level.reset()
        self._stream.reset()

    def feed(self, spectra: Complex64, /) -> Float32:
        """Take frames (n_channels, n, n_bins); give the probabilities that are ready."""
        levelled = self._level.feed(spectra) if self._level else spectra
        return self._mean(self._stream.feed(self._features(levelled)))

    def flush(self) -> Float32:
        """Give the last probabilities, with silence after the song."""
        return self._mean(self._stream.flush())

    def _mean(self, answers: Float32) -> Float32:
        mean: Float32 = answers[:, :, 0].mean(axis=0)  # over the pairs of channels
        return mean


def load_frame_detector(
    model: str | Path = MODEL, *, n_channels: int, threads: int = 1
) -> FrameDetector:
    """Return the detector on spectra with one of the catalogue's models.

    Args:
        model: Its name or path (see `catalogue.find`).
        n_channels: Number of channels of the music.
        threads: Threads for the network.

    Raises:
        ModelError: When there is no such model, or it tells stems apart and no activity.
    """
    found = catalogue.find(model)
    if found.card.stems and not found.card.presence:
        raise ModelError(
            f"model '{found.card.name}' separates {', '.join(found.card.stems)}: "
            f"take '{MODEL}' or another activity model"
        )
    graph = found.graph(threads=threads, answer="presence" if found.card.presence else "mask")
    return FrameDetector(graph, found.card, n_channels=n_channels)


def activity_model(separating: str | Path) -> str:
    """Name the model that tells where somebody sings, beside one that separates.

    Args:
        separating: Name or path of a model that separates.

    Returns:
        The same model where its card says that it tells the presence of a voice, else `MODEL`.
    """
    if separating == "rules":
        return MODEL
    return str(separating) if catalogue.find(separating).card.presence else MODEL


class ActivityDetector:
    """Samples (n_channels, n) in, probabilities (m,) in [0, 1] out, one for each frame.

    With the shipped model a song of n samples at 22,050 Hz has 1 + ceil(n / 256) of them, one every
    11.6 ms.

    Attributes:
        frame_seconds: From one frame to the next.
    """

    def __init__(
        self,
        *,
        sample_rate: int,
        n_channels: int,
        model: str | Path = MODEL,
        threads: int = 1,
    ) -> None:
        """Start a stream.

        Args:
            sample_rate: Sample rate of the music in Hz.
            n_channels: Number of channels of the music.
            model: Name or path of an activity model.
            threads: Threads for the network.

        Raises:
            InputError: When rate or channels cannot be.
            ModelError: When there is no such model.
        """
        if sample_rate < 1000:
            raise InputError(f"a sample rate of {sample_rate} Hz is too low: give 1000 Hz or more")
        if n_channels < 1:
            raise InputError(f"{n_channels} channels hold no music: give at least 1")
        self.sample_rate, self.n_channels = sample_rate, n_channels
        self._frames = load_frame_detector(model, n_channels=n_channels, threads=threads)
        grid = self._frames.grid
        self._resampler = Resampler(sample_rate, grid.sample_rate, n_channels)
        self._analysis = Analysis(grid, n_channels)
        self.frame_seconds = grid.frame_seconds

    @property
    def latency(self) -> int:
        """Samples: the probability of the frame at sample s is out once s + latency are in."""
        grid = self._frames.grid
        on_grid = self._analysis.latency + self._frames.latency * grid.hop
        if self.sample_rate == grid.sample_rate:
            return on_grid
        return self._resampler.latency + ceil(on_grid * self.sample_rate / grid.sample_rate) + 1

    def reset(self) -> None:
        """Begin a song."""
        for stage in (self._resampler, self._analysis, self._frames):
            stage.reset()

    def feed(self, block: Float32, /) -> Float32:
        """Take samples (n_channels, n) in [-1, 1]; give the probabilities that are ready.

        Raises:
            InputError: When the block has another number of channels, or holds NaN or infinity.
        """
        check_block(block, n_channels=self.n_channels, finite="music")
        return self._on_grid(self._resampler.feed(block))

    def flush(self) -> Float32:
        """Give the probabilities still owed."""
        parts = [self._on_grid(self._resampler.flush())]
        parts.append(self._frames.feed(self._analysis.flush()))
        parts.append(self._frames.flush())
        return np.concatenate(parts)

    def _on_grid(self, samples: Float32) -> Float32:
        return self._frames.feed(self._analysis.feed(samples))
