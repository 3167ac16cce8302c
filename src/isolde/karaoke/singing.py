"""The singing of a song: segments, melody and words, found in one pass; it writes no file.

The mixture goes to the activity detector and to the separator, the separated voice to the pitch
tracker, block by block, so that no audio is kept.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from isolde.activity import (
    MODEL,
    Activity,
    Cue,
    SegmentRule,
    find_activity,
    find_segments,
)
from isolde.audio import AudioReader
from isolde.core.errors import InputError
from isolde.core.stage import Float32
from isolde.core.stems import VOCALS
from isolde.karaoke.melody import Note, PitchTracker, find_notes
from isolde.karaoke.placement import place_lines
from isolde.karaoke.words import WordLine
from isolde.separation import SeparationSettings
from isolde.separation.presence import make_listening_separator


@dataclass(frozen=True)
class Singing:
    """The singing of a song.

    Attributes:
        activity: Where somebody sings.
        notes: Notes of the voice; empty if they were not requested.
        lines: Lines of the words with their times; None without words.
        warnings: Warnings about the song, one line each.
    """

    activity: Activity
    notes: tuple[Note, ...] = ()
    lines: tuple[Cue, ...] | None = None
    warnings: tuple[str, ...] = ()


def find_singing(
    source: str | Path | BinaryIO,
    *,
    words: Sequence[WordLine] | None = None,
    rule: SegmentRule | None = None,
    activity_model: str | Path | None = None,
    separation: SeparationSettings | None = None,
    on_stems: Callable[[Mapping[str, Float32]], None] | None = None,
    threads: int = 1,
    progress: Callable[[float], None] | None = None,
) -> Singing:
    """Find the singing of a song.

    Args:
        source: A file or a binary stream.
        words: Lines of the words, which are placed on the sung phrases.
        rule: Rule for the start and the end of singing.
        activity_model: Name or path of the model that detects singing; None for the separating one
            or, without notes, for the default.
        separation: Settings of the separation for the notes; None for no notes.
        on_stems: Function called with each block of the stems, if they are separated.
        threads: Number of threads of the activity model, if nothing is separated.
        progress: Function called with the share that is done, if the length is known.

    Raises:
        AudioError: The file cannot be read.
        InputError: A setting is invalid, or the words do not fit the singing.
        ModelError: There is no such model, or it separates no vocals.
    """
    if separation is None:
        model = activity_model or MODEL
        activity = find_activity(source, model=model, rule=rule, threads=threads, progress=progress)
        found = Singing(activity, warnings=activity.warnings)
    else:
        found = _find_notes(source, activity_model, separation, rule, on_stems, progress)
    if words is None:
        return found
    phrases = found.activity.with_rule(phrase_rule(rule or SegmentRule()))
    return replace(found, lines=place_lines(words, phrases))


def phrase_rule(rule: SegmentRule) -> SegmentRule:
    """Make a rule for phrases that keeps all pauses in which lines may meet.

    Args:
        rule: Rule of the segments.
    """
    return replace(
        rule,
        offset=rule.onset,
        min_duration_on=min(rule.min_duration_on, 0.1),
        min_duration_off=min(rule.min_duration_off, 0.05),
    )


def _find_notes(
    source: str | Path | BinaryIO,
    activity_model: str | Path | None,
    separation: SeparationSettings,
    rule: SegmentRule | None,
    on_stems: Callable[[Mapping[str, Float32]], None] | None,
    progress: Callable[[float], None] | None,
) -> Singing:
    """Find activity and notes in one pass over the song."""
    with AudioReader(source) as reader:
        rate, n_channels = reader.info.sample_rate, reader.info.n_channels
        separator, detector = make_listening_separator(
            separation, sample_rate=rate, n_channels=n_channels, activity=activity_model
        )
        if VOCALS not in separator.stems:
            raise InputError(
                f"model '{separation.model}' separates {', '.join(separator.stems)}, no vocals: "
                "take a model that does"
            )
        tracker = PitchTracker(sample_rate=rate, n_channels=n_channels)
        probabilities: list[Float32] = []
        pitches: list[Float32] = []
        n = 0

        def take(stems: Mapping[str, Float32]) -> None:
            pitches.append(tracker.feed(stems[VOCALS]))
            if on_stems is not None:
                on_stems(stems)

        for block in reader:
            take(separator.feed(block))
            probabilities.append(detector.feed(block))
            n += block.shape[1]
            if progress and reader.about_samples:
                progress(min(1.0, n / reader.about_samples))
        take(separator.flush())
        probabilities.append(detector.flush())
        pitches.append(tracker.flush())
        warnings = (*reader.notes(), *separator.notes())
    frames, seconds = np.concatenate(probabilities), n / rate
    segments = find_segments(frames, detector.frame_seconds, seconds=seconds, rule=rule)
    activity = Activity(frames, detector.frame_seconds, segments, seconds)
    notes = find_notes(np.concatenate(pitches), segments=segments)
    return Singing(activity, notes, warnings=warnings)
