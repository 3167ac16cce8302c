"""A pair of files and its truth."""

from dataclasses import dataclass, field

import numpy as np

from isolde.core.stage import Float32

EMPTY = np.zeros((1, 0), np.float32)


@dataclass(frozen=True)
class Case:
    """A pair.

    Attributes:
        number: Of the case.
        theme: Its damage, or why it is wrong.
        song: Name; of wrong pairs both names.
        right: Whether the partner is in the mix.
        mix: (n_channels, n) at `mix_rate` Hz.
        partner: (n_channels, m) at `partner_rate` Hz.
        kind: `vocal` or `instrumental`: what the partner is.
        truth: (n_channels, n), the voice that stands in the mix.
        pieces: (start, end, where the partner's time 0 falls) in seconds of the mix.
        drift: A second of the partner is 1 + drift of the mix.
    """

    number: int
    theme: str
    song: str
    right: bool
    mix: Float32
    mix_rate: int
    partner: Float32
    partner_rate: int
    kind: str = "vocal"
    truth: Float32 = field(default_factory=EMPTY.copy)
    pieces: tuple[tuple[float, float, float], ...] = ()
    drift: float = 0.0
