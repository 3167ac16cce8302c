"""Make examples from their plans on a device: cut, place, level, transform, limit.

Where nothing is random, the spectra are those of `core.signal.spectrum.analyse`.
"""

from collections.abc import Sequence
from math import pi

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from isolde.core.signal.spectrum import GRID_22, Grid
from isolde.training.mixing.plan import Cut, Plan, Planner
from isolde.training.mixing.settings import MixSettings
from isolde.training.mixing.timeline import Timeline

HOLD = 1536
"""Samples, 70 ms, for which a limiter stays down."""

EDGE_HZ = 200.0
"""By how much the highest frequency of a mixture is cut off below that of its recordings."""

EQUALISER_POINTS = 5


class Mixer:
    """Makes examples on the device of a timeline."""

    def __init__(
        self, timeline: Timeline, settings: MixSettings, *, seed: int, grid: Grid = GRID_22
    ) -> None:
        """Prepare to mix.

        Args:
            timeline: Songs on a device.
            settings: How examples are made.
            seed: Seed of all random numbers.
            grid: Grid of the spectra, at 22,050 Hz.
        """
        self.timeline, self.grid = timeline, grid
        self.device = timeline.device
        self.planner = Planner(timeline.songs, settings, seed=seed)
        self._window = torch.from_numpy(grid.window()).to(self.device)

    def labelled(self, indices: Sequence[int], n_frames: int) -> tuple[Tensor, NDArray[np.bool_]]:
        """Make some examples, and tell where the voice sounds.

        Args:
            indices: Numbers of the examples.
            n_frames: Frames of each.

        Returns:
            Spectra (b, n_stems, 2, n_frames, n_bins) complex64, whose sum over the stems is the
            mixture, a full-scale sine having magnitude 1; and (b, n_frames of `GRID_22`).
        """
        n = (n_frames - 1) * self.grid.hop
        stems = len(self.timeline.stems)
        plans = [self.planner.plan(index, n, stems=stems) for index in indices]
        return self.mix_spectra(plans, n), np.stack([plan.activity for plan in plans])

    @torch.no_grad()
    def mix_spectra(self, plans: Sequence[Plan], n: int) -> Tensor:
        """Make the spectra of planned examples of n samples each, as `labelled` gives them."""
        stems = [self._stem(plans, k, n) for k in range(len(self.timeline.stems))]
        self._widen(stems[0], plans, n)
        sound = torch.stack(stems, 1)
        mono = self._numbers([p.mono for p in plans], sound.ndim) > 0
        sound = torch.where(mono, sound.mean(2, keepdim=True), sound)
        gains = self._numbers([[c.gain_db for c in p.cuts] for p in plans], 2)
        gains = 10 ** (gains / 20)
        apart = self._numbers([p.apart for p in plans], 1) > 0
        own = rms(sound[:, 1]) / rms(sound[:, 0]).clamp(min=1e-3)
        gains[:, 0] *= torch.where(apart, own, 1.0)
        sound = sound * gains[..., None, None]
        sound[:, :, 1] *= 1 - 2 * self._numbers([p.invert for p in plans], 3)
        level = 10 ** (self._numbers([p.level_db for p in plans], 1) / 20)
        level = level / rms(sound.sum(1)).clamp(min=1e-4)
        spectra = self.spectra(sound * level[:, None, None, None])
        self._equalise(spectra, plans)
        over = self._numbers([p.over_db for p in plans], 1)
        spectra = spectra * limiter(spectra.sum(1), over, hold=max(1, HOLD // self.grid.hop))
        return spectra * self._band(plans)

    def spectra(self, sound: Tensor) -> Tensor:
        """Transform (..., n) float32 to (..., n_frames, n_bins) complex64, as `analyse` does."""
        before = self.grid.n_fft - self.grid.reach
        padded = functional.pad(sound.reshape(-1, sound.shape[-1]), (before, self.grid.reach))
        made = torch.stft(
            padded,
            self.grid.n_fft,
            self.grid.hop,
            window=self._window,
            center=False,
            return_complex=True,
        )
        made = made.transpose(1, 2) * self.grid.scale
        return made.reshape(*sound.shape[:-1], -1, self.grid.n_bins)

    def _numbers(self, values: object, ndim: int) -> Tensor:
        """Plain numbers as float32 on the device, with axes of 1 behind them up to `ndim`."""
        made = torch.from_numpy(np.asarray(values, np.float32)).to(self.device)
        return made.reshape(*made.shape, *[1] * (ndim - made.ndim))

    def _stem(self, plans: Sequence[Plan], stem: int, n: int) -> Tensor:
        """One stem of every example as recorded, (b, 2, n)."""
        cuts = [p.cuts[stem] for p in plans]
        sound = self.timeline.cut(stem, *_places(cuts), n)
        swap = self._numbers([c.swap for c in cuts], 3) > 0
        return torch.where(swap, sound.flip(1), sound)

    def _widen(self, voice: Tensor, plans: Sequence[Plan], n: int) -> None:
        """Pan and double, in place, the voices (b, 2, n) that are to stand elsewhere; as loud."""
        rows = [i for i, p in enumerate(plans) if p.width]
        if not rows:
            return
        widths = [w for p in plans if (w := p.width)]
        own = voice[rows]
        panned = pan(own.mean(1), self._numbers([w.place or 0.0 for w in widths], 1))
        moved = self._numbers([w.place is not None for w in widths], 3) > 0
        made = torch.where(moved, panned, own)
        doubled = [i for i, w in enumerate(widths) if w.second]
        if doubled:
            seconds = [c for w in widths if (c := w.second)]
            take = self.timeline.cut(0, *_places(seconds), n).mean(1)
            take = take * 10 ** (self._numbers([c.gain_db for c in seconds], 2) / 20)
            places = self._numbers([widths[i].second_place for i in doubled], 1)
            made[doubled] += pan(take, places)
        voice[rows] = made * (rms(own) / rms(made))[:, None, None]

    def _equalise(self, spectra: Tensor, plans: Sequence[Plan]) -> None:
        """Give each stem its smooth random gain over the bins, in place."""
        points = np.stack([p.equaliser_db for p in plans])
        if not points.any():
            return
        octaves = np.log2(1 + np.arange(self.grid.n_bins))
        known = np.linspace(0, octaves[-1], EQUALISER_POINTS)
        curves = [np.interp(octaves, known, row) for row in points.reshape(-1, len(known))]
        gains = 10 ** (np.stack(curves).reshape(*points.shape[:2], 1, 1, -1) / 20)
        spectra *= self._numbers(gains, spectra.ndim)

    def _band(self, plans: Sequence[Plan]) -> Tensor:
        """Which bins sound, (b, 1, 1, 1, n_bins), 0 or 1."""
        hertz = torch.arange(self.grid.n_bins, device=self.device) * (
            self.grid.sample_rate / self.grid.n_fft
        )
        half = self.grid.sample_rate / 2
        tops = [p.top_hz - EDGE_HZ if p.top_hz < half else np.inf for p in plans]
        inside = (hertz >= self._numbers([p.low_hz for p in plans], 2)) & (
            hertz < self._numbers(tops, 2)
        )
        return inside[:, None, None, None].float()


def rms(sound: Tensor) -> Tensor:
    """Take the root mean square of each example (b, 2, n), above 0 also for silence: (b,)."""
    return (sound.square().mean((-1, -2)) + 1e-12).sqrt()


def pan(sound: Tensor, place: Tensor) -> Tensor:
    """Put sounds (b, n) at places (b,) from -1, left, to 1, right, at equal power: (b, 2, n)."""
    angle = (place + 1) * pi / 4
    gains = 2**0.5 * torch.stack([angle.cos(), angle.sin()], 1)
    return gains[..., None] * sound[:, None]


def limiter(mixture: Tensor, over_db: Tensor, *, hold: int) -> Tensor:
    """Compute the gains of limiters, which fall at once and rise after a hold time.

    Args:
        mixture: (b, 2, n_frames, n_bins), spectra.
        over_db: (b,), by how much each works under its loudest frame; 0: not at all.
        hold: Frames for which it stays down.

    Returns:
        (b, 1, 1, n_frames, 1) in [0, 1]: the same on all stems keep the sum a sum.
    """
    level = (mixture.abs().square().sum((1, 3)) + 1e-18).sqrt()
    most = level.amax(1, keepdim=True) * 10 ** (-over_db[:, None] / 20)
    gains = torch.where(over_db[:, None] > 0, (most / level).clamp(max=1), 1.0)
    before = functional.pad(-gains[:, None], (hold - 1, 0), value=-1.0)
    held = -functional.max_pool1d(before, hold, 1)[:, 0]
    return held[:, None, None, :, None]


def _places(cuts: Sequence[Cut]) -> tuple[Tensor, Tensor, Tensor]:
    """Starts, ends and speeds of cuts, (b,) each."""
    starts = torch.tensor([c.start for c in cuts])
    ends = torch.tensor([c.end for c in cuts])
    speeds = torch.tensor([c.speed for c in cuts], dtype=torch.float64)
    return starts, ends, speeds
