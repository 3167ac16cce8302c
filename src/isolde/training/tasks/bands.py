"""How band networks learn: stereo examples, what the masks leave wrong, and whole songs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from isolde.core.errors import InputError
from isolde.core.features import Features
from isolde.core.spectrum import GRID_22, Grid, grid_for
from isolde.core.stage import Complex64, Float32
from isolde.datasets.mixing.library import Entry
from isolde.networks.bands import BandNetwork, BandShape
from isolde.networks.onnx.bands import SETTLING, band_graph
from isolde.training.mixing.timeline import PAIR, QUARTET
from isolde.training.tasks.base import STATISTICS_FIRST, Examples
from isolde.training.tasks.validation import usdr

STATISTICS_EXAMPLES = 256
STATISTICS_FRAMES = 32
AT_ONCE = 32
EMPTY = 1e-9
FLOOR = 0.01
"""Share of the mixture's energy that an error, or a voice, counts at least: silence can be learnt
but does not outweigh all else."""


MASKS = {"vocals": 1, "quartet": len(QUARTET)}


@dataclass(frozen=True)
class BandBatch:
    """One step's examples; the squared error of any real mask follows from the last three.

    Attributes:
        features: (n, n_frames, 2048).
        mixture: Power of each answer's bins, (n, answers, 1, 2, 513).
        cross: Real part of mixture* times stem, (n, answers, masks, 2, 513).
        stem: Power of each stem that has a mask, likewise.
    """

    features: Tensor
    mixture: Tensor
    cross: Tensor
    stem: Tensor


@dataclass(frozen=True)
class BandTask:
    """A band network that learns the masks of a stereo mixture.

    Attributes:
        shape: Shape of the network.
        features: Features that it is fed with.
        learns: "vocals", one mask and its complement, or "quartet": four that sum to 1.
        bce: Weight of the cross-entropy against the phase-sensitive mask, in which an error in a
            bin counts |X|^weight_power.
        snr: Weight of the error's energy over the stem's, in tens of dB, per example.
        weight_power: Power, see `bce`.
        synthesis: "long", or "short" for spectra as separators with half the latency have them.
    """

    kind: ClassVar[str] = "bands"

    shape: BandShape = field(default_factory=BandShape)
    features: Features = field(default_factory=partial(Features, signal="stereo"))
    learns: str = "vocals"
    bce: float = 0.0
    snr: float = 1.0
    weight_power: float = 0.8
    synthesis: str = "long"

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        if self.features.signal != "stereo":
            raise InputError(f"signal '{self.features.signal}' does not fit: take 'stereo'")
        if self.learns not in MASKS:
            raise InputError(f"learns '{self.learns}': take {' or '.join(MASKS)}")
        if self.shape.masks != MASKS[self.learns]:
            raise InputError(
                f"{self.shape.masks} masks: to learn {self.learns} take {MASKS[self.learns]}"
            )
        if min(self.bce, self.snr) < 0 or not self.bce + self.snr > 0:
            raise InputError(f"bce {self.bce} and snr {self.snr}: one must be above 0, none below")
        _ = self.grid  # refuses a synthesis that there is not

    @property
    def grid(self) -> Grid:
        """Of the spectra."""
        return grid_for(GRID_22.sample_rate, self.synthesis)

    @property
    def score(self) -> str:
        """What `validate` gives."""
        return "vocals uSDR in dB"

    @property
    def stems(self) -> tuple[str, ...]:
        """What the masks give."""
        return QUARTET[: max(1, self.shape.masks - 1)]

    @property
    def residual(self) -> str:
        """The stem that the masks leave."""
        return "accompaniment" if self.shape.masks == 1 else QUARTET[-1]

    @property
    def parts(self) -> tuple[str, ...]:
        """The stems that its examples are mixed of."""
        return PAIR if self.shape.masks == 1 else QUARTET

    @property
    def look_ahead(self) -> int:
        """Frames after the one that the answer is for."""
        return self.shape.look_ahead

    @property
    def past(self) -> int:
        """Frames of silence that a stream is fed before a song's first."""
        return SETTLING

    def build(self) -> BandNetwork:
        """Make a new network; its random weights follow torch's seed."""
        return BandNetwork(self.shape)

    def prepare(self, network: BandNetwork, examples: Examples) -> None:
        """Set mean and deviation of each feature, from examples that training never draws."""
        frames = []
        for first in range(STATISTICS_FIRST, STATISTICS_FIRST + STATISTICS_EXAMPLES, AT_ONCE):
            spectra, _ = examples.labelled(range(first, first + AT_ONCE), STATISTICS_FRAMES)
            frames += [self.features(one)[0] for one in spectra.sum(dim=1).cpu().numpy()]
        values = np.concatenate(frames)
        network.mean.copy_(torch.from_numpy(values.mean(axis=0)))
        network.std.copy_(torch.from_numpy(values.std(axis=0) + 1e-3))

    def batch(
        self, examples: Examples, indices: Sequence[int], *, frames: int, step: int
    ) -> BandBatch:
        """Make some examples, each with `frames` answers that count."""
        n_frames = SETTLING + frames + self.look_ahead
        answers = slice(SETTLING, SETTLING + frames)
        rows = []
        for sources in examples.labelled(indices, n_frames)[0].cpu().numpy():
            mixture = sources.sum(axis=0)
            # (answers, stems, channels, bins)
            v = sources[: self.shape.masks, :, answers].transpose(2, 0, 1, 3)
            x = mixture[None, :, answers].transpose(2, 0, 1, 3)
            cross = x.real * v.real + x.imag * v.imag
            rows.append((self.features(mixture)[0], _power(x), cross, _power(v)))
        return BandBatch(*(torch.from_numpy(np.stack(x)) for x in zip(*rows, strict=True)))

    def loss(self, network: Any, batch: BandBatch, *, step: int) -> Tensor:
        """Measure what the masks leave wrong, in one number; see the weights of the task."""
        raw: Tensor = network(batch.features)[:, SETTLING:]
        mask: Tensor = network.read(raw)
        loss = raw.new_zeros(())
        if self.bce:
            target = (batch.cross / batch.mixture.clamp_min(1e-12)).clamp(0, 1)
            weight = batch.mixture ** (self.weight_power / 2)
            weight = weight / (weight.mean(dim=(1, 2, 3, 4), keepdim=True) + EMPTY)
            if self.shape.masks == 1:
                error = functional.binary_cross_entropy_with_logits(
                    raw.view_as(target), target, reduction="none"
                )
            else:
                error = functional.binary_cross_entropy(mask, target, reduction="none")
            loss = loss + self.bce * (error * weight).mean()
        if self.snr:
            each = (1, 3, 4)  # for every example and stem
            left = (mask * mask * batch.mixture - 2 * mask * batch.cross + batch.stem).sum(each)
            floor = FLOOR * batch.mixture.sum(each) + EMPTY
            ratio = (left + floor) / (batch.stem.sum(each) + floor)
            loss = loss + self.snr * torch.log10(ratio).mean()
        return loss

    def validate(
        self, network: BandNetwork, songs: Sequence[Entry], *, step: int
    ) -> tuple[float, float]:
        """Measure the median and mean uSDR of the vocals over songs, in dB."""
        return usdr(partial(self.masks, network), songs, grid=self.grid)

    def masks(self, network: BandNetwork, spectra: Complex64) -> Float32:
        """Give the vocals' masks for a whole song, silence before and after.

        Args:
            network: Network in evaluation mode.
            spectra: Spectra of the mixture, (n_channels, n, 513).

        Returns:
            (n_channels, n, 513).
        """
        padded = np.pad(spectra, ((0, 0), (SETTLING, self.look_ahead), (0, 0)))
        with torch.no_grad():
            raw = network(torch.from_numpy(self.features(padded)))[:, SETTLING:]
        vocals = network.read(raw)[:, :, 0].permute(0, 2, 1, 3).flatten(0, 1)
        found: Float32 = vocals[: len(spectra)].numpy()
        return found

    def graph(self, network: BandNetwork) -> bytes:
        """Write the ONNX graph."""
        return band_graph(network)


def _power(spectra: Complex64) -> Float32:
    return spectra.real**2 + spectra.imag**2
