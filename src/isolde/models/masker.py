"""From mixture spectra to masks, as a stream: what a separator asks of any model.

A masker knows spectra and masks; it never sees samples, files or the stems' sound.
"""

from typing import Protocol

import numpy as np

from isolde.core.errors import InputError
from isolde.core.spectrum import N_MODEL_BINS
from isolde.core.stage import Complex64, Float32
from isolde.models.catalogue import Card
from isolde.models.graph import Graph


class Masker(Protocol):
    """A stage from spectra (n_channels, n, 513) to masks (n_stems, n_channels or 1, m, 513).

    Mask k is for frame k. `stems` names the masks' stems, `residual` the one that is what the
    others leave of the mixture.
    """

    stems: tuple[str, ...]
    residual: str

    @property
    def latency(self) -> int:
        """Frames: mask k is out once frame k + latency is in."""
        ...

    def feed(self, spectra: Complex64, /) -> Float32:
        """Take frames; give the masks that are ready."""
        ...

    def flush(self) -> Float32:
        """Give the masks still owed."""
        ...

    def reset(self) -> None:
        """Forget the stream."""
        ...


class GraphMasker:
    """Masks from a network graph and the features it was trained on."""

    def __init__(self, graph: Graph, card: Card, *, n_channels: int) -> None:
        """Start a stream.

        Args:
            graph: the network.
            card: what it expects and gives.
            n_channels: of the mixture.

        Raises:
            InputError: when there is no channel.
        """
        if n_channels < 1:
            raise InputError(f"{n_channels} channels cannot be separated: give at least 1")
        self.stems, self.residual = card.stems, card.residual
        self._graph, self._card = graph, card
        self._n_channels, self._batch = n_channels, card.features.streams(n_channels)
        # What comes before a song is silence, not a state of zeros: biases make those differ.
        silence = np.zeros((self._batch, card.past, graph.n_bins), np.float32)
        _, self._begin = graph(silence, graph.state(self._batch))
        self.reset()

    @property
    def latency(self) -> int:
        """Frames: the network's look-ahead."""
        return self._card.look_ahead

    def reset(self) -> None:
        """Begin a song."""
        self._state = self._begin
        self._early = self._card.look_ahead  # answers for frames before the first

    def feed(self, spectra: Complex64, /) -> Float32:
        """Take frames (n_channels, n, 513); give masks (n_stems, n_channels or 1, m, 513)."""
        return self._answer(self._card.features(spectra))

    def flush(self) -> Float32:
        """Give the last masks, with silence after the song."""
        silence = np.zeros((self._batch, self._card.look_ahead, self._graph.n_bins), np.float32)
        return self._answer(silence)

    def _answer(self, frames: Float32) -> Float32:
        answers, self._state = self._graph(frames, self._state)
        skip = min(self._early, answers.shape[1])
        self._early -= skip
        answers = answers[:, skip:]
        streams, n, outputs = answers.shape
        sides = outputs // (len(self.stems) * N_MODEL_BINS)  # channels that a stream answers for
        stacked = answers.reshape(streams, n, len(self.stems), sides, N_MODEL_BINS)
        masks = stacked.transpose(2, 0, 3, 1, 4)
        masks = masks.reshape(len(self.stems), streams * sides, n, N_MODEL_BINS)
        return self._card.features.on_bins(masks[:, : self._n_channels])
