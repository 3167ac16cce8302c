"""Turn spectra of the mixture into masks, as a stream; it never sees samples, files or stems."""

from typing import Protocol

from isolde.core.errors import InputError, ModelError
from isolde.core.signal.features import PAIRED
from isolde.core.signal.spectrum import Grid
from isolde.core.stage import Complex64, Float32
from isolde.models.card import Card
from isolde.models.catalogue import Model, first_of
from isolde.models.graph import Graph
from isolde.models.stream import GraphStream
from isolde.models.window.networks import MagnitudeNetwork
from isolde.models.window.stages import WindowMasker


class Masker(Protocol):
    """A stage from spectra (n_channels, n, n_bins) to masks (n_stems, n_channels or 1, m, n_bins).

    Mask k is for frame k. `stems` names the stems of the masks, `residual` the stem that is the
    mixture minus the others. `grid` has the frames and bins, `n_bins` is the number of bins that
    the model takes, from 0 Hz up; masks may also have all bins of the grid of the analysis.
    """

    stems: tuple[str, ...]
    residual: str

    @property
    def grid(self) -> Grid:
        """The grid at the model's own sample rate."""
        ...

    @property
    def n_bins(self) -> int:
        """Number of bins of the spectra."""
        ...

    @property
    def latency(self) -> int:
        """Latency in frames: mask k is ready once frame k + latency is in."""
        ...

    def feed(self, spectra: Complex64, /) -> Float32:
        """Take frames; return the masks that are ready."""
        ...

    def flush(self) -> Float32:
        """End the stream; return the remaining masks."""
        ...

    def reset(self) -> None:
        """Forget the stream."""
        ...


class GraphMasker:
    """Masks of a network graph that runs frame by frame."""

    def __init__(self, graph: Graph, card: Card, *, n_channels: int) -> None:
        """Start a stream.

        Args:
            graph: Graph of the network.
            card: Card of the model.
            n_channels: Number of channels of the mixture.

        Raises:
            InputError: There is no channel.
            ModelError: The graph gives more or fewer masks than the card has stems.
        """
        if n_channels < 1:
            raise InputError(f"{n_channels} channels cannot be separated: give at least 1")
        self.stems, self.residual = card.stems, card.residual
        self.grid, self.n_bins = card.grid, card.grid.n_bins
        sides = 2 if card.features.signal in PAIRED else 1  # channels that a stream answers for
        if graph.n_outputs != len(self.stems) * sides * self.n_bins:
            raise ModelError(
                f"the graph of '{card.name}' gives {graph.n_outputs} numbers a frame, and its card "
                f"has {len(self.stems)} stems of {sides} x {self.n_bins}: correct the card"
            )
        self._features, self._n_channels, self._sides = card.features, n_channels, sides
        self._stream = GraphStream(
            graph,
            streams=card.features.streams(n_channels),
            look_ahead=card.look_ahead,
            past=card.past,
        )

    @property
    def latency(self) -> int:
        """Latency in frames, from the look-ahead and the step of the network."""
        return self._stream.latency

    def reset(self) -> None:
        """Begin a song."""
        self._stream.reset()

    def feed(self, spectra: Complex64, /) -> Float32:
        """Take (n_channels, n, n_bins); return masks (n_stems, n_channels or 1, m, n_bins)."""
        return self._masks(self._stream.feed(self._features(spectra)))

    def flush(self) -> Float32:
        """End the stream; return the last masks, with silence after the song."""
        return self._masks(self._stream.flush())

    def _masks(self, answers: Float32) -> Float32:
        streams, n, _ = answers.shape
        stacked = answers.reshape(streams, n, len(self.stems), self._sides, self.n_bins)
        masks = stacked.transpose(2, 0, 3, 1, 4)
        masks = masks.reshape(len(self.stems), streams * self._sides, n, self.n_bins)
        return self._features.on_bins(masks[:, : self._n_channels])


def make_masker(model: Model, *, n_channels: int, threads: int = 1) -> Masker:
    """Make the masker of a model.

    Args:
        model: Model that separates.
        n_channels: Number of channels of the mixture.
        threads: Number of threads that run the network.

    Raises:
        ModelError: The model gives no masks, its graph does not fit the card, or is damaged.
        InputError: There is no channel.
    """
    if model.card.window and model.card.window.form == "magnitudes":
        other, first = first_of(model.card), None
        if other and other.card.window:
            session = other.session(threads=threads)
            first = MagnitudeNetwork(session, other.card.window, release=True)
        session = model.session(threads=threads)
        return WindowMasker(session, model.card, n_channels=n_channels, first=first)
    return GraphMasker(model.graph(threads=threads), model.card, n_channels=n_channels)
