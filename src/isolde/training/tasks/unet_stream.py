"""The task of U-Nets that answer at the newest frame, with the weights of one for windows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from isolde.core.errors import InputError
from isolde.core.signal.features import Features
from isolde.core.stage import Complex64, Float32
from isolde.networks.onnx.unet_stream import unet_stream_graph
from isolde.networks.unet import shares_of
from isolde.networks.unet_stream import UNetStream, check_streams
from isolde.training.tasks.base import Examples, SpectraBatch
from isolde.training.tasks.unet import UNetTask

PIECE = 64
"""Frames that are masked in one call."""


@dataclass(frozen=True)
class UNetStreamTask(UNetTask):
    """A U-Net that learns the masks of the newest frame; it takes the weights of one for windows.

    Attributes:
        context: Frames of an example before those that count.
    """

    kind: ClassVar[str] = "unet-stream"
    synthesis: ClassVar[str] = "short"
    features: ClassVar[Features] = Features(signal="pair")

    context: int = 96

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        super().__post_init__()
        check_streams(self.shape)
        if self.follows:
            raise InputError(f"follows is '{self.follows}', which hears windows: leave it empty")
        if self.context < 0:
            raise InputError(f"context is {self.context} frames: give 0 or more")

    @property
    def serving(self) -> Mapping[str, Any]:
        """Values of its model's card: a stream's usual ones."""
        return {}

    def check_frames(self, frames: int) -> None:
        """Refuse examples that are too short, or that a teacher cannot halve often enough.

        Raises:
            InputError: With the context they are a single frame; or there is a teacher, which hears
                windows, and they are no such multiple.
        """
        if frames + self.context < 2:
            raise InputError(f"frames is {frames} and context {self.context}: give 2 together")
        if self.teacher and (frames + self.context) % self.shape.multiple:
            raise InputError(
                f"frames is {frames} and context {self.context}: with a teacher, give a multiple "
                f"of {self.shape.multiple} together"
            )

    def build(self) -> UNetStream:  # type: ignore[override]
        """Make a new network, whose random weights follow torch's seed."""
        return UNetStream(self.shape)

    def batch(
        self, examples: Examples, indices: Sequence[int], *, frames: int, step: int
    ) -> SpectraBatch:
        """Make some examples, each with `frames` answers that count."""
        return SpectraBatch(examples.labelled(indices, self.context + frames)[0])

    def logits(self, network: Any, mixture: Tensor) -> Tensor:
        """Compute logits (n, masks, 2, n_frames - context, n_bins) of (n, 2, n_frames, n_bins)."""
        hearing = partial(network, answers=mixture.shape[2] - self.context)
        return super().logits(hearing, mixture)

    def graph(self, network: UNetStream) -> bytes:  # type: ignore[override]
        """Write the ONNX graph."""
        return unet_stream_graph(network)

    def masks(self, network: UNetStream, spectra: Complex64) -> Float32:  # type: ignore[override]
        """Mask a whole song's vocals, after silence.

        Args:
            network: Network in evaluation mode.
            spectra: Spectra of the mixture, (2, n, n_bins).

        Returns:
            Mask (2, n, n_bins).
        """
        magnitudes = torch.from_numpy(np.abs(spectra[None, :, :, :-1])).transpose(1, 2)
        state, parts = network.state(), []
        with torch.no_grad():
            for first in range(0, magnitudes.shape[1], PIECE):
                logits, state = network.stream(magnitudes[:, first : first + PIECE], state)
                parts.append(shares_of(logits, axis=2)[0, :, 0].numpy())
        found = np.concatenate(parts).transpose(1, 0, 2)
        return np.concatenate([found, found[..., -1:]], -1)
