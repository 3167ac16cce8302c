"""How a presence network learns to tell whether somebody sings, on a trunk that painted masks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from isolde.activity.level import Leveller
from isolde.core.errors import InputError
from isolde.core.features import Features
from isolde.core.spectrum import GRID_22, Grid
from isolde.core.stage import Complex64, Float32
from isolde.datasets.mixing.library import Entry
from isolde.models.catalogue import find
from isolde.networks.onnx.bands import SETTLING
from isolde.networks.onnx.presence import presence_graph
from isolde.networks.onnx.read_bands import band_network_of
from isolde.networks.presence import PresenceNetwork, PresenceShape
from isolde.training.mixing.timeline import PAIR
from isolde.training.tasks.base import Examples
from isolde.training.tasks.validation import accuracy


@dataclass(frozen=True)
class PresenceBatch:
    """Features (n, n_frames, 2048), and for each answer whether the voice sounds, 0 or 1."""

    features: Tensor
    sounds: Tensor


@dataclass(frozen=True)
class PresenceTask:
    """A presence network on the trunk of a band model, which stays as it is.

    Attributes:
        shape: Shape of the network.
        features: Features that it is fed with, at an even level (see `core.level`).
        trunk: Band model, by name or path.
    """

    kind: ClassVar[str] = "presence"

    shape: PresenceShape = field(default_factory=PresenceShape)
    features: Features = field(default_factory=partial(Features, signal="stereo"))
    trunk: str = "vocals"

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        if self.features.signal != "stereo":
            raise InputError(f"signal '{self.features.signal}' does not fit: take 'stereo'")

    @property
    def score(self) -> str:
        """What `validate` gives."""
        return "frames right"

    @property
    def parts(self) -> tuple[str, ...]:
        """The stems that its examples are mixed of."""
        return PAIR

    @property
    def stems(self) -> tuple[str, ...]:
        """It gives none."""
        return ()

    @property
    def residual(self) -> str:
        """Nor this."""
        return ""

    @property
    def synthesis(self) -> str:
        """Detectors give no sound, and hear with the long windows."""
        return "long"

    @property
    def look_ahead(self) -> int:
        """Frames after the one that the answer is for."""
        return self.shape.look_ahead

    @property
    def past(self) -> int:
        """Frames of silence that a stream is fed before a song's first."""
        return SETTLING

    @property
    def run_in(self) -> int:
        """Frames at the beginning of an example whose answers do not count."""
        return SETTLING + self.shape.around

    @property
    def grid(self) -> Grid:
        """Of the spectra."""
        return GRID_22

    def build(self) -> PresenceNetwork:
        """Make a network; its random weights follow torch's seed, its trunk is not yet trained."""
        return PresenceNetwork(self.shape)

    def prepare(self, network: PresenceNetwork, examples: Any) -> None:
        """Take the trunk's weights.

        Raises:
            ModelError: There is no such model, or it is none of this shape.
        """
        trained = band_network_of(find(self.trunk).path, self.shape.trunk)
        network.trunk.load_state_dict(trained.state_dict())

    def batch(
        self, examples: Examples, indices: Sequence[int], *, frames: int, step: int
    ) -> PresenceBatch:
        """Make some examples, each with `frames` answers that count."""
        n_frames = self.run_in + frames + self.look_ahead
        features, sounds = [], []
        spectra, activity = examples.labelled(indices, n_frames)
        for mixture, sounding in zip(spectra.sum(dim=1).cpu().numpy(), activity, strict=True):
            features.append(self.features(Leveller().feed(mixture))[0])
            sounds.append(sounding[self.run_in : self.run_in + frames].astype(np.float32))
        return PresenceBatch(*(torch.from_numpy(np.stack(x)) for x in (features, sounds)))

    def loss(self, network: Any, batch: PresenceBatch, *, step: int) -> Tensor:
        """Compute the binary cross-entropy, every frame alike."""
        raw: Tensor = network(batch.features)[:, self.run_in :]
        return functional.binary_cross_entropy_with_logits(raw, batch.sounds)

    def validate(
        self, network: PresenceNetwork, songs: Sequence[Entry], *, step: int
    ) -> tuple[float, float]:
        """Measure the median and mean over songs of the share of frames right."""
        return accuracy(partial(self.activity, network), songs)

    def activity(self, network: PresenceNetwork, spectra: Complex64) -> Float32:
        """Give the probability that somebody sings, (n,), for a song's (n_channels, n, 513)."""
        levelled = Leveller().feed(spectra)
        padded = np.pad(levelled, ((0, 0), (SETTLING, self.look_ahead), (0, 0)))
        with torch.no_grad():
            raw = network(torch.from_numpy(self.features(padded)))[:, SETTLING:]
        found: Float32 = torch.sigmoid(raw).mean(dim=0).numpy()
        return found

    def graph(self, network: PresenceNetwork) -> bytes:
        """Write the ONNX graph."""
        return presence_graph(network)
