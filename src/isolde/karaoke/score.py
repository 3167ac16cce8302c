"""The score of a song: lines of notes with syllables; it reads no audio.

A syllable is sung on a note and continues over the following notes without a syllable. In a line
with more syllables than notes the longest note is cut in half repeatedly, while the pieces are at
least 0.12 s long; if there are still too few notes, syllables share a note.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from isolde.activity import Cue
from isolde.karaoke.melody import Note
from isolde.karaoke.singing import Singing
from isolde.karaoke.syllables import is_english, split_syllables

SHORTEST = 0.12
"""Seconds of the shortest piece of a cut note."""


@dataclass(frozen=True)
class ScoreNote:
    """A note and its syllable.

    Attributes:
        start: Start in seconds.
        end: End in seconds.
        semitone: Pitch as MIDI counts it; None if no pitch was found.
        text: Syllable, with a leading space if it begins a word; empty if the one before continues
            or there are no words.
    """

    start: float
    end: float
    semitone: int | None
    text: str = ""


def make_score(singing: Singing) -> tuple[tuple[ScoreNote, ...], ...]:
    """Make the score: one line per line of the words or, without words, per sung phrase.

    Args:
        singing: Singing of a song, with its notes.

    Returns:
        Notes of each line, in order, at least one.
    """
    spans = (
        [Cue(s.start, s.end, "") for s in singing.activity.segments]
        if singing.lines is None
        else list(singing.lines)
    )
    english = is_english(span.text for span in spans)
    score = []
    for span, notes in zip(spans, _by_line(singing.notes, spans), strict=True):
        line = [ScoreNote(n.start, n.end, n.semitone) for n in notes]
        line = line or [ScoreNote(span.start, span.end, None)]
        if span.text:
            line = _with_words(line, split_syllables(span.text, english=english))
        score.append(tuple(line))
    return tuple(score)


def _by_line(notes: Sequence[Note], spans: Sequence[Cue]) -> list[list[Note]]:
    """Notes of each line: those whose middle is nearest to it."""
    lines: list[list[Note]] = [[] for _ in spans]
    at = 0
    for note in notes:
        middle = (note.start + note.end) / 2
        while at + 1 < len(spans) and middle > (spans[at].end + spans[at + 1].start) / 2:
            at += 1
        if spans:
            lines[at].append(note)
    return lines


def _with_words(line: Sequence[ScoreNote], syllables: Sequence[str]) -> list[ScoreNote]:
    """Put syllables on the notes of a line."""
    notes = list(line)
    while len(notes) < len(syllables):
        longest = max(range(len(notes)), key=lambda k: notes[k].end - notes[k].start)
        note = notes[longest]
        middle = (note.start + note.end) / 2
        if middle - note.start < SHORTEST:
            break
        notes[longest : longest + 1] = [replace(note, end=middle), replace(note, start=middle)]
    texts = [""] * len(notes)
    for k, syllable in enumerate(syllables):
        texts[k * len(notes) // len(syllables)] += syllable
    return [replace(note, text=text) for note, text in zip(notes, texts, strict=True)]
