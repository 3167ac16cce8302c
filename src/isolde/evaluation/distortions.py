"""Damage songs as users have them: coded, louder, limited, reverberant, narrow, swapped, shifted.

A linear distortion acts on every stem, so the stems still sum to the mixture. A limiter's gain is
computed on the mixture and applied to every stem. mp3 cannot be divided among stems: only the
mixture is coded, and the references stay clean.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from isolde.audio import AudioReader, Resampler
from isolde.core.errors import InputError
from isolde.core.stage import Float32
from isolde.evaluation.songs import Song, Stems

MP3_RATE = 44_100
MP3_KBITS = (64, 96, 128, 320)
GAINS_DB = (-24, -12, 6, 12)
LIMITER_DRIVE_DB = 9.0
LIMITER_SECONDS = 0.005
REVERB_SECONDS = 0.6  # RT60
REVERB_DB = -9.0  # reverberant energy relative to direct
PHONE_HZ = (300.0, 3400.0)

Change = Callable[[Stems], Stems]


@dataclass(frozen=True)
class Distortion:
    """A named change of a song; picklable."""

    name: str
    change: Change


@dataclass(frozen=True)
class DistortedSong(Song):
    """A song that loads changed; its files are the original's."""

    distortion: Distortion | None = None

    def load(self) -> Stems:
        """Read the stems and change them.

        Raises:
            AudioError: A file cannot be read.
            InputError: The distortion cannot be applied to it.
        """
        stems = super().load()
        return stems if self.distortion is None else self.distortion.change(stems)


def unchanged(stems: Stems) -> Stems:
    """Return the song as it is."""
    return stems


CLEAN = Distortion("clean", unchanged)
_AT = " @ "


def distorted(songs: Sequence[Song], distortion: Distortion) -> list[Song]:
    """Return the same songs, changed as they load; their tracks are named "TRACK @ DISTORTION"."""
    return [
        DistortedSong(f"{song.track}{_AT}{distortion.name}", song.artist, song.rows, distortion)
        for song in songs
    ]


def original(track: str) -> tuple[str, str]:
    """Return the track and the distortion that a distorted song's name is made of."""
    name, _, distortion = track.rpartition(_AT)
    return name, distortion


def standard() -> list[Distortion]:
    """Return the distortions of the robustness table, in its order."""
    return [
        *(Distortion(f"mp3 {k} kbit/s", partial(mp3, kbits=k)) for k in MP3_KBITS),
        *(Distortion(f"gain {g:+d} dB", partial(gain, decibels=float(g))) for g in GAINS_DB),
        Distortion("loud limiter", limited),
        Distortion("reverb", reverberant),
        Distortion("16 kHz", partial(resampled, sample_rate=16_000)),
        Distortion("8 kHz", partial(resampled, sample_rate=8_000)),
        Distortion("mono", mono),
        Distortion("phone band", phone),
        Distortion("left/right swapped", swapped),
        Distortion("pitch -2 semitones", partial(repitched, semitones=-2.0)),
        Distortion("pitch +2 semitones", partial(repitched, semitones=2.0)),
    ]


def each(stems: Stems, change: Callable[[Float32], Float32], *, rate: int | None = None) -> Stems:
    """Apply a linear change to all three signals."""
    return Stems(
        change(stems.mixture),
        change(stems.vocals),
        change(stems.accompaniment),
        stems.sample_rate if rate is None else rate,
    )


def gain(stems: Stems, *, decibels: float) -> Stems:
    """Return a level change in float: nothing clips."""
    factor = np.float32(10.0 ** (decibels / 20.0))
    return each(stems, lambda audio: audio * factor)


def mono(stems: Stems) -> Stems:
    """Return the mean of the channels, as one channel."""
    return each(stems, lambda audio: audio.mean(axis=0, keepdims=True, dtype=np.float32))


def swapped(stems: Stems) -> Stems:
    """Channels in reverse order."""
    return each(stems, lambda audio: np.ascontiguousarray(audio[::-1]))


def resampled(stems: Stems, *, sample_rate: int) -> Stems:
    """Return the song at another sample rate; scored at that rate."""
    before = stems.sample_rate
    return each(stems, lambda audio: resample(audio, before, sample_rate), rate=sample_rate)


def repitched(stems: Stems, *, semitones: float) -> Stems:
    """Played faster or slower, as a record: pitch, formants and tempo move together."""
    rate = round(stems.sample_rate * 2.0 ** (semitones / 12.0))
    return each(stems, lambda audio: resample(audio, rate, stems.sample_rate))


def phone(stems: Stems) -> Stems:
    """Return the telephone band, 300-3400 Hz, by a zero-phase cut in the frequency domain."""
    return each(stems, partial(_band, sample_rate=stems.sample_rate))


def reverberant(stems: Stems, *, seed: int = 0) -> Stems:
    """Add reverb: exponentially decaying noise after the direct sound, the same for all stems."""
    rate = stems.sample_rate
    generator = np.random.default_rng(seed)
    times = np.arange(1, round(REVERB_SECONDS * rate)) / rate
    n_channels = stems.mixture.shape[0]
    tail = generator.standard_normal((n_channels, times.size)) * 10.0 ** (
        -3.0 * times / REVERB_SECONDS
    )
    tail *= np.sqrt(10.0 ** (REVERB_DB / 10.0) / np.sum(np.square(tail), axis=1, keepdims=True))
    impulse = np.concatenate([np.ones((n_channels, 1)), tail], axis=1)
    return each(stems, partial(_convolved, impulse=impulse))


def limited(stems: Stems, *, drive_db: float = LIMITER_DRIVE_DB, ceiling: float = 0.98) -> Stems:
    """Return a loud master: driven into a look-ahead limiter, whose gain all stems share.

    The gain is the lowest that any sample within LIMITER_SECONDS around needs, smoothed by a mean
    over the same length, so that no sample exceeds the ceiling.
    """
    loud = gain(stems, decibels=drive_db - 20 * np.log10(max(1e-9, np.abs(stems.mixture).max())))
    need = np.minimum(1.0, ceiling / np.maximum(np.abs(loud.mixture).max(axis=0), 1e-9))
    half = max(1, round(LIMITER_SECONDS * stems.sample_rate / 2))
    window = 2 * half + 1
    padded = np.pad(need, 2 * half, mode="edge")
    lowest = np.lib.stride_tricks.sliding_window_view(padded, window).min(axis=1)
    sums = np.cumsum(np.concatenate([[0.0], lowest]))
    curve = ((sums[window:] - sums[:-window]) / window).astype(np.float32)
    return each(loud, lambda audio: audio * curve)


def mp3(stems: Stems, *, kbits: int) -> Stems:
    """Send the mixture through mp3 at a constant bit rate; the references stay as they are.

    Args:
        stems: The song; it is brought to MP3_RATE for the coder, as music is sold, and back.
        kbits: Kbit/s, 32 to 320.

    Raises:
        InputError: The coder gave another length back.
    """
    import soundfile

    rate, n_samples = stems.sample_rate, stems.mixture.shape[1]
    audio = resample(stems.mixture, rate, MP3_RATE)
    scale = np.float32(max(1.0, float(np.abs(audio).max())))
    buffer = io.BytesIO()
    with soundfile.SoundFile(
        buffer,
        "w",
        samplerate=MP3_RATE,
        channels=audio.shape[0],
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode="CONSTANT",
        compression_level=(320 - kbits) / (320 - 32),  # libsndfile: 0 is 320, 1 is 32 kbit/s
    ) as file:
        file.write((audio / scale).T)
    buffer.seek(0)
    with AudioReader(buffer) as reader:
        decoded = np.concatenate(list(reader), axis=1)
    if decoded.shape != audio.shape:
        raise InputError(f"mp3 gave {decoded.shape[1]} samples for {audio.shape[1]}")
    back = resample(decoded * scale, MP3_RATE, rate)
    back = np.pad(back, ((0, 0), (0, max(0, n_samples - back.shape[1]))))[:, :n_samples]
    return Stems(back, stems.vocals, stems.accompaniment, rate)


def resample(audio: Float32, rate_in: int, rate_out: int) -> Float32:
    """Resampling of a whole signal; (n_channels, n_samples) in and out."""
    if rate_in == rate_out:
        return audio
    stage = Resampler(rate_in, rate_out, audio.shape[0])
    return np.concatenate([stage.feed(audio), stage.flush()], axis=1)


def _band(audio: Float32, *, sample_rate: int) -> Float32:
    n_samples = audio.shape[1]
    spectrum = np.fft.rfft(audio, axis=1)
    frequency = np.fft.rfftfreq(n_samples, 1.0 / sample_rate)
    spectrum[:, (frequency < PHONE_HZ[0]) | (frequency > PHONE_HZ[1])] = 0.0
    return np.fft.irfft(spectrum, n_samples, axis=1).astype(np.float32)


def _convolved(audio: Float32, *, impulse: np.ndarray) -> Float32:
    n_samples = audio.shape[1]
    size = 1 << (n_samples + impulse.shape[1] - 1).bit_length()
    product = np.fft.rfft(audio, size, axis=1) * np.fft.rfft(impulse, size, axis=1)
    return np.fft.irfft(product, size, axis=1)[:, :n_samples].astype(np.float32)
