"""Spectra to what a network is fed with, frame by frame; it holds no state and knows no network.

The article speaks of a half spectrum of 513 bins with "Mel scale interpolation", and not of how
the numbers are scaled. Here magnitudes are compressed, log(1 + scale |X|), each frame on its own,
so that a frame's features are the same wherever it stands in a window; per-bin means and
deviations are constants of the network. docs/lab/ablation.md measures each choice.
"""

from dataclasses import dataclass

import numpy as np

from isolde.core.errors import InputError
from isolde.core.signal.mel import from_mel, to_mel
from isolde.core.stage import Complex64, Float32

SIGNALS = ("mid", "each", "stereo", "pair")
PAIRED = ("stereo", "pair")
"""Those for which two channels are one stream."""


@dataclass(frozen=True)
class Features:
    """How spectra become features.

    Attributes:
        signal: "mid", one answer from the mean of the channels for all of them; "each", every
            channel alone; "stereo", pairs of channels with their mean and half difference; "pair",
            pairs of channels as they are, not compressed.
        scale: Factor before the logarithm; a full-scale sine has magnitude 1.
        mel: Whether frames are interpolated to as many points at equal distances in Mel.
    """

    signal: str = "mid"
    scale: float = 2560.0
    mel: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be computed."""
        if self.signal not in SIGNALS:
            raise InputError(f"signal '{self.signal}' is unknown: take one of {', '.join(SIGNALS)}")
        if self.mel and self.signal in PAIRED:
            raise InputError("features of pairs of channels have no Mel form: leave mel off")
        if not 0 < self.scale < float("inf"):
            raise InputError(f"scale {self.scale}: give a number above 0")

    def __call__(self, spectra: Complex64) -> Float32:
        """Compute the features of some frames.

        Args:
            spectra: (n_channels, n_frames, n_bins).

        Returns:
            (1 for "mid", n_channels for "each"; n_frames, n_bins), 0 where there is no sound; for
            "stereo" (pairs, n_frames, (n_bins - 1) x 4): left, right, mid and side of a bin side by
            side, without the bin at half the sample rate; for "pair" (pairs, n_frames,
            2 x (n_bins - 1)), magnitudes, left's before right's. A channel without a partner is its
            own.
        """
        if self.signal == "mid":
            spectra = spectra.mean(axis=0, keepdims=True)
        elif self.signal in PAIRED:
            spectra = spectra[:, :, :-1]
            left = spectra[::2]
            right = np.concatenate([spectra[1::2], spectra[len(spectra) // 2 * 2 :]])
            if self.signal == "pair":
                return np.concatenate([np.abs(left), np.abs(right)], axis=-1)
            four = np.stack([left, right, (left + right) / 2, (left - right) / 2], axis=-1)
            return self.compressed(np.abs(four)).reshape(*left.shape[:2], 4 * left.shape[2])
        return self.compressed(np.abs(spectra))

    def streams(self, n_channels: int) -> int:
        """Say how many streams the network sees of a song of so many channels."""
        if self.signal in PAIRED:
            return (n_channels + 1) // 2
        return 1 if self.signal == "mid" else n_channels

    def compressed(self, magnitudes: Float32) -> Float32:
        """Compute the features of magnitudes (..., n_bins), of the same shape."""
        if self.mel:
            magnitudes = magnitudes @ to_mel(magnitudes.shape[-1]).T
        scaled = np.float32(self.scale) * magnitudes
        scaled += np.float32(1)  # log1p costs four times as much, for digits below 1e-7 of the sum
        features: Float32 = np.log(scaled, out=scaled)
        return features

    def on_bins(self, mask: Float32) -> Float32:
        """Bring a network's mask (..., n_bins) back to the linear bins."""
        return mask @ from_mel(mask.shape[-1]).T if self.mel else mask
