"""A singer with a known melody: vowels of the demo song's voice, or bare harmonics with vibrato."""

import numpy as np

import demo_song
from demo_song import voice
from demo_song.score import Score, Syllable
from isolde.core.stage import Float32

PHRASES = (
    ((0.8, 1.2, 57), (1.2, 1.5, 59), (1.5, 2.3, 60)),
    ((3.0, 3.4, 62), (3.4, 3.7, 60), (3.7, 4.5, 57)),
    ((5.5, 6.0, 64), (6.0, 6.3, 62), (6.3, 7.3, 60)),
)
"""Notes of each phrase: start and end in seconds, and pitch as MIDI counts it."""

MELODY = tuple(note for phrase in PHRASES for note in phrase)
SECONDS = 8.0


def sung(rate: int) -> Float32:
    """The melody on vowels, by a man with a vibrato of 45 cents, (2, n)."""
    syllables = tuple(
        Syllable(start, end, float(midi), "", (("a", "e", "o")[k % 3],), 0.9, False)
        for k, (start, end, midi) in enumerate(MELODY)
    )
    score = Score(1, SECONDS, 0.5, 57, (0, 4), "man", syllables)
    sound = voice.sing(score, rate)
    times = np.arange(len(sound)) / rate
    level = sum(
        np.clip((times - phrase[0][0]) / 0.005 + 0.5, 0, 1)
        * np.clip((phrase[-1][1] - times) / 0.005 + 0.5, 0, 1)
        for phrase in PHRASES
    )
    sound *= level
    loud = np.sqrt(np.mean(sound**2))
    return np.broadcast_to((0.1 * sound / loud).astype(np.float32), (2, len(sound))).copy()


def band(rate: int, *, db: float) -> Float32:
    """Drums, bass and chords for it, some dB louder than the voice, (2, n)."""
    stems = demo_song.make_song(5, seconds=SECONDS, sample_rate=rate)
    sound = stems["drums"] + stems["bass"] + stems["other"]
    return sound * np.float32(0.1 * 10 ** (db / 20) / np.sqrt(np.mean(sound**2)))


def tones(rate: int, *, cents: float, hz: float = 5.5) -> Float32:
    """The melody on harmonics that fall by 6 dB an octave, with vibrato, (1, n).

    Args:
        rate: Sample rate in Hz.
        cents: Depth of the vibrato to either side, in hundredths of a semitone.
        hz: Rate of the vibrato.
    """
    times = np.arange(round(SECONDS * rate)) / rate
    midi, level = np.full(len(times), 57.0), np.zeros(len(times))
    for start, end, note in MELODY:
        inside = (times >= start) & (times < end)
        age = times[inside] - start
        midi[inside] = note + cents / 100 * np.sin(2 * np.pi * hz * age)
        level[inside] = np.minimum(1, np.minimum(age, end - times[inside]) / 0.01)
    f0 = 440 * 2 ** ((midi - 69) / 12)
    phase = 2 * np.pi * np.cumsum(f0) / rate
    sound = sum(np.sin(k * phase) / k for k in range(1, 16))
    return (0.1 * level * sound).astype(np.float32)[None]
