"""Endless new mixes from a library: a voice here, a backing there, each example from its own seed.

Example number i of seed s is the same whenever and wherever it is made, so a training that stops
goes on exactly where it was. Sources are cut, tuned and levelled as samples; equalising, limiting
the band and adding happen on spectra, where they are linear and cheap.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isolde.audio import Resampler
from isolde.datasets.library import FULL_SCALE, Entry, Int16
from isolde.errors import InputError
from isolde.spectrum import GRID_22, analyse
from isolde.stages import Complex64, Float32

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
        limit: chance that a limiter turns loud moments of the mixture down.
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
    limit: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        if self.voice_level not in ("piece", "song"):
            raise InputError(f"voice_level '{self.voice_level}' is unknown: take piece or song")


def _rms(audio: Float32) -> float:
    return float(np.sqrt(np.mean(np.square(audio)) + 1e-12))


class Mixer:
    """Makes examples from the entries of a library."""

    def __init__(self, entries: Sequence[Entry], settings: Remix, *, seed: int) -> None:
        """Prepare to draw.

        Args:
            entries: voices and backings; each is drawn in proportion to its length.
            settings: how examples are made.
            seed: of all that is random.

        Raises:
            InputError: when there is no voice or no backing.
        """
        self.settings, self.seed = settings, seed
        self._voices = [e for e in entries if e.vocals is not None and e.activity.any()]
        self._backings = [e for e in entries if e.accompaniment is not None]
        if not self._voices or not self._backings:
            raise InputError("a library needs voices and backings: add folders with both")
        self._voice_chances = _chances([e.vocals for e in self._voices])
        self._backing_chances = _chances([e.accompaniment for e in self._backings])
        self._song_rms: dict[int, float] = {}

    def example(self, index: int, n_frames: int) -> tuple[Complex64, Complex64]:
        """Spectra of the voice and of the backing of example `index`, one channel.

        Returns:
            two (n_frames, 513): their sum is the mixture.
        """
        vocals, accompaniment, _ = self.labelled(index, n_frames)
        return vocals, accompaniment

    def labelled(self, index: int, n_frames: int) -> tuple[Complex64, Complex64, Bools]:
        """Example `index`, and in which of its frames the voice sounds, (n_frames,)."""
        vocals, accompaniment, sounds = self._made(index, n_frames, stereo=False)
        return vocals[0], accompaniment[0], sounds

    def stereo(self, index: int, n_frames: int) -> tuple[Complex64, Complex64, Bools]:
        """Example `index` in stereo: two (2, n_frames, 513), and where the voice sounds."""
        return self._made(index, n_frames, stereo=True)

    def _made(
        self, index: int, n_frames: int, *, stereo: bool
    ) -> tuple[Complex64, Complex64, Bools]:
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
        mid, side = rng.random() < s.mid, int(rng.integers(2))
        sides = ([-1] * (1 + stereo)) if mid else [side, 1 - side][: 1 + stereo]
        speed = self._speed(rng)
        start = self._place(voice, n, rng)
        frames = np.round(start / GRID_22.hop + speed * np.arange(n_frames)).astype(int)
        sounds = voice.activity[np.minimum(frames, len(voice.activity) - 1)]
        v = _cut(voice.vocals, start, n, speed, sides)
        if together:
            a = _cut(backing.accompaniment, start, n, speed, sides)
            gain = 10 ** (rng.normal(0, s.jitter_db) / 20)
        else:
            start = int(rng.integers(max(1, backing.accompaniment.shape[1] - n)))
            a = _cut(backing.accompaniment, start, n, self._speed(rng), sides)
            rms = _rms(v) if s.voice_level == "piece" else self._rms_of(i)
            gain = 10 ** (rng.normal(*s.balance_db) / 20) * _rms(a) / max(rms, 1e-3)
        if rng.random() < s.no_voice:
            gain, sounds = 0.0, np.zeros(n_frames, np.bool_)
        v *= np.float32(gain)
        level = 10 ** (rng.uniform(*s.level_db) / 20) / max(_rms(v + a), 1e-4)
        both = np.concatenate([v, a]) * np.float32(level)
        spectra = analyse(both, GRID_22)[:, :n_frames].reshape(2, -1, n_frames, GRID_22.n_bins)
        for source in spectra:
            if rng.random() < s.equalise:
                source *= self._curve(rng)
        if rng.random() < s.limit:
            spectra *= _limiter(spectra.sum(axis=0), float(rng.uniform(2, 9)))
        top = min(voice.top_hz, backing.top_hz)
        if rng.random() < s.band:
            top = min(top, float(rng.uniform(3000, GRID_22.sample_rate / 2)))
        if top < GRID_22.sample_rate / 2:
            # the same edge for both, or the network learns that treble is never voice
            spectra[..., int((top - 200) / GRID_22.sample_rate * GRID_22.n_fft) :] = 0
        return spectra[0], spectra[1], sounds

    def _rms_of(self, i: int) -> float:
        """RMS of voice `i` in the frames in which it sounds, from up to 256 of them."""
        if i not in self._song_rms:
            voice = self._voices[i]
            assert voice.vocals is not None
            frames = np.flatnonzero(voice.activity)
            frames = frames[:: 1 + len(frames) // 256].tolist()
            parts = [_cut(voice.vocals, f * GRID_22.hop, GRID_22.hop, 1.0, [-1]) for f in frames]
            self._song_rms[i] = _rms(np.concatenate(parts))
        return self._song_rms[i]

    def _speed(self, rng: np.random.Generator) -> float:
        s = self.settings
        semitones = rng.uniform(-s.tune_semitones, s.tune_semitones)
        return float(2 ** (semitones / 12)) if rng.random() < s.tune else 1.0

    def _place(self, voice: Entry, n: int, rng: np.random.Generator) -> int:
        """Where to cut a voice: around a frame in which it sounds, or anywhere."""
        assert voice.vocals is not None
        last = max(1, voice.vocals.shape[1] - n)
        if rng.random() < self.settings.voiced:
            centre = int(rng.choice(np.flatnonzero(voice.activity))) * GRID_22.hop
            return int(np.clip(centre - rng.integers(n), 0, last - 1))
        return int(rng.integers(last))

    def _curve(self, rng: np.random.Generator) -> Float32:
        """A smooth random gain over the bins: five points over the logarithm of frequency."""
        points = rng.normal(0, self.settings.equalise_db, 5)
        octaves = np.log2(1 + np.arange(GRID_22.n_bins))
        decibel = np.interp(octaves, np.linspace(0, octaves[-1], 5), points)
        return (10 ** (decibel / 20)).astype(np.float32)


def _chances(parts: Sequence[Int16 | None]) -> Float32:
    lengths = np.array([0 if p is None else p.shape[1] for p in parts], float)
    return lengths / lengths.sum()  # type: ignore[no-any-return]


def _cut(part: Int16, start: int, n: int, speed: float, sides: list[int]) -> Float32:
    """`n` samples of some channels (-1 is the mean of both), played at `speed`: (sides, n)."""
    need = n if speed == 1 else int(np.ceil(n * speed)) + 16
    piece = part[:, start : start + need].astype(np.float32) / np.float32(FULL_SCALE)
    piece = np.stack([piece.mean(axis=0) if side < 0 else piece[side] for side in sides])
    if speed != 1 and piece.shape[1] > 64:
        resampler = Resampler(
            round(GRID_22.sample_rate * speed), GRID_22.sample_rate, piece.shape[0]
        )
        piece = np.concatenate([resampler.feed(piece), resampler.flush()], axis=1)
    missing = max(0, n - piece.shape[1])
    return np.pad(piece[:, :n], ((0, 0), (0, missing))).astype(np.float32)


def _limiter(mixture: Complex64, over_db: float) -> Float32:
    """Gains (n_frames, 1) of a limiter that works `over_db` below the loudest frame.

    It lets go within some 60 ms; the same gains on all that sounds keep the sum a sum.
    """
    level = np.sqrt((np.abs(mixture) ** 2).sum(axis=(0, 2))) + 1e-9
    gains = np.minimum(1, level.max() * 10 ** (-over_db / 20) / level)
    before = np.pad(gains, (5, 0), constant_values=1.0)
    held = np.lib.stride_tricks.sliding_window_view(before, 6).min(axis=1)
    return held[:, None].astype(np.float32)  # type: ignore[no-any-return]
