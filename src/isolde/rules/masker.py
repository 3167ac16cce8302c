"""The rules as a masker: mixture spectra in, masks out, in blocks at fixed places of the song.

Block b gives the masks of frames [b * core, (b + 1) * core) and uses up to `margin` more frames on
either side. Blocks are counted from the song's first frame, so the masks do not depend on how the
song is fed, and memory does not depend on its length. The price is latency: a block's first mask
waits for its last frame and the margin after it.
"""

import numpy as np

from isolde.core.errors import InputError, MissingExtraError
from isolde.core.signal.spectrum import GRID_22
from isolde.core.stage import Complex64, Float32
from isolde.rules.constants import Rules
from isolde.rules.mask import voice_mask
from isolde.rules.pitch import FRAME_SECONDS, Track, centre_weight, follow


class HarmonicMasker:
    """Naive vocal isolation V1.0; fulfils `masker.Masker`."""

    stems: tuple[str, ...] = ("vocals",)
    residual = "accompaniment"
    grid = GRID_22
    n_bins = GRID_22.n_bins

    def __init__(self, rules: Rules | None = None, *, n_channels: int) -> None:
        """Start a stream.

        Args:
            rules: Constants; None for the tuned ones.
            n_channels: Number of channels of the mixture; all get the same mask.

        Raises:
            InputError: There is no channel.
        """
        if n_channels < 1:
            raise InputError(f"{n_channels} channels cannot be separated: give at least 1")
        self.rules, self.n_channels = rules or Rules(), n_channels
        self._core = max(1, round(self.rules.block_seconds / FRAME_SECONDS))
        self._margin = max(1, round(self.rules.margin_seconds / FRAME_SECONDS))
        self.reset()

    @property
    def latency(self) -> int:
        """Frames: a block's first mask waits for the rest of the block and the margin."""
        return self._core + self._margin - 1

    def reset(self) -> None:
        """Start another song."""
        self._held: list[tuple[Complex64, Float32]] = []  # the channels' mean, its centre weight
        self._n_held = 0  # frames held, from frame `_first` of the song on
        self._first = 0
        self._next = 0  # the frame whose mask is given next

    def feed(self, spectra: Complex64, /) -> Float32:
        """Take spectra (n_channels, n, 513); return the masks (1, 1, m, 513) that are ready.

        Raises:
            InputError: The shape does not fit.
            MissingExtraError: The package librosa is not installed.
        """
        if spectra.ndim != 3 or spectra.shape[::2] != (self.n_channels, self.n_bins):
            raise InputError(
                f"spectra of shape {spectra.shape} do not fit: "
                f"give ({self.n_channels}, n_frames, {self.n_bins})"
            )
        self._held.append(weigh_bins(spectra, self.rules))
        self._n_held += spectra.shape[1]
        masks = [np.zeros((0, self.n_bins), np.float32)]
        while self._first + self._n_held >= self._next + self._core + self._margin:
            masks.append(self._block(self._core))
        return np.concatenate(masks)[None, None]

    def flush(self) -> Float32:
        """Return the remaining masks (1, 1, m, 513)."""
        masks = [np.zeros((0, self.n_bins), np.float32)]
        while (owed := self._first + self._n_held - self._next) > 0:
            masks.append(self._block(min(owed, self._core)))
        return np.concatenate(masks)[None, None]

    def _block(self, n: int) -> Float32:
        """Masks of the next `n` frames; drop frames that no later block uses."""
        mid, weight = (np.concatenate(parts) for parts in zip(*self._held, strict=True))
        start = self._next - self._first
        end = start + n + self._margin
        mask, _ = listen(mid[:end], weight[:end], self.rules)
        self._next += n
        drop = max(0, start + n - self._margin)
        self._held, self._n_held = [(mid[drop:], weight[drop:])], len(mid) - drop
        self._first += drop
        return mask[start : start + n]


def weigh_bins(spectra: Complex64, rules: Rules) -> tuple[Complex64, Float32]:
    """Mix the channels, and weigh each bin by its share in the centre.

    Args:
        spectra: Spectra (n_channels, n, 513).
        rules: The constants.

    Returns:
        The mean of the channels (n, 513), and a weight (n, 513) in [0, 1].
    """
    mid = np.asarray(spectra.mean(axis=0), np.complex64)
    weight = centre_weight(spectra) if rules.centre else np.ones(mid.shape, np.float32)
    return mid, weight


def listen(mid: Complex64, weight: Float32, rules: Rules) -> tuple[Float32, Track]:
    """Apply all five steps to some seconds of sound.

    Args:
        mid: Spectra (n, 513) of the channels' mean, from `weigh_bins`.
        weight: Weight (n, 513) of each bin in [0, 1], likewise.
        rules: The constants.

    Returns:
        The mask (n, 513) in [0, 1], and the track that it was made from.

    Raises:
        MissingExtraError: The package librosa is not installed.
    """
    sound = mid * weight
    track = follow(sound, rules)
    return voice_mask(np.abs(sound), track, rules) * weight, track


def make_rules_masker(n_channels: int, *, rules: Rules | None = None) -> HarmonicMasker:
    """Make the masker of the model "rules"; fail at once if librosa is missing.

    Args:
        n_channels: Number of channels of the mixture.
        rules: Constants; None for the tuned ones.

    Raises:
        InputError: There is no channel.
        MissingExtraError: The package librosa is not installed.
    """
    from importlib.util import find_spec

    if find_spec("librosa") is None:
        raise MissingExtraError("librosa", extra="rules", purpose="the model 'rules'")
    return HarmonicMasker(rules, n_channels=n_channels)
