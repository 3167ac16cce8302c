"""How the band network learns: stereo examples, what its masks leave wrong, and whole songs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from isolde.datasets.library import Entry
from isolde.errors import InputError
from isolde.features import Features
from isolde.networks.bands import BandNetwork, BandShape
from isolde.networks.bands_graph import SETTLING, band_graph
from isolde.stages import Complex64, Float32
from isolde.training.task import STATISTICS_FIRST
from isolde.training.validation import usdr

STATISTICS_EXAMPLES = 256
STATISTICS_FRAMES = 32
EMPTY = 1e-9
FLOOR = 0.01
"""Share of the mixture's energy that an error, or a voice, counts at least: silence can be learnt
but does not outweigh all else."""


class StereoExamples(Protocol):
    """Where examples come from: number i is the same whenever and wherever it is made."""

    def stereo(self, index: int, n_frames: int) -> tuple[Complex64, Complex64, NDArray[np.bool_]]:
        """Spectra (2, n_frames, 513) of voice and backing, and where the voice sounds."""
        ...


@dataclass(frozen=True)
class BandBatch:
    """One step's examples; the squared error of any real mask follows from the last three.

    Attributes:
        features: (n, n_frames, 2048).
        mixture: power of each answer's bins, (n, answers, 2, 513).
        cross: real part of mixture* times voice.
        voice: the voice's power.
    """

    features: Tensor
    mixture: Tensor
    cross: Tensor
    voice: Tensor


@dataclass(frozen=True)
class BandTask:
    """A band network that learns the vocals' masks of a stereo mixture.

    Attributes:
        shape: of the network.
        features: what it is fed with.
        bce: weight of the cross-entropy against the phase-sensitive mask, in which an error in a
            bin counts |X|^weight_power.
        snr: weight of the error's energy over the voice's, in tens of dB, per example.
        weight_power: see `bce`.
    """

    kind: ClassVar[str] = "bands"

    shape: BandShape = field(default_factory=BandShape)
    features: Features = field(default_factory=partial(Features, signal="stereo"))
    bce: float = 0.0
    snr: float = 1.0
    weight_power: float = 0.8

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        if self.features.signal != "stereo":
            raise InputError(f"signal '{self.features.signal}' does not fit: take 'stereo'")
        if self.shape.masks != 1:
            raise InputError(f"{self.shape.masks} masks: this training knows vocals only: take 1")
        if min(self.bce, self.snr) < 0 or not self.bce + self.snr > 0:
            raise InputError(f"bce {self.bce} and snr {self.snr}: one must be above 0, none below")

    @property
    def score(self) -> str:
        """What `validate` gives."""
        return "vocals uSDR in dB"

    @property
    def stems(self) -> tuple[str, ...]:
        """What the masks give."""
        return ("vocals",)

    @property
    def residual(self) -> str:
        """The stem that the masks leave."""
        return "accompaniment"

    @property
    def look_ahead(self) -> int:
        """Frames after the one that the answer is for."""
        return self.shape.look_ahead

    @property
    def past(self) -> int:
        """Frames of silence that a stream is fed before a song's first."""
        return SETTLING

    def build(self) -> BandNetwork:
        """A new network; its random weights follow torch's seed."""
        return BandNetwork(self.shape)

    def prepare(self, network: BandNetwork, examples: StereoExamples) -> None:
        """Per-number mean and deviation of features, from examples that training never draws."""
        frames = []
        for i in range(STATISTICS_EXAMPLES):
            vocals, backing, _ = examples.stereo(STATISTICS_FIRST + i, STATISTICS_FRAMES)
            frames.append(self.features(vocals + backing)[0])
        values = np.concatenate(frames)
        network.mean.copy_(torch.from_numpy(values.mean(axis=0)))
        network.std.copy_(torch.from_numpy(values.std(axis=0) + 1e-3))

    def batch(
        self, examples: StereoExamples, indices: Sequence[int], *, frames: int, step: int
    ) -> BandBatch:
        """Some examples, each with `frames` answers that count."""
        n_frames = SETTLING + frames + self.look_ahead
        answers = slice(SETTLING, SETTLING + frames)
        rows = []
        for index in indices:
            vocals, backing, _ = examples.stereo(index, n_frames)
            mixture = vocals + backing
            v, x = (s[:, answers].transpose(1, 0, 2) for s in (vocals, mixture))
            cross = x.real * v.real + x.imag * v.imag
            rows.append((self.features(mixture)[0], _power(x), cross, _power(v)))
        return BandBatch(*(torch.from_numpy(np.stack(x)) for x in zip(*rows, strict=True)))

    def loss(self, network: Any, batch: BandBatch, *, step: int) -> Tensor:
        """What the masks leave wrong, in one number; see the weights of the task."""
        raw: Tensor = network(batch.features)[:, SETTLING:]
        loss = raw.new_zeros(())
        if self.bce:
            target = (batch.cross / batch.mixture.clamp_min(1e-12)).clamp(0, 1)
            weight = batch.mixture ** (self.weight_power / 2)
            weight = weight / (weight.mean(dim=(1, 2, 3), keepdim=True) + EMPTY)
            error = functional.binary_cross_entropy_with_logits(raw, target, reduction="none")
            loss = loss + self.bce * (error * weight).mean()
        if self.snr:
            mask, each = torch.sigmoid(raw), (1, 2, 3)
            left = (mask * mask * batch.mixture - 2 * mask * batch.cross + batch.voice).sum(each)
            floor = FLOOR * batch.mixture.sum(each) + EMPTY
            ratio = (left + floor) / (batch.voice.sum(each) + floor)
            loss = loss + self.snr * torch.log10(ratio).mean()
        return loss

    def validate(
        self, network: BandNetwork, songs: Sequence[Entry], *, step: int
    ) -> tuple[float, float]:
        """Median and mean uSDR of the vocals over songs, in dB."""
        return usdr(partial(self.masks, network), songs)

    def masks(self, network: BandNetwork, spectra: Complex64) -> Float32:
        """The network's masks for a whole song, silence before and after.

        Args:
            network: in evaluation mode.
            spectra: of the mixture, (n_channels, n, 513).

        Returns:
            (n_channels, n, 513).
        """
        padded = np.pad(spectra, ((0, 0), (SETTLING, self.look_ahead), (0, 0)))
        with torch.no_grad():
            raw = network(torch.from_numpy(self.features(padded)))[:, SETTLING:]
        read = torch.sigmoid(raw).permute(0, 2, 1, 3).flatten(0, 1)  # (channels, n, 513)
        found: Float32 = read[: len(spectra)].numpy()
        return found

    def graph(self, network: BandNetwork) -> bytes:
        """The ONNX graph."""
        return band_graph(network)


def _power(spectra: Complex64) -> Float32:
    return spectra.real**2 + spectra.imag**2
