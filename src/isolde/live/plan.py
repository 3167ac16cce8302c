"""The numbers of one live session, fixed before it starts; it opens nothing.

Positions are samples since the start of the stream, at the stream's own rate.
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
"""Longest latency of a model in seconds with which one can still listen live."""

FADE_SECONDS = 0.003
"""Duration of a cross-fade to the mixture when a block is late; part of the latency."""

RAMP_SECONDS = 0.02
"""Duration of every other change of level."""

SHORTEST = 16
"""Samples of the shortest block."""


class _Silent:
    """A masker like a model's, without its network, for a separator that tells its latency."""

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
    """The numbers of a session.

    Attributes:
        settings: Model, its synthesis, and the reading of its masks at the start.
        sample_rate: Sample rate of the stream in Hz.
        n_channels: Number of channels of the stream.
        block: Block in samples that is read and written at once.
        depth: Number of blocks of time that the separator has for a block; 0: the device waits.
        seconds: Seconds of sound that the tapes hold.
        stems: Names of the stems, the residual last.
        lag: Samples by which the separator trails when it is fed whole blocks.
    """

    settings: SeparationSettings
    sample_rate: int
    n_channels: int
    block: int
    depth: int
    seconds: float
    stems: tuple[str, ...]
    lag: int

    @property
    def reserve(self) -> int:
        """Samples of each stem that are kept back for the cross-fade to the mixture."""
        return ceil(FADE_SECONDS * self.sample_rate)

    @property
    def ramp(self) -> int:
        """Samples of every other change of level."""
        return int(RAMP_SECONDS * self.sample_rate)

    @property
    def delay(self) -> int:
        """Samples from the arrival of a sound to its playing, without the devices."""
        return self.lag + self.reserve + self.depth * self.block

    @property
    def capacity(self) -> int:
        """Samples that a tape holds."""
        least = 8 * max(self.block, self.delay)
        return max(least, ceil(self.seconds * self.sample_rate))

    @property
    def block_seconds(self) -> float:
        """Seconds of a block, in which it must be separated."""
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
) -> Plan:
    """Derive the numbers of a session from its model's card.

    Args:
        settings: Model, its synthesis, and the reading of its masks; None for `vocals`.
        sample_rate: Sample rate in Hz.
        n_channels: Number of channels, 1 or more.
        block: Block in samples; None for `frames`.
        frames: Number of frames of the model's grid in a block.
        depth: Number of blocks, see `Plan`; None: 1, but for a network of windows half the time
            between two windows, since each window is separated at once.
        seconds: Seconds of sound that the tapes hold.

    Raises:
        InputError: A number is out of range, a gate is asked for, or the model is too late.
        ModelError: There is no such model.
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
    said = f"a block of {block} samples"
    if block is None:
        block = max(SHORTEST, round(frames * hop * sample_rate / rate))
        said = f"a block of {frames} frames, which are {block} samples"
    if not SHORTEST <= block <= sample_rate // 2:
        raise InputError(f"{said}: give {SHORTEST} samples to half a second")
    if depth is None:
        between = card.window.step * hop * sample_rate / rate if card.window else 0
        depth = max(1, ceil(between / 2 / block))
    if not 0 <= depth <= 16:
        raise InputError(f"a depth of {depth} blocks: give 0 to 16")
    lag = separator.latency
    if sample_rate == rate:
        # Stems come out in whole hops, as soon as the last sample of a hop is in. `latency` allows
        # for blocks that end anywhere; these end on multiples of the block.
        lag -= gcd(block, hop)
    return Plan(
        settings=settings,
        sample_rate=sample_rate,
        n_channels=n_channels,
        block=block,
        depth=depth,
        seconds=seconds,
        stems=separator.stems,
        lag=lag,
    )
