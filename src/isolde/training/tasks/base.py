"""The protocol between the training loop and each kind of network; it knows none of them.

A task is a frozen dataclass: its fields are the network's part of a recipe, its methods build the
network, make its examples, say how wrong it is and how good, and write its graph. It keeps nothing
between calls, so that a step depends on the recipe and on its number alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from isolde.core.signal.features import Features
from isolde.core.signal.spectrum import Grid
from isolde.core.stage import Float32
from isolde.datasets.mixing.library import Entry

STATISTICS_FIRST = 2**40
"""Examples from this number on are for per-bin statistics: training never draws so far."""


@dataclass(frozen=True)
class SpectraBatch:
    """One step's examples: spectra (n, n_stems, 2, n_frames, n_bins), whose sum is the mixture."""

    spectra: Tensor


class Examples(Protocol):
    """A source of examples; example i is the same whenever and wherever it is made."""

    def labelled(self, indices: Sequence[int], n_frames: int) -> tuple[Tensor, NDArray[np.bool_]]:
        """Give spectra (b, n_stems, channels, n_frames, n_bins), and where the voice sounds."""
        ...


class Task(Protocol):
    """A kind of network and how it learns."""

    kind: ClassVar[str]
    """Its name in recipes."""

    goes_first: ClassVar[bool]
    """Whether its kernels, which are many and short, go before those of runs beside it on a GPU."""

    @property
    def score(self) -> str:
        """Name and unit of what `validate` returns, for people to read."""
        ...

    @property
    def parts(self) -> tuple[str, ...]:
        """The stems that its examples are mixed of, as `Timeline` has them."""
        ...

    @property
    def features(self) -> Features:
        """Features that are the network's input."""
        ...

    @property
    def stems(self) -> tuple[str, ...]:
        """Stems of its masks, in order; none for an activity network."""
        ...

    @property
    def residual(self) -> str:
        """The stem that is the mixture less those of the masks."""
        ...

    @property
    def synthesis(self) -> str:
        """The windows that it learns with, as `spectrum.Grid` has them: "long" or "short"."""
        ...

    @property
    def look_ahead(self) -> int:
        """Frames after the one that an answer is for."""
        ...

    @property
    def past(self) -> int:
        """Frames of silence that a stream needs before a song."""
        ...

    @property
    def grid(self) -> Grid:
        """Grid of the spectra of its examples."""
        ...

    @property
    def serving(self) -> Mapping[str, Any]:
        """Further values of its model's card, where they are not the defaults."""
        ...

    def build(self) -> nn.Module:
        """Make a new network; its random weights follow torch's seed."""
        ...

    def prepare(self, network: Any, examples: Any) -> None:
        """Set the network's constants, its per-bin statistics, before the first step."""
        ...

    def batch(self, examples: Any, indices: Sequence[int], *, frames: int, step: int) -> Any:
        """Make the examples of one step, or one process's part of them.

        Args:
            examples: Source of the examples.
            indices: Numbers of the examples.
            frames: Number of answers that count in each.
            step: Step of the training, from 0.

        Returns:
            A dataclass of tensors, the first axis over the examples.
        """
        ...

    def loss(self, network: Any, batch: Any, *, step: int) -> Tensor:
        """Compute the loss of the network on a batch, the mean over its examples."""
        ...

    def validate(self, network: Any, songs: Sequence[Entry], *, step: int) -> tuple[float, float]:
        """Measure the median and mean of the score over songs; higher is better.

        Args:
            network: Network in evaluation mode, on the CPU.
            songs: Songs with voice and backing.
            step: Number of steps that the network has had.
        """
        ...

    def masks(self, network: Any, spectra: Any) -> Float32:
        """Give the vocals' mask of a whole song, (1 or 2, n, n_bins), of spectra (2, n, n_bins)."""
        ...

    def graph(self, network: Any) -> bytes:
        """Write the trained network as the ONNX graph that a separator runs.

        Raises:
            InputError: This kind of training gives nothing that a separator can use.
        """
        ...
