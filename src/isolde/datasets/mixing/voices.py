"""Endless new mixes from a library: a voice here, a backing there, each example from its own seed.

Example number i of seed s is the same whenever and wherever it is made, so a training that stops
goes on exactly where it was. Sources are cut, tuned and levelled as samples; equalising, limiting
the band and adding happen on spectra, where they are linear and cheap.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isolde.core.errors import InputError
from isolde.core.spectrum import GRID_22, Grid, analyse
from isolde.core.stage import Complex64, Float32
from isolde.datasets.mixing.effects import Playing, codec_noise, in_a_room, require_stretching
from isolde.datasets.mixing.library import Entry, Int16
from isolde.datasets.mixing.shaping import (
    chances,
    cut,
    double_of,
    equaliser,
    limiter,
    panned,
    paused,
    rms,
)

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Remix:
    """How examples are made. Chances are in [0, 1], levels in dB.

    Attributes:
        same_song: chance that the backing is the voice's own.
        voiced: chance that a place where the voice sounds is asked for.
        no_voice: chance of a backing alone.
        mid: chance of the mean of the channels; else left or right, or in stereo both.
        tune: chance that a source is played faster or slower.
        tune_semitones: by how much at most, up or down.
        equalise: chance of a random smooth equaliser on a source.
        equalise_db: its standard deviation at each of its points.
        balance_db: mean and standard deviation of voice to backing from two songs.
        jitter_db: standard deviation of the same within one song.
        level_db: least and greatest level (RMS) of the mixture, in dB of full scale.
        voice_level: what the voice's level is measured on when its backing is another song's: the
            "piece" that is cut, or the whole "song" where it sounds, so that its quiet places, and
            what bleeds into its silent ones, stay quiet.
        band: chance that both are cut off above a frequency between 3 kHz and the top.
        phone: chance that both are cut off as by a phone, below 150 to 500 Hz and above 2.8 to
            4 kHz.
        limit: chance that a limiter turns loud moments of the mixture down.
        wide: chance that a voice in stereo is panned, or has up to two doubles or harmonies that
            are panned elsewhere.
        pauses: chance that a voice over another song's backing is silent now and then, for 0.5 to
            4 s at a time.
        shift: chance that a source's pitch alone is moved (extra `stretch`).
        shift_semitones: by how much at most, up or down.
        stretch: chance that a source's tempo alone is changed (extra `stretch`).
        stretch_share: by which share at most, faster or slower.
        reverb: chance that a voice stands in a room; the room's answer belongs to the voice.
        codec: chance that the mixture has been through a lossy codec, whose noise counts as the
            last source's.
    """

    same_song: float = 0.4
    voiced: float = 0.85
    no_voice: float = 0.06
    mid: float = 0.6
    tune: float = 0.3
    tune_semitones: float = 3.0
    equalise: float = 0.4
    equalise_db: float = 3.0
    balance_db: tuple[float, float] = (-3.0, 4.0)
    jitter_db: float = 2.0
    level_db: tuple[float, float] = (-36.0, -9.0)
    voice_level: str = "piece"
    band: float = 0.0
    phone: float = 0.0
    limit: float = 0.0
    wide: float = 0.0
    pauses: float = 0.0
    shift: float = 0.0
    shift_semitones: float = 4.0
    stretch: float = 0.0
    stretch_share: float = 0.15
    reverb: float = 0.0
    codec: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        if self.voice_level not in ("piece", "song"):
            raise InputError(f"voice_level '{self.voice_level}' is unknown: take piece or song")

    def ready(self) -> None:
        """Fail early when something that is asked for is not installed.

        Raises:
            MissingExtraError: when it is not.
        """
        if self.shift or self.stretch:
            require_stretching()

    def playing(self, rng: np.random.Generator) -> Playing:
        """How a source is played; what is off takes nothing from `rng`."""
        semitones = rng.uniform(-self.tune_semitones, self.tune_semitones)
        speed = float(2 ** (semitones / 12)) if rng.random() < self.tune else 1.0
        moved, tempo = 0.0, 1.0
        if self.shift and rng.random() < self.shift:
            moved = rng.uniform(-self.shift_semitones, self.shift_semitones)
        if self.stretch and rng.random() < self.stretch:
            tempo = 1 + rng.uniform(-self.stretch_share, self.stretch_share)
        return Playing(speed, moved, tempo)

    def sides(self, rng: np.random.Generator, *, stereo: bool) -> list[int]:
        """Which channels: the mean (-1), one of both, or both in either order."""
        mid, side = rng.random() < self.mid, int(rng.integers(2))
        return ([-1] * (1 + stereo)) if mid else [side, 1 - side][: 1 + stereo]

    def widened(
        self, voice: Float32, part: Int16, start: int, speed: float, rng: np.random.Generator
    ) -> Float32:
        """A voice (2, n) that stands elsewhere than in the middle, or not alone; as loud as before.

        Args:
            voice: cut from `part` at `start`, at `speed`.
            part: all of it.
            start: in samples.
            speed: see `speed`.
            rng: of all that is random.
        """
        n_doubles = int(rng.choice(3, p=(0.3, 0.4, 0.3)))
        alone = n_doubles == 0 or rng.random() < 0.3
        wide = panned(voice, rng.uniform(-1, 1)) if alone else voice.copy()
        for _ in range(n_doubles):
            double = double_of(part, start, voice.shape[1], speed, rng)
            wide += np.float32(rng.uniform(0.4, 1)) * panned(double, rng.uniform(-1, 1))
        return wide * np.float32(rms(voice) / rms(wide))

    def mixed(
        self,
        sounds: Float32,
        n_frames: int,
        rng: np.random.Generator,
        *,
        top_hz: float,
        grid: Grid = GRID_22,
    ) -> Complex64:
        """Sources at one level, each equalised, all limited and cut off alike.

        Args:
            sounds: (n_sources, n_channels, n_samples).
            n_frames: of the result.
            rng: of all that is random.
            top_hz: highest frequency that all of them hold.
            grid: of the spectra: `GRID_22`, or the same with the short synthesis.

        Returns:
            (n_sources, n_channels, n_frames, 513): their sum is the mixture.
        """
        level = 10 ** (rng.uniform(*self.level_db) / 20) / max(rms(sounds.sum(axis=0)), 1e-4)
        flat = sounds.reshape(-1, sounds.shape[2]) * np.float32(level)
        spectra = analyse(flat, grid)[:, :n_frames]
        spectra = spectra.reshape(*sounds.shape[:2], n_frames, grid.n_bins)
        for source in spectra:
            if rng.random() < self.equalise:
                source *= equaliser(rng, self.equalise_db)
        if rng.random() < self.limit:
            spectra *= limiter(spectra.sum(axis=0), float(rng.uniform(2, 9)))
        if rng.random() < self.band:
            top_hz = min(top_hz, float(rng.uniform(3000, grid.sample_rate / 2)))
        if self.phone and rng.random() < self.phone:
            top_hz = min(top_hz, float(rng.uniform(2800, 4000)))
            spectra[..., : int(rng.uniform(150, 500) / grid.sample_rate * grid.n_fft)] = 0
        if top_hz < grid.sample_rate / 2:
            # the same edge for all, or the network learns that treble is never voice
            spectra[..., int((top_hz - 200) / grid.sample_rate * grid.n_fft) :] = 0
        if self.codec and rng.random() < self.codec:
            spectra[-1] += codec_noise(spectra.sum(axis=0), rng, grid=grid)
        return spectra


class Mixer:
    """Makes examples from the entries of a library."""

    def __init__(
        self, entries: Sequence[Entry], settings: Remix, *, seed: int, grid: Grid = GRID_22
    ) -> None:
        """Prepare to draw.

        Args:
            entries: voices and backings; each is drawn in proportion to its length.
            settings: how examples are made.
            seed: of all that is random.
            grid: of the spectra: `GRID_22`, or the same with the short synthesis.

        Raises:
            InputError: when there is no voice or no backing.
            MissingExtraError: when the settings ask for something that is not installed.
        """
        settings.ready()
        self.settings, self.seed, self.grid = settings, seed, grid
        self._voices = [e for e in entries if e.vocals is not None and e.activity.any()]
        self._backings = [e for e in entries if e.accompaniment is not None]
        if not self._voices or not self._backings:
            raise InputError("a library needs voices and backings: add folders with both")
        self._voice_chances = chances([e.vocals for e in self._voices])
        self._backing_chances = chances([e.accompaniment for e in self._backings])
        self._song_rms: dict[int, float] = {}

    def labelled(self, index: int, n_frames: int) -> tuple[Complex64, Complex64, Bools]:
        """One channel of example `index`.

        Returns:
            spectra (n_frames, 513) of the voice and of the backing, whose sum is the mixture, and
            in which frames (n_frames,) the voice sounds.
        """
        spectra, sounds = self._made(index, n_frames, stereo=False)
        return spectra[0, 0], spectra[1, 0], sounds

    def sources(self, index: int, n_frames: int) -> Complex64:
        """Example `index` in stereo: (2, 2, n_frames, 513), the voice, then the backing."""
        return self._made(index, n_frames, stereo=True)[0]

    def heard(self, index: int, n_frames: int) -> tuple[Complex64, Bools]:
        """The mixture (2, n_frames, 513) of example `index`, and where the voice sounds in it."""
        spectra, sounds = self._made(index, n_frames, stereo=True)
        return spectra.sum(axis=0), sounds

    def _made(self, index: int, n_frames: int, *, stereo: bool) -> tuple[Complex64, Bools]:
        rng, s = np.random.default_rng([self.seed, index]), self.settings
        n = (n_frames - 1) * GRID_22.hop
        i = int(rng.choice(len(self._voices), p=self._voice_chances))
        voice = self._voices[i]
        together = voice.accompaniment is not None and rng.random() < s.same_song
        if together:
            backing = voice
        else:
            backing = self._backings[rng.choice(len(self._backings), p=self._backing_chances)]
        assert voice.vocals is not None and backing.accompaniment is not None
        sides = s.sides(rng, stereo=stereo)
        playing = s.playing(rng)
        start = self._place(voice, n, rng)
        frames = np.round(start / GRID_22.hop + playing.rate * np.arange(n_frames)).astype(int)
        sounds = voice.activity[np.minimum(frames, len(voice.activity) - 1)]
        v = cut(voice.vocals, start, playing.needs(n), playing.speed, sides)
        if stereo and s.wide and rng.random() < s.wide:
            v = s.widened(v, voice.vocals, start, playing.speed, rng)
        v = playing.heard(v, n)
        if s.reverb and rng.random() < s.reverb:
            v = in_a_room(v, rng, rooms=len(set(sides)))
        if together:
            a = cut(backing.accompaniment, start, playing.needs(n), playing.speed, sides)
            a = playing.heard(a, n)
            gain = 10 ** (rng.normal(0, s.jitter_db) / 20)
        else:
            start = int(rng.integers(max(1, backing.accompaniment.shape[1] - n)))
            other = s.playing(rng)
            a = cut(backing.accompaniment, start, other.needs(n), other.speed, sides)
            a = other.heard(a, n)
            own = rms(v) if s.voice_level == "piece" else self._rms_of(i)
            gain = 10 ** (rng.normal(*s.balance_db) / 20) * rms(a) / max(own, 1e-3)
            if s.pauses and rng.random() < s.pauses:
                v, sounds = paused(v, sounds, rng)
        if rng.random() < s.no_voice:
            gain, sounds = 0.0, np.zeros(n_frames, np.bool_)
        v *= np.float32(gain)
        top_hz = min(voice.top_hz, backing.top_hz)
        return s.mixed(np.stack([v, a]), n_frames, rng, top_hz=top_hz, grid=self.grid), sounds

    def _rms_of(self, i: int) -> float:
        """RMS of voice `i` in the frames in which it sounds, from up to 256 of them."""
        if i not in self._song_rms:
            voice = self._voices[i]
            assert voice.vocals is not None
            frames = np.flatnonzero(voice.activity)
            frames = frames[:: 1 + len(frames) // 256].tolist()
            parts = [cut(voice.vocals, f * GRID_22.hop, GRID_22.hop, 1.0, [-1]) for f in frames]
            self._song_rms[i] = rms(np.concatenate(parts))
        return self._song_rms[i]

    def _place(self, voice: Entry, n: int, rng: np.random.Generator) -> int:
        """Where to cut a voice: around a frame in which it sounds, or anywhere."""
        assert voice.vocals is not None
        last = max(1, voice.vocals.shape[1] - n)
        if rng.random() < self.settings.voiced:
            centre = int(rng.choice(np.flatnonzero(voice.activity))) * GRID_22.hop
            return int(np.clip(centre - rng.integers(n), 0, last - 1))
        return int(rng.integers(last))
