"""Run window networks as stages: spectra to masks, or samples to estimates; they read no files."""

from collections.abc import Callable

import numpy as np

from isolde.core.errors import InputError, ModelError
from isolde.core.stage import Complex64, Float32, check_block
from isolde.models.card import Card
from isolde.models.graph import Session, check_answer
from isolde.models.window.form import Window
from isolde.models.window.networks import (
    CascadeNetwork,
    HybridNetwork,
    MagnitudeNetwork,
    Network,
    SpectrumNetwork,
    WaveNetwork,
    channels_of_pairs,
    pairs_of,
)
from isolde.models.window.windows import Array, Windows

NETWORKS: dict[str, Callable[[Session, Window], Network]] = {
    "spectra": SpectrumNetwork,
    "hybrid": HybridNetwork,
    "waves": WaveNetwork,
}
"""The forms that give sound; "magnitudes" gives masks."""


class WindowMasker:
    """Masks from a network that sees magnitudes in windows; fulfils `masker.Masker`."""

    def __init__(
        self,
        session: Session,
        card: Card,
        *,
        n_channels: int,
        first: MagnitudeNetwork | None = None,
    ) -> None:
        """Start a stream.

        Args:
            session: Graph of the network.
            card: Card of the model; its window has the form "magnitudes".
            n_channels: Number of channels of the mixture.
            first: Network that removes the vocals, if this one follows another.

        Raises:
            InputError: There is no channel.
        """
        window = _window_of(card, n_channels)
        self.stems, self.residual = card.stems, card.residual
        self.grid = card.grid
        own = MagnitudeNetwork(session, window)
        self._network = CascadeNetwork(first, own) if first else own
        self._n_channels, self.n_bins = n_channels, window.n_bins
        self._chosen = [window.outputs.index(stem) for stem in card.stems]
        empty = np.zeros((len(card.stems), n_channels, 0, window.n_bins), np.float32)
        self._windows = Windows(
            self._masks,
            size=window.size,
            step=window.step,
            empty=empty,
            before=window.before,
            after=window.after,
            multiple=window.multiple,
        )

    @property
    def latency(self) -> int:
        """Latency in frames: mask k is ready once frame k + latency is in."""
        return self._windows.latency - 1

    def reset(self) -> None:
        """Begin a song."""
        self._windows.reset()

    def feed(self, spectra: Complex64, /) -> Float32:
        """Take spectra (n_channels, n, n_bins); return masks (n_stems, n_channels, m, n_bins)."""
        return self._windows.feed(spectra[:, :, : self.n_bins])

    def flush(self) -> Float32:
        """End the stream; return the remaining masks."""
        return self._windows.flush()

    def _masks(self, spectra: Array) -> Float32:
        """Compute the masks of one window."""
        magnitudes = pairs_of((np.abs(spectra) / self.grid.scale).astype(np.float32))
        masks = self._network(magnitudes)[self._chosen]
        return channels_of_pairs(masks, self._n_channels)


class WindowEstimator:
    """Estimates of a network that gives sound; a stage of samples at its own sample rate."""

    def __init__(self, session: Session, card: Card, *, n_channels: int) -> None:
        """Start a stream.

        Args:
            session: Graph of the network.
            card: Card of the model; its window has any other form.
            n_channels: Number of channels of the mixture.

        Raises:
            InputError: There is no channel.
        """
        window = _window_of(card, n_channels)
        self.stems, self.residual, self.sample_rate = card.stems, card.residual, window.sample_rate
        self._name = card.name
        self._network = NETWORKS[window.form](session, window)
        self._n_channels = n_channels
        self._chosen = [window.outputs.index(stem) for stem in card.stems]
        size = self.size = self._network.size
        self.hop = size - int(window.overlap * size)
        self._windows = Windows(
            self._estimates,
            size=size,
            step=self.hop,
            before=self._network.margin,
            after=self._network.margin,
            empty=np.zeros((len(card.stems), n_channels, 0), np.float32),
        )

    @property
    def latency(self) -> int:
        """Latency in samples: sample k is ready once k + latency samples are in."""
        return self._windows.latency

    def reset(self) -> None:
        """Begin a song."""
        self._windows.reset()

    def notes(self) -> list[str]:
        """Return nothing: the mixture is not conditioned for such a network."""
        return []

    def feed(self, block: Float32, /) -> Float32:
        """Take samples (n_channels, n); return the estimates (n_stems, n_channels, m) so far.

        Raises:
            InputError: The block has another number of channels.
        """
        check_block(block, n_channels=self._n_channels)
        return self._windows.feed(block)

    def flush(self) -> Float32:
        """End the stream; return the remaining estimates."""
        return self._windows.flush()

    def _estimates(self, samples: Array) -> Float32:
        """Compute the estimates of one window."""
        estimates = self._network(pairs_of(samples))[self._chosen]
        check_answer(estimates, name=self._name)
        return channels_of_pairs(estimates, self._n_channels)


def check_window(session: Session, card: Card) -> None:
    """Run a network once, on noise.

    Raises:
        ModelError: The network fails, or gives other shapes than its card says, NaN or infinity.
    """
    window = _window_of(card, 2)
    rng = np.random.default_rng(0)
    if window.form == "magnitudes":
        masker = WindowMasker(session, card, n_channels=2)
        spectra = rng.standard_normal((2, window.size, window.n_bins)).astype(np.complex64)
        answer = np.concatenate([masker.feed(spectra), masker.flush()], axis=2)
    else:
        estimator = WindowEstimator(session, card, n_channels=2)
        samples = 0.1 * rng.standard_normal((2, estimator.size)).astype(np.float32)
        answer = np.concatenate([estimator.feed(samples), estimator.flush()], axis=2)
    check_answer(answer, name=card.name)


def _window_of(card: Card, n_channels: int) -> Window:
    """Give the window of a card; check that it has one, and that the mixture has a channel."""
    if n_channels < 1:
        raise InputError(f"{n_channels} channels cannot be separated: give at least 1")
    if card.window is None:
        raise ModelError(f"model '{card.name}' answers for no windows: its card has none")
    return card.window
