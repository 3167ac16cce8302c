"""Pairs that do not belong together, the last four silent. Case i depends on i and the songs."""

import damage
import numpy as np
from case import Case
from songs import SAMPLED, Songs

from isolde.core.stage import Float32

SILENT = 4  # of the last cases
THEMES = (
    "other song", "same artist", "same song, other bars", "live", "other instrumental", "silence",
)  # fmt: skip


class WrongCase:
    """Makes a pair of one kind."""

    def __init__(self, number: int, songs: Songs, *, silent: bool) -> None:
        """Choose the theme."""
        self._rng = np.random.default_rng([2, number])
        self._number, self._songs = number, songs
        self._theme = "silence" if silent else THEMES[number % (len(THEMES) - 1)]

    def make(self) -> Case:
        """Make the case."""
        if self._theme in ("live", "silence"):
            return self._of_one_song()
        if self._theme == "same song, other bars":
            return self._other_bars()
        return self._of_two_songs()

    def _case(
        self, song: str, mix: Float32, partner: Float32, rate: int, partner_rate: int
    ) -> Case:
        return Case(self._number, self._theme, song, False, mix, rate, partner, partner_rate)

    def _of_one_song(self) -> Case:
        """Its voice at a tempo that swings; or one of both files is silent."""
        name = str(self._rng.choice(self._songs.long))
        voice, backing, rate = self._songs.stems(name)
        mix = voice + backing
        if self._theme == "live":
            voice = damage.swing(voice, rate, self._rng)
        elif self._number % 2:
            mix = mix * 0
        else:
            voice = voice * 0
        return self._case(name, mix, voice, rate, rate)

    def _other_bars(self) -> Case:
        """Other minutes of a song made of loops, or the voice of the other half of one."""
        sampled = [name for name in self._songs.long if name.startswith(SAMPLED)]
        if sampled and self._rng.uniform() < 0.5:
            name = str(self._rng.choice(sampled))
            voice, backing, rate = self._songs.stems(name)
            later, _, _ = self._songs.stems(name, start=float(self._rng.uniform(90, 150)))
            return self._case(name, voice + backing, later, rate, rate)
        name = str(self._rng.choice(self._songs.long))
        voice, backing, rate = self._songs.stems(name)
        half = voice.shape[1] // 2
        return self._case(name, (voice + backing)[:, :half], voice[:, half:], rate, rate)

    def _of_two_songs(self) -> Case:
        """The mix of one, the voice or the instrumental of another on another clock."""
        name, other = self._same_artist() if self._theme == "same artist" else self._two()
        voice, backing, rate = self._songs.stems(name)
        partner, instrumental, partner_rate = self._songs.stems(other)
        if self._theme == "other instrumental":
            partner = instrumental
        drift = float(self._rng.uniform(-2000, 2000)) * 1e-6
        partner = damage.resample(partner, partner_rate, partner_rate / (1 + drift))
        return self._case(f"{name} | {other}", voice + backing, partner, rate, partner_rate)

    def _two(self) -> tuple[str, str]:
        name, other = self._rng.choice(self._songs.long, 2, replace=False)
        return str(name), str(other)

    def _same_artist(self) -> tuple[str, str]:
        of: dict[str, list[str]] = {}
        for song, artist in self._songs.artist.items():
            of.setdefault(artist, []).append(song)
        several = sorted(artist for artist, songs in of.items() if len(songs) > 1)
        name, other = self._rng.choice(of[str(self._rng.choice(several))], 2, replace=False)
        return str(name), str(other)
