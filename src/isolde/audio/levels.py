"""Limits and counts samples that a format cannot hold; never rescales."""

from typing import Literal

import numpy as np

from isolde.core.errors import AudioError, InputError
from isolde.core.names import counted
from isolde.core.stage import Float32

ClipPolicy = Literal["warn", "clip", "error"]
"""What happens to samples beyond full scale where a format cannot hold them, see `AudioWriter`."""


def clipped_text(n_clipped: int, peak: float) -> str:
    """Return a text with the number of clipped samples and their peak."""
    level = f"peak {peak:.3f} (+{20 * np.log10(peak):.1f} dB)"
    return f"{counted(n_clipped, 'sample')} clipped, {level}"


class Limiter:
    """Limits the samples of blocks that a format cannot hold, as a policy says.

    Attributes:
        n_clipped: Samples beyond [-1, 1] that the format cannot hold, and that were limited.
        n_nonfinite: NaN and infinite samples that were replaced by 0.
        peak: The largest magnitude so far of the finite samples.
    """

    def __init__(self, name: str, subtype: str, clip: ClipPolicy) -> None:
        """Start a file.

        Args:
            name: What to call it in messages.
            subtype: How its samples are stored; "FLOAT" holds any level.
            clip: See `AudioWriter`.

        Raises:
            InputError: There is no such policy.
        """
        if clip not in ("warn", "clip", "error"):
            raise InputError(f"a clip policy '{clip}': choose warn, clip or error")
        self.n_clipped, self.n_nonfinite, self.peak = 0, 0, 0.0
        self._name, self._subtype, self._clip = name, subtype, clip

    def apply(self, block: Float32) -> Float32:
        """Replace NaN, measure the peak, and limit as the policy says.

        Args:
            block: float32 (n_channels, n), n above 0; it is not changed.

        Raises:
            AudioError: With the policy "error", samples that the format cannot hold.
        """
        peak = float(max(block.max(), -block.min()))  # NaN if there is one
        if not np.isfinite(peak):
            finite = np.isfinite(block)
            count = int(block.size - finite.sum())
            if self._clip == "error":
                raise AudioError(
                    f"{self._name}: {count} samples are NaN or infinite: find out where they come "
                    "from, or choose another clip policy"
                )
            self.n_nonfinite += count
            block = np.where(finite, block, np.float32(0))
            peak = float(np.abs(block).max())
        self.peak = max(self.peak, peak)
        if peak <= 1.0 or self._subtype == "FLOAT":
            return block
        count = int((np.abs(block) > 1).sum())
        if self._clip == "error":
            raise AudioError(
                f"{self._name}: {count} samples exceed full scale (peak {peak:.3f}), which "
                f"{self._subtype} cannot hold: lower the level, or write 32-bit float wav"
            )
        self.n_clipped += count
        return np.clip(block, -1, 1)

    def note(self) -> str | None:
        """Return a line about what was limited or replaced; None if there is nothing to tell.

        With the policy "clip" limiting is not mentioned; NaN always is.
        """
        parts = []
        if self.n_clipped and self._clip == "warn":
            parts.append(clipped_text(self.n_clipped, self.peak))
        if self.n_nonfinite:
            parts.append(f"{counted(self.n_nonfinite, 'NaN or infinite sample')} became 0")
        return f"{self._name}: {'; '.join(parts)}" if parts else None
