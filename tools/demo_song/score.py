"""What a synthetic song plays and sings, as notes in time; it makes no sound.

A song is a chord loop in a key, a bar to a chord. The voice sings phrases of six beats with two
beats of rest, in the form A A' B A': the same rhythm and contour come back over other chords.
"""

from dataclasses import dataclass

import numpy as np

from isolde.core.errors import InputError

MIN_SECONDS = 3.0
BEATS_PER_BAR = 4
BEATS_PER_PHRASE = 8  # six sung, two of rest
MAJOR = (0, 2, 4, 5, 7, 9, 11)  # semitones above the tonic

# Chord loops as degrees of the major scale, 0 = I: those of a great part of pop music.
LOOPS = ((0, 4, 5, 3), (5, 3, 0, 4), (0, 5, 3, 4), (3, 0, 4, 5))
# Rhythms of a phrase in beats; each sums to six and ends on a long note.
RHYTHMS = (
    (1.0, 0.5, 0.5, 1.0, 1.0, 2.0),
    (0.5, 0.5, 1.0, 0.5, 0.5, 1.0, 2.0),
    (1.5, 0.5, 1.0, 0.5, 0.5, 2.0),
    (0.5, 0.5, 0.5, 0.5, 1.0, 0.5, 0.5, 2.0),
    (2.0, 1.0, 1.0, 2.0),
)
CONSONANTS = ("s", "sh", "t", "k", "f", "h", "m", "n", "l", "")
CONSONANT_CHANCES = (0.16, 0.08, 0.14, 0.10, 0.06, 0.08, 0.12, 0.12, 0.08, 0.06)
VOWELS = ("i", "e", "ae", "a", "o", "u", "uh")


@dataclass(frozen=True)
class Syllable:
    """One sung syllable: the vowel sounds from start to end, the consonant comes just before."""

    start: float  # seconds
    end: float  # seconds
    midi: float  # pitch, MIDI note number
    consonant: str  # a name in phonemes.CONSONANTS
    vowels: tuple[str, ...]  # names in phonemes.VOWELS; two make a diphthong
    loudness: float  # 0..1
    opens_phrase: bool  # a breath is taken before it


@dataclass(frozen=True)
class Score:
    """All that a song needs to sound."""

    seed: int
    seconds: float
    beat: float  # seconds per beat
    tonic: int  # MIDI note number of the key, 48..59
    chords: tuple[int, ...]  # the scale degree of each bar, from the first to the last
    singer: str  # "woman" or "man"
    syllables: tuple[Syllable, ...]


def degree_to_midi(tonic: int, degree: int) -> int:
    """The MIDI note of a degree of the major scale; 0 is the tonic, 7 the octave above it."""
    octave, step = divmod(degree, 7)
    return tonic + 12 * octave + MAJOR[step]


def compose(seed: int, seconds: float) -> Score:
    """Write a song of a given length; the same seed gives the same song.

    Args:
        seed: any integer >= 0.
        seconds: the length, at least 3.

    Raises:
        InputError: the length or the seed is out of range.
    """
    if seed < 0:
        raise InputError(f"a song's seed is {seed}: choose an integer >= 0")
    if not MIN_SECONDS <= seconds < float("inf"):
        raise InputError(f"a song of {seconds} s is too short: ask for at least {MIN_SECONDS:g} s")
    rng = np.random.default_rng([seed, 0])
    beat = 60.0 / rng.uniform(84.0, 108.0)
    tonic = int(rng.integers(48, 60))
    loop = LOOPS[rng.integers(len(LOOPS))]
    n_bars = int(np.ceil(seconds / (beat * BEATS_PER_BAR)))
    chords = tuple(loop[bar % len(loop)] for bar in range(n_bars))
    singer = ("woman", "man")[rng.integers(2)]
    intro = BEATS_PER_BAR * beat if seconds >= 12.0 else beat
    syllables = _sing(rng, seconds, beat, intro, tonic, chords, singer)
    return Score(seed, seconds, beat, tonic, chords, singer, syllables)


def _sing(
    rng: np.random.Generator,
    seconds: float,
    beat: float,
    intro: float,
    tonic: int,
    chords: tuple[int, ...],
    singer: str,
) -> tuple[Syllable, ...]:
    """A melody in phrases: strong beats take a note of the chord, the others move by step."""
    centre = {"woman": 67.0, "man": 55.0}[singer]
    home = min(range(-14, 22), key=lambda d: abs(degree_to_midi(tonic, d) - centre))
    motifs = []
    for pattern in rng.permutation(len(RHYTHMS))[:2]:
        rhythm = RHYTHMS[pattern]
        motifs.append((rhythm, rng.choice([-2, -1, -1, 0, 1, 1, 2], size=len(rhythm))))
    syllables: list[Syllable] = []
    n_phrases = int(np.ceil((seconds - intro) / (beat * BEATS_PER_PHRASE)))
    for phrase in range(n_phrases):
        rhythm, steps = motifs[1 if phrase % 4 == 2 else 0]
        degree = home + (2 if phrase % 4 == 2 else 0) + int(rng.integers(-1, 2))
        time = intro + phrase * BEATS_PER_PHRASE * beat
        for index, (length, step) in enumerate(zip(rhythm, steps, strict=True)):
            degree += int(step)
            degree += int(np.sign(home - degree)) * max(0, abs(degree - home) - 5)
            bar = int(time / (beat * BEATS_PER_BAR) + 1e-6)  # a note on the bar line is in its bar
            chord = chords[min(bar, len(chords) - 1)]
            if length >= 1.0:
                degree = min(
                    (d for d in range(degree - 2, degree + 3) if (d - chord) % 7 in (0, 2, 4)),
                    key=lambda d: (abs(d - degree), d),
                )
            vowels = tuple(
                rng.choice(VOWELS, size=2 if length >= 1.5 else 1, replace=False).tolist()
            )
            end = time + length * beat
            if end <= seconds - 0.25:
                syllables.append(
                    Syllable(
                        start=time,
                        end=end - 0.04 * beat,
                        midi=float(degree_to_midi(tonic, degree)),
                        consonant=str(rng.choice(CONSONANTS, p=CONSONANT_CHANCES)),
                        vowels=vowels,
                        loudness=float(rng.uniform(0.75, 1.0)),
                        opens_phrase=index == 0,
                    )
                )
            time = end
    return tuple(syllables)
