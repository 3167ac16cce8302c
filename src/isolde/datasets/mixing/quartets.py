"""Endless new mixes of vocals, drums, bass and other, each example from its own seed.

A mix is one song's own four stems, or four songs' at the levels that each has in its own song.
"""

from collections.abc import Sequence

import numpy as np

from isolde.core.errors import InputError
from isolde.core.spectrum import GRID_22, Grid
from isolde.core.stage import Complex64
from isolde.datasets.mixing.effects import in_a_room
from isolde.datasets.mixing.library import Entry, Int16
from isolde.datasets.mixing.shaping import chances, cut
from isolde.datasets.mixing.voices import Remix

QUARTET = ("vocals", "drums", "bass", "other")


class Quartets:
    """Makes examples from the entries that have all four stems."""

    def __init__(
        self, entries: Sequence[Entry], settings: Remix, *, seed: int, grid: Grid = GRID_22
    ) -> None:
        """Prepare to draw.

        Args:
            entries: of a library that was asked for `QUARTET`.
            settings: how examples are made; voices are not looked for.
            seed: of all that is random.
            grid: of the spectra: `GRID_22`, or the same with the short synthesis.

        Raises:
            InputError: when no entry has all four.
            MissingExtraError: when the settings ask for something that is not installed.
        """
        settings.ready()
        self.settings, self.seed, self.grid = settings, seed, grid
        songs = [tuple(getattr(e, stem) for stem in QUARTET) for e in entries]
        kept = [(e.top_hz, stems) for e, stems in zip(entries, songs, strict=True) if all(
            stem is not None for stem in stems)]  # fmt: skip
        if not kept:
            raise InputError("a library needs songs with vocals, drums, bass and other: add some")
        self._songs: list[tuple[float, tuple[Int16, ...]]] = kept
        self._chances = chances([stems[0] for _, stems in kept])

    def sources(self, index: int, n_frames: int) -> Complex64:
        """Example `index` in stereo: (4, 2, n_frames, 513) in the order of `QUARTET`."""
        rng, s = np.random.default_rng([self.seed, index]), self.settings
        n = (n_frames - 1) * GRID_22.hop
        together = rng.random() < s.same_song
        sounds, tops = [], []
        for which in range(len(QUARTET)):
            if not which or not together:
                top_hz, song = self._songs[int(rng.choice(len(self._songs), p=self._chances))]
                start = int(rng.integers(max(1, song[0].shape[1] - n)))
                playing, sides = s.playing(rng), s.sides(rng, stereo=True)
            gain = 10 ** (rng.normal(0, s.jitter_db) / 20)
            sound = cut(song[which], start, playing.needs(n), playing.speed, sides)
            sound = playing.heard(sound, n)
            if not which and s.reverb and rng.random() < s.reverb:
                sound = in_a_room(sound, rng, rooms=len(set(sides)))
            sounds.append(sound * np.float32(gain))
            tops.append(top_hz)
        if rng.random() < s.no_voice:
            sounds[0] *= 0
        return s.mixed(np.stack(sounds), n_frames, rng, top_hz=min(tops), grid=self.grid)
