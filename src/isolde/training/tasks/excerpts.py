"""Examples from songs as they are: every stretch once an epoch, in random order; nothing is mixed.

This is how the article's examples were made: a window at every frame of every song. The order is
drawn anew for each epoch from the seed, so example i needs no state and a run resumes anywhere.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isolde.core.errors import InputError
from isolde.core.signal.spectrum import GRID_22, analyse
from isolde.core.stage import Complex64, Float32
from isolde.datasets.mixing.library import FULL_SCALE, Entry, Int16
from isolde.training.tasks.base import STATISTICS_FIRST


class Stretches:
    """Examples from songs that have both a voice and a backing."""

    def __init__(self, entries: Sequence[Entry], *, frames: int, seed: int) -> None:
        """Prepare to draw.

        Args:
            entries: Songs, of which those without voice or backing are left out.
            frames: Answers of an example, and the distance from one to the next.
            seed: Seed of the order.

        Raises:
            InputError: No song has both.
        """
        self._songs = [e for e in entries if e.vocals is not None and e.accompaniment is not None]
        counts = [len(e.activity) // frames for e in self._songs]
        if not sum(counts):
            raise InputError("no song has both a voice and a backing: add folders of such songs")
        self._ends, self._frames, self._seed = np.cumsum(counts), frames, seed
        self._epoch, self._order = -1, np.zeros(0, np.int64)

    def __len__(self) -> int:
        """Examples of an epoch."""
        return int(self._ends[-1])

    def labelled(self, indices: Sequence[int], n_frames: int) -> tuple[Tensor, NDArray[np.bool_]]:
        """Give spectra (b, 2, 1, n_frames, 513) of voice and backing, and where the voice sounds.

        The example's own frames are in the middle; silence stands before and after a song.
        """
        made, sounds = zip(*(self._one(index, n_frames) for index in indices), strict=True)
        return torch.from_numpy(np.stack(made)[:, :, None]), np.stack(sounds)

    def _one(self, index: int, n_frames: int) -> tuple[Complex64, NDArray[np.bool_]]:
        place = self._place(index)
        i = int(np.searchsorted(self._ends, place, side="right"))
        song = self._songs[i]
        assert song.vocals is not None and song.accompaniment is not None
        within = place - (int(self._ends[i - 1]) if i else 0)
        first = within * self._frames - (n_frames - self._frames) // 2
        both = np.stack([_cut(part, first, n_frames) for part in (song.vocals, song.accompaniment)])
        margin = GRID_22.n_fft // 2 // GRID_22.hop
        spectra = analyse(both, GRID_22)[:, margin : margin + n_frames]
        frames = np.arange(first, first + n_frames)
        inside = (frames >= 0) & (frames < len(song.activity))
        sounds = inside & song.activity[np.clip(frames, 0, len(song.activity) - 1)]
        return spectra, sounds

    def _place(self, index: int) -> int:
        """Number of the stretch that is example `index`."""
        if index >= STATISTICS_FIRST:
            return int(np.random.default_rng([self._seed, index]).integers(len(self)))
        epoch, position = divmod(index, len(self))
        if epoch != self._epoch:
            rng = np.random.default_rng([self._seed, epoch])
            self._epoch, self._order = epoch, rng.permutation(len(self))
        return int(self._order[position])


def _cut(part: Int16, first: int, n_frames: int) -> Float32:
    """The mean of the channels around frames first : first + n_frames, half a window to spare."""
    start = first * GRID_22.hop - GRID_22.n_fft // 2
    stop = (first + n_frames - 1) * GRID_22.hop + GRID_22.n_fft // 2
    piece = part[:, max(0, start) : max(0, stop)].mean(axis=0) / FULL_SCALE
    behind = max(0, stop - max(0, start) - len(piece))
    return np.pad(piece, (max(0, -start), behind)).astype(np.float32)
