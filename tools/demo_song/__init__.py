"""Short synthetic songs whose stems are known: a sung voice over a band, from a seed.

They are for the demo and for tests, which need music but may not depend on anybody's; they never
take part in training. The same seed gives the same song, to rounding, on every machine.
"""

from pathlib import Path

import numpy as np

from demo_song import band, voice
from demo_song.score import compose
from demo_song.voice import Float64
from isolde.audio.demo import STEMS
from isolde.core.errors import AudioError, InputError
from isolde.core.stage import Float32

__all__ = ["STEMS", "activity", "make_song", "pitch", "write_demo"]

PEAK = 0.8  # of the mixture and of every stem; leaves room for what a lossy codec adds
LEVELS_DB = {"drums": -3.0, "bass": -5.0, "other": -2.0}  # of the band's stems, relative RMS
VOICE_DB = -1.0  # the energy of the vocals over the whole song, relative to the backing's
DEMO_SEED = 7
DEMO_SECONDS = 20.0
DEMO_RATE = 44_100  # Hz


def make_song(
    seed: int, *, seconds: float = DEMO_SECONDS, sample_rate: int = DEMO_RATE
) -> dict[str, Float32]:
    """Make a song as stems; the mixture is their sum.

    Args:
        seed: Integer of 0 or more; it decides key, tempo, chords, melody, syllables and singer.
        seconds: Length, at least 3.
        sample_rate: Sample rate in Hz, 8000 to 192000.

    Returns:
        vocals, drums, bass and other, each (2, round(seconds * sample_rate)) float32. The peak
        of the mixture and of each stem is at most 0.8; the vocals have 1 dB less energy than the
        other three together.

    Raises:
        InputError: An argument is out of range.
    """
    if not 8_000 <= sample_rate <= 192_000:
        raise InputError(f"sample rate {sample_rate} Hz: choose one from 8000 to 192000")
    score = compose(seed, seconds)
    stems = {
        "vocals": band.room(voice.sing(score, sample_rate), sample_rate, seed, wet=0.035),
        "drums": band.drums(score, sample_rate),
        "bass": band.bass(score, sample_rate),
        "other": band.other(score, sample_rate),
    }
    for name, level in LEVELS_DB.items():
        stems[name] *= 10.0 ** (level / 20.0) / np.sqrt(np.mean(stems[name] ** 2))
    backing = stems["drums"] + stems["bass"] + stems["other"]
    energy = np.sum(backing**2) * 10.0 ** (VOICE_DB / 10.0)
    stems["vocals"] *= np.sqrt(energy / np.sum(stems["vocals"] ** 2))
    mixture = backing + stems["vocals"]
    peak = max(float(np.abs(sound).max()) for sound in (mixture, *stems.values()))
    fade = np.clip(np.arange(mixture.shape[1], 0, -1) / (0.05 * sample_rate), 0.0, 1.0)
    return {name: (PEAK / peak * fade * stems[name]).astype(np.float32) for name in STEMS}


def activity(seed: int, *, seconds: float = DEMO_SECONDS) -> list[tuple[float, float]]:
    """Return when the voice sounds: a segment for each phrase, with breath and consonants.

    Returns:
        (start, end) in seconds, in order, at least 0.5 s apart; reverberation does not count.

    Raises:
        InputError: An argument is out of range.
    """
    return voice.segments(compose(seed, seconds))


def pitch(
    seed: int, *, seconds: float = DEMO_SECONDS, hop_seconds: float = 512 / 44_100
) -> tuple[Float64, Float64]:
    """Return the true pitch of the voice of a song.

    Args:
        seed: Seed of the song.
        seconds: Length of the song.
        hop_seconds: Time from one instant to the next, by default that of the analysis grid.

    Returns:
        times (n_frames,) in seconds from 0, and f0 (n_frames,) in Hz, 0 where nothing is voiced.

    Raises:
        InputError: An argument is out of range.
    """
    if not hop_seconds > 0:
        raise InputError(f"hop of {hop_seconds} s: choose one greater than 0")
    score = compose(seed, seconds)
    fine = np.linspace(0.0, seconds, round(seconds * voice.RATE) + 1).astype(np.float64)
    track = voice.tracks(score, fine)
    times = hop_seconds * np.arange(int(seconds / hop_seconds) + 1, dtype=np.float64)
    voiced = np.interp(times, fine, track.voicing) > 0.1
    return times, np.where(voiced, np.interp(times, fine, track.f0), 0.0)


def write_demo(folder: Path) -> list[Path]:
    """Make the shipped demo song again and write its stems as {folder}/{stem}.ogg.

    Returns:
        The files written, in the order of STEMS.

    Raises:
        AudioError: The folder or a file cannot be written.
    """
    import soundfile

    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, audio in make_song(DEMO_SEED, seconds=DEMO_SECONDS).items():
            path = folder / f"{name}.ogg"
            with soundfile.SoundFile(
                path,
                "w",
                samplerate=DEMO_RATE,
                channels=2,
                format="OGG",
                subtype="VORBIS",
                compression_level=0.6,
            ) as file:
                # One large Vorbis write crashes some builds of libsndfile.
                for start in range(0, audio.shape[1], 4096):
                    file.write(audio[:, start : start + 4096].T)
            paths.append(path)
    except (OSError, soundfile.SoundFileError) as error:
        raise AudioError(f"the demo song cannot be written to {folder}: {error}") from error
    return paths
