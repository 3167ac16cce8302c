"""What a player, a room or a codec does to a sound; it draws no songs.

Everything random comes from the generator that is passed in, and what comes out depends on nothing
else.
"""

import io
from dataclasses import dataclass

import numpy as np
import soundfile

from isolde.core.errors import MissingExtraError
from isolde.core.spectrum import GRID_22, Grid, analyse, synthesise
from isolde.core.stage import Complex64, Float32
from isolde.datasets.mixing.shaping import rms

ROOM_SECONDS = (0.2, 1.6)
"""Least and greatest time in which a room's sound falls by 60 dB."""

ROOM_DB = (-18.0, -4.0)
"""Least and greatest energy of a room's sound, beside what goes straight to the ear."""

ROOM_DELAY = 0.03
"""Greatest time in seconds until the room answers."""

ROOM_HZ = (1500.0, 8000.0)
"""Least and greatest frequency above which a room is duller."""

COMPRESSION = (0.6, 1.0)
"""Least and greatest compression of a codec, as libsndfile counts it: 1 is the worst sound."""


@dataclass(frozen=True)
class Playing:
    """How a recording is played.

    Attributes:
        speed: of a tape: pitch and time together.
        semitones: by which the pitch alone is moved.
        tempo: how fast alone, at the same pitch.
    """

    speed: float = 1.0
    semitones: float = 0.0
    tempo: float = 1.0

    @property
    def rate(self) -> float:
        """Seconds of the recording in a second of what is heard."""
        return self.speed * self.tempo

    def needs(self, n: int) -> int:
        """Samples at the tape's speed from which `n` come."""
        return n if self.tempo == 1 else int(np.ceil(n * self.tempo)) + 1

    def heard(self, audio: Float32, n: int) -> Float32:
        """Pitch and tempo applied to what the tape plays.

        Args:
            audio: (n_channels, needs(n)) at 22,050 Hz; all channels are moved alike.
            n: samples wanted.

        Returns:
            (n_channels, n); `audio` itself where there is nothing to do.

        Raises:
            MissingExtraError: when python-stretch is not installed.
        """
        if self.semitones == 0 and self.tempo == 1:
            return audio
        require_stretching()
        from python_stretch import Signalsmith

        stretch = Signalsmith.Stretch()
        stretch.preset(audio.shape[0], GRID_22.sample_rate)
        stretch.setTransposeSemitones(self.semitones)
        stretch.setTimeFactor(self.tempo)
        made = np.asarray(stretch.process(np.ascontiguousarray(audio)), np.float32)[:, :n]
        return np.pad(made, ((0, 0), (0, n - made.shape[1])))


def require_stretching() -> None:
    """Fail early when pitch and tempo cannot be changed apart.

    Raises:
        MissingExtraError: when python-stretch is not installed.
    """
    try:
        import python_stretch  # noqa: F401
    except ImportError:
        raise MissingExtraError(
            "python-stretch", extra="stretch", purpose="pitch shift and time stretch"
        ) from None


def in_a_room(audio: Float32, rng: np.random.Generator, *, rooms: int) -> Float32:
    """A sound in a random room, as loud as before: noise that decays exponentially and is dull.

    What sounded before the first sample leaves no tail.

    Args:
        audio: (n_channels, n) at 22,050 Hz.
        rng: of all that is random.
        rooms: 1, the same answer in all channels, or `n_channels`.
    """
    rate = GRID_22.sample_rate
    seconds, decibel = rng.uniform(*ROOM_SECONDS), rng.uniform(*ROOM_DB)
    delay, corner = int(rng.uniform(0, ROOM_DELAY) * rate), rng.uniform(*ROOM_HZ)
    n_tail = int(seconds * rate)
    tail = rng.normal(size=(rooms, n_tail)) * 10 ** (-3 * np.arange(n_tail) / n_tail)
    size = 1 << (audio.shape[1] + n_tail + delay).bit_length()
    answer = np.fft.rfft(np.pad(tail, ((0, 0), (delay, 0))), size)
    answer /= np.sqrt(1 + (np.fft.rfftfreq(size, 1 / rate) / corner) ** 2)
    whole = np.fft.irfft(np.fft.rfft(audio, size) * answer, size)
    wet: Float32 = whole[:, : audio.shape[1]].astype(np.float32)
    wet *= np.float32(10 ** (decibel / 20) * rms(audio) / rms(wet))
    wet += audio
    wet *= np.float32(rms(audio) / rms(wet))
    return wet


def codec_noise(mixture: Complex64, rng: np.random.Generator, *, grid: Grid = GRID_22) -> Complex64:
    """What a lossy codec adds to a mixture: Vorbis at a random strength, in memory.

    Args:
        mixture: spectra (n_channels, n_frames, 513).
        rng: of all that is random.
        grid: where frames and bins lie, at 22,050 Hz.

    Returns:
        spectra of the difference, of the same shape.
    """
    n = (mixture.shape[1] - 1) * grid.hop
    audio = synthesise(mixture, grid, n)
    peak = max(float(np.abs(audio).max()), 1e-4)
    file = io.BytesIO()
    soundfile.write(
        file,
        audio.T / peak,
        grid.sample_rate,
        format="OGG",
        subtype="VORBIS",
        compression_level=float(rng.uniform(*COMPRESSION)),
    )
    file.seek(0)
    coded = soundfile.read(file, dtype="float32", always_2d=True)[0].T * np.float32(peak)
    noise: Complex64 = analyse((coded[:, :n] - audio).astype(np.float32), grid)
    return noise
