"""The separator: mixture blocks in, stems out, at the mixture's own rate, channels and length.

It writes no file. All stems but one are masked out of the mixture; the last, the residual, is the
mixture less those, so that the stems always sum to it.
"""

from collections.abc import Callable, Iterable
from math import ceil

import numpy as np

from isolde.audio import Resampler
from isolde.core.errors import InputError
from isolde.core.masks import extend_treble, readout
from isolde.core.spectrum import N_MODEL_BINS, Analysis, Synthesis, grid_for
from isolde.core.stage import Complex64, Float32, check_block
from isolde.models.masker import Masker
from isolde.separation.settings import SeparationSettings

Stems = dict[str, Float32]


class _Queue:
    """Blocks joined along one axis, taken from the front."""

    def __init__(self, axis: int) -> None:
        self._axis, self._parts = axis, list[np.ndarray]()
        self.n = 0

    def put(self, block: np.ndarray) -> None:
        if block.shape[self._axis]:
            self._parts.append(block)
            self.n += block.shape[self._axis]

    def take(self, n: int, like: np.ndarray) -> np.ndarray:
        """The first `n`; of the shape of `like` when there are none."""
        whole = np.concatenate([np.take(like, [], axis=self._axis), *self._parts], axis=self._axis)
        first, rest = np.split(whole, [n], axis=self._axis)
        self._parts = [rest]
        self.n = rest.shape[self._axis]
        return first


class Separator:
    """A stream of mixture blocks to a stream of stems."""

    def __init__(
        self,
        masker: Masker,
        *,
        sample_rate: int,
        n_channels: int,
        settings: SeparationSettings | None = None,
    ) -> None:
        """Start a stream.

        Args:
            masker: Stage that gives the masks.
            sample_rate: Sample rate of the mixture in Hz.
            n_channels: Number of channels of the mixture.
            settings: Reading of the masks and synthesis ("long" unless they say "short"); which
                model and gate the masker has is the caller's affair.

        Raises:
            InputError: The sample rate is too low.
        """
        settings = settings or SeparationSettings()
        if sample_rate < 1000:
            raise InputError(f"a sample rate of {sample_rate} Hz is too low: give 1000 Hz or more")
        self._masker = masker
        self._read: Callable[[Float32], Float32] = lambda values: readout(
            values, settings.mask, threshold=settings.threshold, strength=settings.strength
        )
        self.sample_rate, self.n_channels = sample_rate, n_channels
        self.stems = (*masker.stems, masker.residual)
        self.grid = grid_for(sample_rate, settings.synthesis or "long")
        self._inward = Resampler(sample_rate, self.grid.sample_rate, n_channels)
        self._outward = [
            Resampler(self.grid.sample_rate, sample_rate, n_channels) for _ in masker.stems
        ]
        self._analysis = Analysis(self.grid, n_channels)
        self._syntheses = [Synthesis(self.grid, n_channels) for _ in masker.stems]
        self._start()

    @property
    def latency(self) -> int:
        """Samples at the mixture's rate: sample k is out once k + latency samples are in."""
        frames = self._masker.latency * self.grid.hop
        on_grid = self.grid.latency + frames + self._outward[0].latency
        if self.sample_rate == self.grid.sample_rate:
            return on_grid
        return self._inward.latency + ceil(on_grid * self.sample_rate / self.grid.sample_rate) + 1

    def reset(self) -> None:
        """Begin anew."""
        self._masker.reset()
        self._inward.reset()
        self._analysis.reset()
        for synthesis, outward, _ in self._voices():
            synthesis.reset()
            outward.reset()
        self._start()

    def _start(self) -> None:
        self._mixture, self._spectra = _Queue(1), _Queue(1)
        self._ready = [_Queue(1) for _ in self._masker.stems]
        self._n_on_grid = 0
        self._none = np.zeros((self.n_channels, 0), np.float32)

    def feed(self, block: Float32, /) -> Stems:
        """Take samples (n_channels, n) in [-1, 1]; give what is ready of each stem.

        Raises:
            InputError: when the block has another number of channels, or holds NaN or infinity.
        """
        check_block(block, n_channels=self.n_channels, finite="mixture")
        self._mixture.put(block.astype(np.float32))
        resampled = self._inward.feed(block)
        self._n_on_grid += resampled.shape[1]
        self._separate(self._analysis.feed(resampled))
        return self._give(min(self._mixture.n, *(q.n for q in self._ready)))

    def flush(self) -> Stems:
        """Give the rest of each stem, so that all are as long as the mixture."""
        resampled = self._inward.flush()
        self._n_on_grid += resampled.shape[1]
        for synthesis in self._syntheses:
            synthesis.end_at(self._n_on_grid)
        self._separate(self._analysis.feed(resampled))
        self._separate(self._analysis.flush())
        self._apply(self._masker.flush())
        for synthesis, outward, ready in self._voices():
            rest = synthesis.flush() if self._n_on_grid else self._none
            ready.put(outward.feed(rest))
            ready.put(outward.flush())
            missing = self._mixture.n - ready.n  # there and back again may round to a sample less
            ready.put(np.zeros((self.n_channels, max(0, missing)), np.float32))
        return self._give(self._mixture.n)

    def whole(self, blocks: Iterable[Float32]) -> Stems:
        """Each stem of a song that is fed from here to its end."""
        parts = [*(self.feed(block) for block in blocks), self.flush()]
        return {stem: np.concatenate([p[stem] for p in parts], axis=1) for stem in self.stems}

    def _voices(self) -> list[tuple[Synthesis, Resampler, _Queue]]:
        return list(zip(self._syntheses, self._outward, self._ready, strict=True))

    def _separate(self, spectra: Complex64) -> None:
        self._spectra.put(spectra)
        self._apply(self._masker.feed(spectra[:, :, :N_MODEL_BINS]))

    def _apply(self, masks: Float32) -> None:
        """Mask the oldest frames, which these masks are for, and go back to samples."""
        n = masks.shape[2]
        if not n:
            return
        like = np.zeros((self.n_channels, 0, self.grid.n_bins), np.complex64)
        spectra = self._spectra.take(n, like)
        for mask, (synthesis, outward, ready) in zip(masks, self._voices(), strict=True):
            whole = extend_treble(self._read(mask), self.grid.n_bins)
            ready.put(
                outward.feed(synthesis.feed((spectra * whole).astype(np.complex64, copy=False)))
            )

    def _give(self, n: int) -> Stems:
        mixture = self._mixture.take(n, self._none)
        parts = [ready.take(n, self._none) for ready in self._ready]
        rest = mixture - sum(parts)
        return dict(zip(self.stems, (*parts, rest), strict=True))
