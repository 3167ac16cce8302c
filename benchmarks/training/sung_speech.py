"""Speech that a vocoder sings: `python sung_speech.py SPEECH OUT [--seed N] [--minutes M]`.

SPEECH/SPEAKER/... holds recordings of one speaker in each folder: utterances, or the syllables of a
voice bank for UTAU. Some of them make a phrase, WORLD (Morise, Yokomori, Ozawa 2016) takes it apart
into pitch, envelope and noise, every syllable becomes a note of a scale within the speaker's range,
with its vowel held, glides, vibrato and drift, and WORLD puts it together again, brighter by chance
as louder voices are; what has no pitch keeps having none. OUT/solo/SPEAKER - NUMBER.npy are voices
alone, int16 (1, 2, n) at 22,050 Hz, of which `isolde train RECIPE --data OUT --data ...` learns.
Above what a recording of a lower rate holds, its envelope goes on as noise and falls, or training
would hear that voices have no treble. Needs pyworld:

    pip install pyworld "setuptools<81"

Speech that companies may use too: in Debian asterisk-core-sounds-{en,es,fr}-g722 (CC BY-SA 3.0) and
-{it,ru}-g722 (CC BY 3.0), without their tones and monkeys; on GitHub four speakers of VCTK (CC BY)
in auspicious3000/autovc, and the voice banks SopiEizo/minato86_utau (CC BY-SA 4.0),
ErithacusProject/ErithacusVB (CC BY 4.0) and gansaibow/torone_rei (MIT).
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isolde.audio import read
from isolde.audio.formats import AUDIO_SUFFIXES
from isolde.core.errors import AudioError, InputError
from isolde.datasets.cache import int16, save_array

Floats = NDArray[np.float64]

SUFFIXES = {*AUDIO_SUFFIXES, ".g722"}
RATE, STEP = 22050, 0.005  # Hz; seconds from frame to frame of WORLD
LONGEST = 8.0  # seconds of one recording that are used
PHRASE = 4.0  # seconds of speech in a phrase, at least
FILE = 60.0  # seconds of song in a file, at least
LEVEL, PEAK = 0.1, 0.9  # RMS of a recording; greatest sample of a file
TOP = 0.43  # of a recording's rate, above which it holds nothing sure
SLOPE_DB = 12.0  # an octave, by which the envelope falls above
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 7, 10))
RANGE = (-1.0, 14.0)  # semitones about the median pitch of the speech
STEPS, CHANCES = (-4, -3, -2, -1, 0, 1, 2, 3, 4), (2, 3, 10, 20, 14, 20, 10, 3, 2)
SYLLABLE = (0.12, 0.35)  # seconds: shortest; longest, unless there is nowhere to cut
EFFORT_DB = (0.0, 9.0)  # by which a singer is brighter: none at 500 Hz, all of it from 3 kHz on
EDGE = 0.05  # seconds at both ends of a syllable that are not stretched


@dataclass(frozen=True)
class Speech:
    """A phrase as WORLD sees it: pitch in Hz (0: none), power and share of noise by frequency."""

    pitch: Floats
    envelope: Floats
    noise: Floats

    def at(self, frames: Floats, pitch: Floats) -> "Speech":
        """The phrase at some moments, which may lie between frames, at another pitch."""
        first = np.minimum(frames.astype(int), len(self.pitch) - 1)
        second = np.minimum(first + 1, len(self.pitch) - 1)
        part = (frames - first)[:, None]
        log = np.log(self.envelope)
        envelope = np.exp(log[first] * (1 - part) + log[second] * part)
        return Speech(pitch, envelope, self.noise[first] * (1 - part) + self.noise[second] * part)


def vocoder() -> Any:
    """The module pyworld.

    Raises:
        InputError: It is not installed.
    """
    try:
        return import_module("pyworld")
    except ImportError as error:
        raise InputError(
            f'pyworld cannot be loaded ({error}): pip install pyworld "setuptools<81"'
        ) from None


def speakers_in(folder: Path) -> dict[str, list[Path]]:
    """Recordings by speaker.

    Raises:
        InputError: There are none.
    """
    found = {
        place.name: sorted(p for p in place.rglob("*") if p.suffix.lower() in SUFFIXES)
        for place in (sorted(folder.iterdir()) if folder.is_dir() else ())
        if place.is_dir()
    }
    found = {name: paths for name, paths in found.items() if paths}
    if not found:
        raise InputError(f"{folder}: holds no recordings: give a folder with one for each speaker")
    return found


def phrase(paths: Sequence[Path], rng: np.random.Generator) -> tuple[Floats, float]:
    """Recordings by chance, one after the other, and the frequency up to which all are sure."""
    parts, seconds, top = list[Floats](), 0.0, RATE / 2
    while seconds < PHRASE:
        path = paths[int(rng.integers(len(paths)))]
        _, own = read(path, end=0.1)
        sound, _ = read(path, end=LONGEST, sample_rate=RATE)
        mono = sound.mean(0).astype(np.float64)
        level = float(np.sqrt(np.mean(mono**2)))
        parts.append(mono * LEVEL / max(level, 1e-3))
        parts.append(np.zeros(int(rng.uniform(0.05, 0.25) * RATE)))
        seconds += len(mono) / RATE + 0.1
        top = min(top, TOP * own) if own < RATE else top
    return np.concatenate(parts), top


def analysed(world: Any, mono: Floats, top: float) -> Speech:
    """Take a phrase apart; above a frequency its envelope is made up."""
    coarse, times = world.dio(mono, RATE, frame_period=1000 * STEP)
    pitch = world.stonemask(mono, coarse, times, RATE)
    envelope = np.maximum(world.cheaptrick(mono, pitch, times, RATE), 1e-12)
    noise = world.d4c(mono, pitch, times, RATE)
    hz = np.linspace(0, RATE / 2, envelope.shape[1])
    known = (hz > 0.75 * top) & (hz <= top)
    above = hz > top
    log = np.log(envelope)
    fall = SLOPE_DB * np.log(10) / 10 * np.log2(hz[above] / (0.87 * top))
    envelope[:, above] = np.exp(log[:, known].mean(1, keepdims=True) - fall)
    noise[:, above] = np.maximum(noise[:, known].mean(1, keepdims=True), 0.7)
    return Speech(pitch, envelope, noise)


def syllables(speech: Speech) -> Iterator[tuple[int, int, bool]]:
    """First and last frame of what is one note or has none: runs of pitch, cut where it is soft."""
    sung = speech.pitch > 0
    edges = [0, *(np.flatnonzero(np.diff(sung)) + 1).tolist(), len(sung)]
    power = np.log(speech.envelope.sum(1))
    soft = np.convolve(power, np.ones(9) / 9, "same")
    shortest, longest = (int(s / STEP) for s in SYLLABLE)
    for first, last in pairwise(edges):
        while sung[first] and last - first > longest:
            inside = soft[first + shortest : min(first + longest, last - shortest)]
            if not len(inside):
                break
            cut = first + shortest + int(inside.argmin())
            yield first, cut, True
            first = cut
        yield first, last, bool(sung[first])


def stretched(first: int, last: int, n: int) -> Floats:
    """Moments of a syllable that lasts n frames: its ends as they were, its middle slower."""
    edge = min(int(EDGE / STEP), (last - first) // 3)
    places = [0, edge, max(n - edge, edge + 1), max(n, 2 * edge + 2)]
    return np.interp(np.arange(n), places, [first, first + edge, last - edge, last - 1])


def melody(n: int, middle: float, rng: np.random.Generator) -> Floats:
    """Notes of a scale by chance, in semitones over 1 Hz, about a speaker's pitch."""
    scale, tonic = SCALES[int(rng.integers(len(SCALES)))], rng.uniform(0, 12)
    every = np.concatenate([np.array(scale) + 12 * octave + tonic for octave in range(-1, 12)])
    low, high = middle + RANGE[0], middle + RANGE[1]
    within = every[(every >= low) & (every <= high)]
    place = int(rng.integers(len(within) // 4, max(1 + len(within) // 4, 3 * len(within) // 4)))
    chances = np.array(CHANCES) / sum(CHANCES)
    notes = []
    for step in rng.choice(STEPS, n, p=chances):
        place = place + int(step) if 0 <= place + step < len(within) else place - int(step)
        place = min(max(place, 0), len(within) - 1)
        notes.append(within[place])
    return np.array(notes)


def contour(
    notes: Floats, lengths: Sequence[int], starts: Sequence[int], n: int, rng: np.random.Generator
) -> Floats:
    """Pitch of every frame in semitones: notes with glides between, vibrato, and drift."""
    pitch = np.zeros(n)
    before = notes[0] - rng.uniform(0, 2)
    for note, length, start in zip(notes, lengths, starts, strict=True):
        t = np.arange(length) * STEP
        glide = rng.uniform(0.03, 0.12)
        at = 0.5 - 0.5 * np.cos(np.pi * np.clip(t / glide, 0, 1))
        depth = rng.uniform(0.1, 0.7) * np.clip((t - rng.uniform(0.1, 0.3)) / 0.2, 0, 1)
        vibrato = depth * np.sin(2 * np.pi * (rng.uniform(5, 6) * t + rng.uniform()))
        pitch[start : start + length] = before + (note - before) * at + vibrato
        before = note
    slow = np.convolve(rng.normal(0, 1, n + 80), np.hanning(81) / np.sqrt(30.0), "valid")
    return pitch + 0.12 * slow[:n]


def sung(world: Any, speech: Speech, rng: np.random.Generator) -> Floats:
    """Sing a phrase."""
    voiced = speech.pitch[speech.pitch > 0]
    parts = list(syllables(speech))
    notes = melody(sum(p[2] for p in parts), float(12 * np.log2(np.median(voiced))), rng)
    moments, starts, lengths, now = list[Floats](), list[int](), list[int](), 0
    beat = rng.uniform(0.2, 0.4)
    for first, last, has_pitch in parts:
        if has_pitch:
            seconds = np.clip(beat * rng.choice([1, 1, 1, 2, 2, 3]), 0.2, 1.0)
            n = max(int(seconds / STEP), last - first)
            starts.append(now)
            lengths.append(n)
        else:
            n = last - first
        moments.append(stretched(first, last, n))
        now += n
    high = contour(notes, lengths, starts, now, rng)
    pitch = np.zeros(now)
    for start, length in zip(starts, lengths, strict=True):
        pitch[start : start + length] = 2 ** (high[start : start + length] / 12)
    song = speech.at(np.concatenate(moments), pitch)
    hz = np.linspace(0, RATE / 2, song.envelope.shape[1])
    bright = np.interp(np.log(hz + 1), np.log([500, 3000]), [0, rng.uniform(*EFFORT_DB)])
    whole = world.synthesize(
        song.pitch, song.envelope * 10 ** (bright / 10), song.noise, RATE, 1000 * STEP
    )
    return np.asarray(whole, np.float64)


def sing(
    world: Any, paths: Sequence[Path], seconds: float, rng: np.random.Generator
) -> tuple[Floats, int]:
    """Sing phrases for some time; also how many there were."""
    parts, so_far, count, failures = list[Floats](), 0, 0, 0
    while so_far < seconds * RATE:
        speech = analysed(world, *phrase(paths, rng))
        if (speech.pitch > 0).mean() < 0.1:
            failures += 1
            if failures > 20:
                raise InputError(f"{paths[0].parent}: holds no voice: leave it out")
            continue
        parts.append(sung(world, speech, rng))
        so_far += len(parts[-1])
        count += 1
    return np.concatenate(parts), count


def main() -> None:
    """Read, sing, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("speech", type=Path, help="folder of speakers' folders")
    parser.add_argument("out", type=Path, help="folder that gets solo/SPEAKER - NUMBER.npy")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=30.0, help="of song, of all speakers")
    asked = parser.parse_args()
    try:
        if asked.minutes <= 0:
            raise InputError(f"--minutes is {asked.minutes}: give more than 0")
        world, speakers, total = vocoder(), speakers_in(asked.speech), 0.0
        (asked.out / "solo").mkdir(parents=True, exist_ok=True)
        number = max(1, round(60 * asked.minutes / FILE / len(speakers)))
        seconds = 60 * asked.minutes / len(speakers) / number
        for index, (name, paths) in enumerate(speakers.items()):
            for file in range(number):
                rng = np.random.default_rng([asked.seed, index, file])
                song, count = sing(world, paths, seconds, rng)
                samples = int16((song * PEAK / np.abs(song).max()).astype(np.float32))
                path = asked.out / "solo" / f"{name} - {file + 1:02d}.npy"
                save_array(path, np.broadcast_to(samples, (1, 2, len(samples))))
                length = len(samples) / RATE
                total += length
                print(f"{name} {file + 1}: {length:.0f} s, {count} phrases", flush=True)
    except (InputError, AudioError, OSError) as error:
        sys.exit(f"sung_speech.py: {error}")
    print(f"{total / 60:.1f} minutes by {len(speakers)} speakers in {asked.out}")


if __name__ == "__main__":
    main()
