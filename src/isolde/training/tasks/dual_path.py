"""The task of dual-path band networks: the error of the masked sound, and the voice's presence.

All of it happens on the device that trains: examples come from the mixer there as spectra.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from isolde.core.errors import InputError
from isolde.core.signal.features import Features
from isolde.core.signal.spectrum import Grid
from isolde.core.stage import Complex64, Float32
from isolde.datasets.mixing.library import Entry
from isolde.networks.dual_path import DualPathNetwork, DualPathShape
from isolde.networks.onnx.dual_path import SETTLING, dual_path_graph
from isolde.training.mixing.timeline import PAIR, QUARTET
from isolde.training.tasks.base import STATISTICS_FIRST, Examples, SpectraBatch
from isolde.training.tasks.spectral import bin_weights, energy_of, log_error, share_of
from isolde.training.tasks.validation import usdr

SAMPLE_RATE = 22050
STATISTICS_EXAMPLES = 96
STATISTICS_FRAMES = 40

PRESENT_SECONDS = 0.16
BESIDE_LOUDEST_DB, BESIDE_MIXTURE_DB = -28.0, -25.0
"""A voice is present where it is not so far under its loudest moment, nor under the mixture."""


@dataclass(frozen=True)
class DualPathTask:
    """A dual-path network that learns the masks of a stereo mixture, and the voice's presence.

    Attributes:
        shape: Sizes of the network.
        features: Features of the mixture.
        n_fft: Window in samples at 22,050 Hz; the hop is a quarter of it.
        synthesis: "long", or "short" for spectra as separators with half the latency have them.
        cross_entropy: Weight of the cross-entropy against the best real masks, in which louder
            bins count more, beside the error's energy over the stem's in tens of dB.
        presence: Weight of the cross-entropy of the voice's presence.
    """

    kind: ClassVar[str] = "dual-path"
    goes_first: ClassVar[bool] = True
    score: ClassVar[str] = "vocals uSDR in dB"
    past: ClassVar[int] = SETTLING

    shape: DualPathShape = field(default_factory=DualPathShape)
    features: Features = field(default_factory=partial(Features, signal="stereo"))
    n_fft: int = 2048
    synthesis: str = "long"
    cross_entropy: float = 0.5
    presence: float = 0.1

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        if self.features.signal != "stereo":
            raise InputError(f"signal '{self.features.signal}' does not fit: take 'stereo'")
        if self.grid.n_bins != self.shape.n_bins + 1:
            raise InputError(
                f"n_fft {self.n_fft} has {self.grid.n_bins} bins, the bands '{self.shape.cut}' are "
                f"cut of {self.shape.n_bins}: take n_fft {2 * self.shape.n_bins}"
            )
        if min(self.cross_entropy, self.presence) < 0:
            raise InputError("cross_entropy and presence: give weights of 0 or more")

    def check_frames(self, frames: int) -> None:
        """Refuse examples of whose spectra no sound can be made.

        Raises:
            InputError: It is a single frame of the long synthesis.
        """
        if frames < 2 and self.synthesis == "long":
            raise InputError(f"frames is {frames}: give 2 or more")

    @property
    def grid(self) -> Grid:
        """Grid of the spectra."""
        return Grid(SAMPLE_RATE, self.n_fft, self.n_fft // 4, self.synthesis)

    @property
    def parts(self) -> tuple[str, ...]:
        """The stems that its examples are mixed of."""
        return PAIR if self.shape.masks == 1 else QUARTET

    @property
    def stems(self) -> tuple[str, ...]:
        """Stems of the masks."""
        return QUARTET[: max(1, self.shape.masks - 1)]

    @property
    def residual(self) -> str:
        """The stem that is the mixture less those of the masks."""
        return "accompaniment" if self.shape.masks == 1 else QUARTET[-1]

    @property
    def look_ahead(self) -> int:
        """Frames after the one that the answer is for."""
        return self.shape.look_ahead

    @property
    def serving(self) -> Mapping[str, Any]:
        """Values of its model's card."""
        return {"step": self.shape.stack, "presence": self.presence > 0}

    def build(self) -> DualPathNetwork:
        """Make a new network; its random weights follow torch's seed.

        Presence that is not learnt has no gradients, for which several processes would wait.
        """
        network = DualPathNetwork(self.shape)
        network.presence.requires_grad_(self.presence > 0)
        return network

    def prepare(self, network: DualPathNetwork, examples: Examples) -> None:
        """Set mean and deviation of each feature, from examples that training never draws."""
        frames = []
        for first in range(0, STATISTICS_EXAMPLES, 8):
            indices = range(STATISTICS_FIRST + first, STATISTICS_FIRST + first + 8)
            spectra, _ = examples.labelled(indices, STATISTICS_FRAMES)
            frames.append(self.features_of(spectra.sum(1)).flatten(0, 1).cpu())
        values = torch.cat(frames)
        network.mean.copy_(values.mean(0))
        network.std.copy_(values.std(0) + 1e-3)

    def batch(
        self, examples: Examples, indices: Sequence[int], *, frames: int, step: int
    ) -> SpectraBatch:
        """Make some examples, each with `frames` answers that count."""
        n_frames = SETTLING + frames + self.look_ahead
        return SpectraBatch(examples.labelled(indices, n_frames)[0])

    def features_of(self, mixture: Tensor) -> Tensor:
        """Compute features (n, n_frames, n_bins * 4) of spectra (n, 2, n_frames, n_bins)."""
        left, right = mixture[..., : self.shape.n_bins].unbind(1)
        four = torch.stack([left, right, (left + right) / 2, (left - right) / 2], -1)
        return torch.log1p(self.features.scale * four.abs()).flatten(2)

    def loss(self, network: Any, batch: SpectraBatch, *, step: int) -> Tensor:
        """Compute the loss: the error of the masked sound, and the weighted cross-entropies."""
        spectra, mixture = batch.spectra, batch.spectra.sum(1)
        raw, present = network(self.features_of(mixture))
        raw, present = raw[:, SETTLING:].float(), present[:, SETTLING:].float()
        answers = slice(SETTLING, SETTLING + raw.shape[1])
        stems = spectra[:, : self.shape.masks, :, answers]
        mixture = mixture[:, None, :, answers]
        mask = network.read(raw).permute(0, 2, 3, 1, 4)
        energy = partial(energy_of, grid=self.grid)
        loss = log_error(mask * mixture, stems, mixture, energy=energy)
        if self.cross_entropy:
            wrong = self._wrong(raw, mask, share_of(stems, mixture))
            loss = loss + self.cross_entropy * (wrong * bin_weights(mixture)).mean()
        if self.presence:
            truth = self.present(spectra[:, 0, :, answers], mixture[:, 0])
            wrong = functional.binary_cross_entropy_with_logits(present, truth)
            loss = loss + self.presence * wrong
        return loss

    def _wrong(self, raw: Tensor, mask: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy of each bin, (n, masks, 2, n_frames, n_bins)."""
        if self.shape.masks == 1:
            logits = raw[:, :, None].permute(0, 2, 3, 1, 4)
            return functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
        said, unsaid = (m.clamp_min(1e-7).log() for m in (mask, 1 - mask))
        return -(target * said + (1 - target) * unsaid)

    @torch.no_grad()
    def present(self, vocals: Tensor, mixture: Tensor) -> Tensor:
        """Find where the voice sounds in (n, 2, n_frames, n_bins): (n, n_frames), 0 or 1."""
        span = 2 * round(PRESENT_SECONDS / self.grid.frame_seconds / 2) + 1
        power = vocals.abs().square().sum((1, 3))[:, None]
        power = functional.avg_pool1d(power, span, 1, span // 2, count_include_pad=False)[:, 0]
        whole = mixture.abs().square().sum((1, 3)).mean(1, keepdim=True)
        loudest = power.amax(1, keepdim=True)
        sounds = power > loudest * 10 ** (BESIDE_LOUDEST_DB / 10)
        return (sounds & (power > whole * 10 ** (BESIDE_MIXTURE_DB / 10))).float()

    def graph(self, network: DualPathNetwork) -> bytes:
        """Write the ONNX graph."""
        return dual_path_graph(network, presence=self.presence > 0)

    def validate(
        self, network: DualPathNetwork, songs: Sequence[Entry], *, step: int
    ) -> tuple[float, float]:
        """Measure the median and mean uSDR of the vocals over songs, in dB."""
        return usdr(partial(self.masks, network), songs, grid=self.grid)

    def masks(self, network: DualPathNetwork, spectra: Complex64) -> Float32:
        """Give the vocals' masks for a whole song, silence before and after.

        Args:
            network: In evaluation mode.
            spectra: Of the mixture, (2, n, n_bins).

        Returns:
            (2, n, n_bins).
        """
        padded = np.pad(spectra, ((0, 0), (SETTLING, self.look_ahead), (0, 0)))
        with torch.no_grad():
            raw, _ = network(self.features_of(torch.from_numpy(padded)[None]))
            found: Float32 = network.read(raw[:, SETTLING:])[0, :, 0].permute(1, 0, 2).numpy()
        return found
