"""How loud the voice is that a band network's mask lets through, as an answer whether it sounds.

    features (n, n_frames, 2048) -> raw answers (n, n_frames - look_ahead)

The trunk is a trained band network, masks and all. What its mask keeps of a frame, between 108 and
8010 Hz as in `datasets.labels`, is a power; a few means of it around a frame, from one frame to
half a second, become levels; a dense layer of a few units makes the log-odds of them. With so few
numbers a head cannot learn by heart what the trunk makes of the songs that it was trained on.

Such odds rise before a voice and fall after it, because windows, means and the mask's own memory
smear. So a frame that lies far below what is close by is taken down, with levels l in bels:

    c[t] = min over +-hole of max over +-hole of l       l with short holes filled
    dip[t] = max over +-reach of c - c[t]
    odds[t] = head[t] - STEEP max(0, dip[t] - FALL)
"""

from dataclasses import asdict, dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from isolde.core.errors import InputError
from isolde.networks.article import SLOPE
from isolde.networks.bands import N_BINS, SIGNALS, BandNetwork, BandShape

FIRST_BIN, END_BIN = 5, 372
"""The bins that are heard."""
FLOOR = 1e-7
"""Added to a power; music at an even level (`activity.level`) has some 0.08."""
CENTRE, SPREAD = -1.0, 1.5
"""In bels: a level less CENTRE, over SPREAD, is of the order of 1."""
FALL = 1.3
"""Bels: what is more below its surroundings is at an edge of the voice, or beyond."""
STEEP = 4.0
"""Log-odds for each bel more."""


@dataclass(frozen=True)
class PresenceShape:
    """Sizes of a presence network.

    Attributes:
        trunk: Shape of the band network, with one mask.
        spans: Lengths in frames, odd, of the means of the voice's power; the frame is in their
            middle.
        hidden: Units of the dense layer.
        hole: Length in frames; holes of up to twice as many are no edges.
        reach: Frames to either side with which a frame is compared.
        scale: Scale of the features (see `features.Features`), which makes powers of them again.
    """

    trunk: BandShape = field(default_factory=BandShape)
    spans: tuple[int, ...] = (1, 9, 25, 49)
    hidden: int = 8
    hole: int = 6
    reach: int = 12
    scale: float = 2560.0

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        odd = bool(self.spans) and all(s > 0 and s % 2 for s in self.spans)
        if not odd or self.hidden < 1 or min(self.hole, self.reach) < 0:
            raise InputError(
                f"a presence network of sizes {asdict(self)}: give units, and odd spans of frames"
            )
        if self.trunk.masks != 1:
            raise InputError(f"a trunk with {self.trunk.masks} masks: take one with 1, the voice's")

    @property
    def around(self) -> int:
        """Frames to either side of one that its answer needs of the voice's power."""
        return max(max(self.spans) // 2, 2 * self.hole + self.reach)

    @property
    def look_ahead(self) -> int:
        """Frames after the one that an answer is for."""
        return self.trunk.look_ahead + self.around


class PresenceNetwork(nn.Module):
    """Features of stretches of a stereo song to the log-odds that somebody sings."""

    means: Tensor

    def __init__(self, shape: PresenceShape) -> None:
        """Make a network with random weights; the trunk does not learn."""
        super().__init__()
        self.shape = shape
        self.trunk = BandNetwork(shape.trunk).requires_grad_(False)
        self.register_buffer("means", _means(shape), persistent=False)
        self.dense = nn.Linear(len(shape.spans), shape.hidden)
        self.output = nn.Linear(shape.hidden, 1)

    def levels(self, frames: Tensor) -> Tensor:
        """Give what the head hears: how loud the masked voice is.

        Args:
            frames: (n, n_frames, 2048) features, a bin's four signals side by side.

        Returns:
            (n, n_frames - look_ahead, spans + 1): levels of the order of 1, and the dip in bels.
        """
        with torch.no_grad():
            trunk, late = self.trunk, self.shape.trunk.look_ahead
            masks = trunk.read(trunk.answer(trunk.encode(frames)))[:, late:, 0]
            kept = masks[..., FIRST_BIN:END_BIN].transpose(2, 3)  # (n, n_frames, bins, sides)
            heard = frames[:, : frames.shape[1] - late].reshape(len(frames), -1, N_BINS, SIGNALS)
            loud = torch.expm1(heard[:, :, FIRST_BIN:END_BIN, :2]) / self.shape.scale
            power = torch.sum((kept * loud) ** 2, dim=(2, 3))
            return self.heights(power)

    def heights(self, power: Tensor) -> Tensor:
        """Turn powers (n, n_frames) into levels and dip (n, n_frames - around, spans + 1)."""
        pool, shape = functional.max_pool1d, self.shape
        power = functional.pad(power[:, None], (shape.around, 0))  # silence before
        bels = torch.log10(functional.conv1d(power, self.means) + FLOOR)
        beyond = shape.around - 2 * shape.hole - shape.reach
        each = torch.log10(power + FLOOR)[..., beyond : power.shape[2] - beyond]
        hole, reach = 2 * shape.hole + 1, 2 * shape.reach + 1
        filled = -pool(-pool(each, hole, 1), hole, 1)
        dip = pool(filled, reach, 1) - filled[..., shape.reach : filled.shape[2] - shape.reach]
        return torch.cat([(bels - CENTRE) / SPREAD, dip], dim=1).transpose(1, 2)

    def answers(self, levels: Tensor) -> Tensor:
        """Turn levels and dips (n, n_frames, spans + 1) into raw answers (n, n_frames)."""
        hidden = functional.leaky_relu(self.dense(levels[..., :-1]), SLOPE)
        head: Tensor = self.output(hidden)[..., 0]
        return head - STEEP * functional.relu(levels[..., -1] - FALL)

    def forward(self, frames: Tensor) -> Tensor:
        """Give raw answers, before the sigmoid.

        Args:
            frames: (n, n_frames, 2048) features, a bin's four signals side by side.

        Returns:
            (n, n_frames - look_ahead).
        """
        return self.answers(self.levels(frames))


def _means(shape: PresenceShape) -> Tensor:
    """(spans, 1, 2 around + 1): each row a mean over its span, in the middle."""
    rows = torch.zeros(len(shape.spans), 1, 2 * shape.around + 1)
    for row, span in zip(rows, shape.spans, strict=True):
        begin = shape.around - span // 2
        row[0, begin : begin + span] = 1 / span
    return rows
