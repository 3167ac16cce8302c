"""The numbers of one live session, fixed before it starts; it opens nothing.

Positions are samples of the stream since its start, at the stream's own rate.
"""

from dataclasses import dataclass, replace
from math import ceil, gcd

import numpy as np

from isolde.core.errors import InputError
from isolde.core.stage import Complex64, Float32
from isolde.models import catalogue
from isolde.models.card import Card
from isolde.models.overview import latency_of, overview
from isolde.separation.settings import SeparationSettings
from isolde.separation.stages.separator import Separator

LATEST = 1.0
"""Seconds from a sound to its stems with which one can still listen live."""

SHORTEST = 16
"""Samples of the shortest block."""


class _Silent:
    """A masker of the shape of a model, to ask a separator for its latency without a network."""

    def __init__(self, card: Card) -> None:
        self.stems, self.residual, self.latency = card.stems, card.residual, card.latency
        self.grid, self.n_bins = card.grid, card.grid.n_bins

    def feed(self, spectra: Complex64, /) -> Float32:
        return np.zeros((len(self.stems), 1, spectra.shape[1], self.n_bins), np.float32)

    def flush(self) -> Float32:
        return np.zeros((len(self.stems), 1, 0, self.n_bins), np.float32)

    def reset(self) -> None:
        pass


@dataclass(frozen=True)
class Plan:
    """What a session is made of.

    Attributes:
        settings: Model, its synthesis, and the reading of its masks at the start.
        sample_rate: Sample rate of the stream in Hz.
        n_channels: Number of channels of the stream.
        block: Block in samples between two visits to the device.
        depth: Blocks of time that the separator has for a block; 0: the device waits for it.
        seconds: How much sound the tapes hold.
        fade: Seconds of a cross-fade to the mixture when a block is late; part of the latency.
        ramp: Seconds of every other change of level.
        stems: Names, the residual last.
        lag: Lag in samples by which the separator trails when it is fed whole blocks.
    """

    settings: SeparationSettings
    sample_rate: int
    n_channels: int
    block: int
    depth: int
    seconds: float
    fade: float
    ramp: float
    stems: tuple[str, ...]
    lag: int

    @property
    def reserve(self) -> int:
        """Samples of every stem that are kept back for the cross-fade to the mixture."""
        return ceil(self.fade * self.sample_rate)

    @property
    def delay(self) -> int:
        """Samples from the arrival of a sound to its playing, without the devices."""
        return self.lag + self.reserve + self.depth * self.block

    @property
    def capacity(self) -> int:
        """Samples on a tape."""
        least = 8 * max(self.block, self.delay)
        return max(least, ceil(self.seconds * self.sample_rate))

    @property
    def block_seconds(self) -> float:
        """The budget: a block must be separated in this time."""
        return self.block / self.sample_rate


def make_plan(
    settings: SeparationSettings | None = None,
    *,
    sample_rate: int,
    n_channels: int,
    block: int | None = None,
    frames: int = 1,
    depth: int | None = None,
    seconds: float = 12.0,
    fade: float = 0.003,
    ramp: float = 0.02,
) -> Plan:
    """Decide a session's numbers from its model's card.

    Args:
        settings: Model, its synthesis, and the reading of its masks; `vocals` for None.
        sample_rate: Sample rate in Hz.
        n_channels: Number of channels, 1 or more.
        block: Block in samples; None for `frames`.
        frames: Frames of the model's grid in a block.
        depth: 0, 1 or more blocks, see `Plan`; None: one, of a network of windows as many as half
            the time between two windows, each of which is separated in one go.
        seconds: How many seconds of sound the tapes hold.
        fade: Seconds of the cross-fade to the mixture.
        ramp: Seconds of other changes of level.

    Raises:
        InputError: When a number is out of range, a gate is asked for, or the model is too late.
        ModelError: When there is no such model.
    """
    settings = settings or SeparationSettings(catalogue.LIVE)
    if settings.gate:
        raise InputError("a live session has no gate: leave it out")
    card = catalogue.find(settings.model).live.card
    if latency_of(card) > LATEST:
        quick = [row.name for row in overview() if row.stems and row.latency <= LATEST]
        raise InputError(
            f"model '{card.name}' answers {latency_of(card):.1f} s late, too late to listen live: "
            f"take one of {', '.join(quick)}"
        )
    synthesis = settings.synthesis or card.grid.synthesis
    settings = replace(settings, synthesis=synthesis, live=True)
    separator = Separator.with_masks(
        _Silent(card), sample_rate=sample_rate, n_channels=n_channels, settings=settings
    )
    hop, rate = separator.estimator.hop, separator.estimator.sample_rate
    if block is None:
        block = max(SHORTEST, round(frames * hop * sample_rate / rate))
    if not SHORTEST <= block <= sample_rate // 2:
        raise InputError(f"a block of {block} samples: give {SHORTEST} to half a second of them")
    if depth is None:
        between = card.window.step * hop * sample_rate / rate if card.window else 0
        depth = max(1, ceil(between / 2 / block))
    if not 0 <= depth <= 16:
        raise InputError(f"a depth of {depth} blocks: give 0 to 16")
    if not (0 < fade <= 0.1 and 0 < ramp <= 1):
        raise InputError(f"fades of {fade} and {ramp} s: give up to 0.1 and 1 s")
    lag = separator.latency
    if sample_rate == rate:
        # Stems come out in whole hops, as soon as the last sample of a hop is in. `latency` allows
        # for blocks that end anywhere; ours end on multiples of the block.
        lag -= gcd(block, hop)
    return Plan(
        settings=settings,
        sample_rate=sample_rate,
        n_channels=n_channels,
        block=block,
        depth=depth,
        seconds=seconds,
        fade=fade,
        ramp=ramp,
        stems=separator.stems,
        lag=lag,
    )
