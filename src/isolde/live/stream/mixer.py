"""Mixes stems and mixture to the output, with ramps instead of steps; it opens no device.

The output for stems s_i and the mixture x (which is their sum) is

    y = m (w (d sum_i g_i s_i + (1 - d) x) + (1 - w) x)

with a gain g_i for each stem, dry/wet d, the master m for mute, pause and seek, and w, which falls
to 0 where a stem is late. All are ramps: a straight line from the present value to the target.
"""

from collections.abc import Mapping

import numpy as np

from isolde.core.errors import InputError
from isolde.core.stage import Float32


class Ramp:
    """Values that move to their target in straight lines."""

    def __init__(self, values: list[float], *, samples: int) -> None:
        """Start at `values`; a change takes `samples`."""
        self._now = np.array(values, np.float64)
        self._target = self._now.copy()
        self._left = 0
        self._samples = samples

    @property
    def target(self) -> list[float]:
        """Where the values go."""
        return [float(v) for v in self._target]

    @property
    def settled(self) -> bool:
        """Whether the target has been reached."""
        return self._left == 0

    def to(self, values: list[float], *, samples: int | None = None) -> None:
        """Move to `values` from where they are; nothing happens when they are the target."""
        if self.target == values and (samples is None or self._left <= samples):
            return
        self._target = np.array(values, np.float64)
        self._left = self._samples if samples is None else samples
        if self._left == 0:
            self._now = self._target.copy()

    def take(self, n: int) -> Float32:
        """Give the next values: (n_values, n) while they move, else (n_values, 1)."""
        if not self._left:
            return self._now[:, None].astype(np.float32)
        moving = min(n, self._left)
        step = (self._target - self._now) / self._left
        at = np.minimum(np.arange(1, n + 1), moving)
        line = self._now[:, None] + step[:, None] * at
        self._left -= moving
        if not self._left:
            line[:, moving - 1 :] = self._target[:, None]
        self._now = line[:, -1].copy()
        return line.astype(np.float32)


class LiveMixer:
    """Gains of the stems, dry/wet, mute and the fall-back to the mixture.

    Attributes:
        stems: Names of the stems, the residual last.
        muted: Whether the output is silent.
    """

    def __init__(self, stems: tuple[str, ...], n_channels: int, *, ramp: int) -> None:
        """Begin with the first stem alone.

        Args:
            stems: Names, the residual last.
            n_channels: Number of channels of each.
            ramp: Ramp in samples that a change takes.
        """
        self.stems, self._n_channels = stems, n_channels
        self._gains = Ramp([1.0] + [0.0] * (len(stems) - 1), samples=ramp)
        self._wet = Ramp([1.0], samples=ramp)
        self._master = Ramp([1.0], samples=ramp)
        self._present = Ramp([0.0], samples=ramp)  # 1: stems are heard; 0: they are late
        self.muted, self._ramp = False, ramp

    @property
    def gains(self) -> dict[str, float]:
        """The target gain of each stem."""
        return dict(zip(self.stems, self._gains.target, strict=True))

    @property
    def wet(self) -> float:
        """1: stems; 0: the mixture as it came."""
        return self._wet.target[0]

    @wet.setter
    def wet(self, value: float) -> None:
        if not 0 <= value <= 1:
            raise InputError(f"dry/wet {value} is out of range: 0 is the mixture, 1 the stems")
        self._wet.to([float(value)])

    @property
    def on_stems(self) -> bool:
        """Whether stems are played or faded to, and not the mixture in place of late stems."""
        return self._present.target[0] > 0

    def settle(self) -> None:
        """Set gains and dry/wet to their targets at once, before the first sample."""
        self._gains.to(self._gains.target, samples=0)
        self._wet.to(self._wet.target, samples=0)

    def begin(self) -> None:
        """Begin with stems, not the mixture: for a stream whose stems are never late."""
        self._present.to([1.0], samples=0)

    @property
    def silent(self) -> bool:
        """Whether the master is at 0: muted, paused or before a seek."""
        return self._master.settled and self._master.target == [0.0]

    def solo(self, what: str) -> None:
        """Fade to one stem, or to "mix", all of them.

        Raises:
            InputError: When there is no such stem.
        """
        if what != "mix" and what not in self.stems:
            raise InputError(f"'{what}' is no stem: take one of mix, {', '.join(self.stems)}")
        self.set_gains({s: float(what in ("mix", s)) for s in self.stems})

    def set_gains(self, gains: Mapping[str, float]) -> None:
        """Fade some stems to new gains, 0 to 4.

        Raises:
            InputError: When there is no such stem, or a gain is out of range.
        """
        for stem, gain in gains.items():
            if stem not in self.stems:
                raise InputError(f"'{stem}' is no stem: take one of {', '.join(self.stems)}")
            if not 0 <= gain <= 4:
                raise InputError(f"a gain of {gain} for {stem}: give 0 to 4")
        wanted = {**self.gains, **gains}
        self._gains.to([float(wanted[stem]) for stem in self.stems])

    def process(
        self,
        stems: Float32,
        mixture: Float32,
        *,
        here: int,
        present: bool,
        silent: bool = False,
        fade: int | None = None,
    ) -> Float32:
        """Mix one block.

        Args:
            stems: Stems (n_stems * n_channels, n); 0 beyond `here`.
            mixture: Mixture (n_channels, n) of the same time.
            here: Number of samples of the stems that are there.
            present: Whether they will be there after this block too; if not, they fade out now.
            silent: Whether to fade to silence, for a pause or a seek; `muted` does so by itself.
            fade: Samples of a fade to silence or to the mixture; None: `ramp`, or the block.

        Returns:
            (n_channels, n).
        """
        n = mixture.shape[1]
        if present:
            self._present.to([1.0])
        else:
            self._present.to([0.0], samples=here if here < n else min(n, fade or n))
        if silent:
            self._master.to([0.0], samples=self._ramp if fade is None else min(fade, self._ramp))
        else:
            self._master.to([0.0 if self.muted else 1.0])
        gains, wet = self._gains.take(n), self._wet.take(n)
        level, master = self._present.take(n), self._master.take(n)
        shape = (len(self.stems), self._n_channels, n)
        share = level * wet
        out = self._sum(gains, stems.reshape(shape))
        if (share != 1).any():
            out = share * out + (1 - share) * mixture
        if (master != 1).any():
            out *= master
        return out

    @staticmethod
    def _sum(gains: Float32, stems: Float32) -> Float32:
        """Sum stems (n_stems, n_channels, n), weighted with gains (n_stems, 1 or n)."""
        out = np.zeros(stems.shape[1:], np.float32)
        for gain, stem in zip(gains, stems, strict=True):
            if gain.any():
                out += gain * stem
        return out
