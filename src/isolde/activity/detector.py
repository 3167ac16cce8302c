"""The probability that somebody sings in music, as streams; thresholds are applied elsewhere.

A frame detector turns spectra into probabilities, `ActivityDetector` samples. The music is
normalised to one level as for separation (`models.conditioning`), so its gain changes nothing. A
network that separates detects singing by its own masks: by the level of the voice that they let
through (`presence`). Frames are those of the model's grid: frame t is centred on t * frame_seconds,
whatever the sample rate.
"""

from math import ceil
from pathlib import Path
from typing import Protocol

import numpy as np

from isolde.activity.masks import MaskDetector
from isolde.audio import Resampler
from isolde.core.errors import ModelError
from isolde.core.signal.spectrum import Analysis, Grid
from isolde.core.stage import (
    Complex64,
    Float32,
    check_block,
    check_open,
    check_threads,
    checked_form,
)
from isolde.core.stems import VOCALS
from isolde.models import catalogue
from isolde.models.card import Card
from isolde.models.catalogue import Model
from isolde.models.conditioning import conditioner_of
from isolde.models.graph import Graph, check_answer
from isolde.models.masker import make_masker
from isolde.models.sources import RULES
from isolde.models.stream import GraphStream

MODEL = catalogue.DEFAULT
"""Default model that detects singing."""


class FrameDetector(Protocol):
    """A stage from spectra (n_channels, n, n_bins) to probabilities (m,), one per frame."""

    @property
    def grid(self) -> Grid:
        """Frames and bins of the spectra."""
        ...

    @property
    def n_bins(self) -> int:
        """Number of bins that are used, from 0 Hz up."""
        ...

    @property
    def latency(self) -> int:
        """Frames: probability k is out once frame k + latency is in."""
        ...

    def reset(self) -> None:
        """Start another song."""
        ...

    def feed(self, spectra: Complex64, /) -> Float32:
        """Take frames; return the probabilities that are ready."""
        ...

    def flush(self) -> Float32:
        """Return the last probabilities, with silence after the song."""
        ...


class Detector(Protocol):
    """A stage from samples (n_channels, n) of music to probabilities (m,), one per frame."""

    @property
    def frame_seconds(self) -> float:
        """Time from one frame to the next in seconds."""
        ...

    def feed(self, block: Float32, /) -> Float32:
        """Take samples in [-1, 1]; return the probabilities that are ready."""
        ...

    def flush(self) -> Float32:
        """Return the remaining probabilities."""
        ...


class GraphDetector:
    """Probabilities from a network that outputs them itself; fulfils `FrameDetector`."""

    def __init__(self, graph: Graph, card: Card, *, n_channels: int) -> None:
        """Start a stream.

        Args:
            graph: Network that outputs one probability per frame.
            card: Card of the model.
            n_channels: Number of channels of the music.
        """
        self.grid, self.n_bins = card.grid, card.grid.n_bins
        self._features = card.features
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
        """Start another song."""
        self._stream.reset()

    def feed(self, spectra: Complex64, /) -> Float32:
        """Take frames (n_channels, n, n_bins); return the probabilities that are ready."""
        return self._mean(self._stream.feed(self._features(spectra)))

    def flush(self) -> Float32:
        """Return the last probabilities, with silence after the song."""
        return self._mean(self._stream.flush())

    def _mean(self, answers: Float32) -> Float32:
        mean: Float32 = answers[:, :, 0].mean(axis=0)  # over the pairs of channels
        return mean


def load_frame_detector(
    model: str | Path = MODEL, *, n_channels: int, threads: int = 1
) -> FrameDetector:
    """Load a detector on spectra.

    Args:
        model: Name or path of a model (see `catalogue.find`).
        n_channels: Number of channels of the music.
        threads: Number of threads that run the network.

    Raises:
        ModelError: There is no such model, or it gives neither masks of vocals nor activity.
    """
    return _frame_detector(find_telling(model), n_channels=n_channels, threads=threads)


def _frame_detector(found: Model, *, n_channels: int, threads: int) -> FrameDetector:
    """Make the detector on spectra for a model."""
    card = found.card
    if card.presence or not card.stems:
        graph = found.graph(threads=threads, answer="presence" if card.presence else "mask")
        return GraphDetector(graph, card, n_channels=n_channels)
    return MaskDetector(make_masker(found, n_channels=n_channels, threads=threads))


def find_telling(model: str | Path) -> Model:
    """Find a model that detects singing.

    Args:
        model: Its name or path.

    Raises:
        ModelError: There is no such model, or it gives neither masks of vocals nor activity.
    """
    found = catalogue.find(model)
    if not tells_activity(found.card):
        raise ModelError(
            f"model '{found.card.name}' gives no masks of vocals, which tell where somebody sings: "
            f"take another, like '{MODEL}'"
        )
    return found


def tells_activity(card: Card) -> bool:
    """Return whether a model detects singing.

    Args:
        card: Its card.
    """
    return card.presence or not (card.stems or card.members) or tells_by_masks(card)


def tells_by_masks(card: Card) -> bool:
    """Return whether a model masks vocals, from which singing is detected.

    Args:
        card: Its card.
    """
    with_masks = card.window is None or card.window.form == "magnitudes"
    return VOCALS in card.stems and with_masks and not card.members


def activity_model(separating: str | Path) -> str:
    """Choose the model that detects singing beside a model that separates.

    Args:
        separating: Name or path of a model that separates.

    Returns:
        The same model if its card says that it outputs the presence of a voice, else `MODEL`.
    """
    if separating == RULES:
        return MODEL
    return str(separating) if catalogue.find(separating).card.presence else MODEL


class ActivityDetector:
    """Samples (n_channels, n) in, probabilities (m,) in [0, 1] out, one per frame.

    A song of n samples at the model's rate has 1 + ceil(n / hop) of them; with the default model at
    22,050 Hz one every 23.2 ms.

    Attributes:
        frame_seconds: Time from one frame to the next in seconds.
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
            model: Name or path of a model that masks vocals or outputs activity itself.
            threads: Number of threads that run the network.

        Raises:
            InputError: The rate or the number of channels or threads is invalid.
            ModelError: There is no such model.
        """
        sample_rate, n_channels = checked_form(sample_rate, n_channels)
        check_threads(threads)
        self.sample_rate, self.n_channels = sample_rate, n_channels
        found = find_telling(model)
        self._frames = _frame_detector(found, n_channels=n_channels, threads=threads)
        card = found.card
        self._name, self._conditioner = card.name, conditioner_of(card)
        grid = self._grid = card.grid.at(sample_rate)  # as for separation
        self._resampler = Resampler(sample_rate, grid.sample_rate, n_channels)
        self._analysis = Analysis(grid, n_channels)
        self.frame_seconds = grid.frame_seconds
        self._ended = False

    @property
    def latency(self) -> int:
        """Samples: the probability of the frame at sample s is out once s + latency are in."""
        grid = self._grid
        on_grid = self._analysis.latency + self._frames.latency * grid.hop
        if self.sample_rate == grid.sample_rate:
            return on_grid
        return self._resampler.latency + ceil(on_grid * self.sample_rate / grid.sample_rate) + 1

    def reset(self) -> None:
        """Start another song."""
        for stage in (self._resampler, self._analysis, self._conditioner, self._frames):
            stage.reset()
        self._ended = False

    def feed(self, block: Float32, /) -> Float32:
        """Take samples (n_channels, n) in [-1, 1]; return the probabilities that are ready.

        Raises:
            InputError: The block is no array of floats, has another number of channels, or
                holds NaN, infinity or values beyond `LOUDEST`; or the stream has ended.
            ModelError: The network gives NaN or infinity.
        """
        check_open(ended=self._ended)
        check_block(block, n_channels=self.n_channels, finite="music")
        return self._on_grid(self._resampler.feed(block))

    def flush(self) -> Float32:
        """End the stream; return the remaining probabilities.

        Raises:
            InputError: The stream has ended already.
        """
        check_open(ended=self._ended)
        self._ended = True
        parts = [self._on_grid(self._resampler.flush())]
        parts.append(self._hear(self._analysis.flush()))
        parts.append(self._checked(self._frames.flush()))
        return np.concatenate(parts)

    def _on_grid(self, samples: Float32) -> Float32:
        return self._hear(self._analysis.feed(samples))

    def _hear(self, spectra: Complex64) -> Float32:
        heard = spectra[:, :, : self._frames.n_bins]
        return self._checked(self._frames.feed(self._conditioner.feed(heard)))

    def _checked(self, probabilities: Float32) -> Float32:
        check_answer(probabilities, name=self._name)
        return probabilities
