"""A band network's memory asked whether somebody sings; it gives no masks.

    features (n, n_frames, 2048) -> raw answers (n, n_frames - look_ahead)

The trunk is a trained band network without its last layers: what it makes of a frame in order to
paint masks tells also whether there is a voice. A few numbers of every band go through a dense
layer and a GRU that answers late, so that it hears some of what follows.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from isolde.errors import InputError
from isolde.networks.article import SLOPE
from isolde.networks.bands import BandNetwork, BandShape, n_bands


@dataclass(frozen=True)
class PresenceShape:
    """Sizes of a presence network.

    Attributes:
        trunk: of the band network.
        seen: numbers that are taken from each band.
        hidden: units of the dense layer and of the GRU.
        delay: frames after the trunk's look-ahead for which an answer waits.
    """

    trunk: BandShape = field(default_factory=BandShape)
    seen: int = 4
    hidden: int = 48
    delay: int = 12

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        if min(self.seen, self.hidden) < 1 or self.delay < 0:
            raise InputError(f"a presence network of sizes {asdict(self)}: give at least 1")

    @property
    def look_ahead(self) -> int:
        """Frames after the one that an answer is for."""
        return self.trunk.look_ahead + self.delay

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "PresenceShape":
        """Rebuild from plain values."""
        return cls(**{**values, "trunk": BandShape.from_dict(values["trunk"])})


class PresenceNetwork(nn.Module):
    """Features of stretches of a stereo song to the log-odds that somebody sings."""

    def __init__(self, shape: PresenceShape) -> None:
        """Make a network with random weights; the trunk does not learn."""
        super().__init__()
        self.shape = shape
        self.trunk = BandNetwork(shape.trunk).requires_grad_(False)
        self.see = nn.Linear(shape.trunk.features, shape.seen)
        self.gather = nn.Linear(n_bands() * shape.seen, shape.hidden)
        self.memory = nn.GRU(shape.hidden, shape.hidden)
        self.output = nn.Linear(shape.hidden, 1)

    def forward(self, frames: Tensor) -> Tensor:
        """Raw answers, before the sigmoid.

        Args:
            frames: (n, n_frames, 2048) features, a bin's four signals side by side.

        Returns:
            (n, n_frames - look_ahead).
        """
        with torch.no_grad():
            x = self.trunk.encoded(frames)
        seen = functional.leaky_relu(self.see(x), SLOPE).flatten(2)
        seen = functional.leaky_relu(self.gather(seen), SLOPE)
        said, _ = self.memory(seen)
        late = functional.pad(seen, (0, 0, 0, 0, self.shape.delay, 0))[: len(seen)]
        out: Tensor = self.output(late + said)[self.shape.look_ahead :, :, 0].T
        return out
