"""What is sung in a song: where, what melody, which words; heard in one pass, and written nowhere.

The mixture goes to the detector of activity and to the separator, the separated voice to the
tracker of pitches: block by block, so memory does not grow with the sound.
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
    """What is sung in a song.

    Attributes:
        activity: Where somebody sings.
        notes: Notes of the voice; none where they were not asked for.
        lines: Lines of the words at their times; None without words.
        warnings: Lines that say what was odd about the song.
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
    """Listen to a song.

    Args:
        source: A file or a binary stream.
        words: Lines of the words, spread over what is sung.
        rule: When singing starts and stops.
        activity_model: Name or path of the model that tells where somebody sings; None for the
            separating one, or, where none is, for the usual.
        separation: How the voice is separated, for its notes; None for no notes.
        on_stems: Function that takes the stems, block by block, where they are separated.
        threads: Number of threads of the activity model, where nothing is separated.
        progress: Function called with the share that is done, where a file tells its length.

    Raises:
        AudioError: The file cannot be read.
        InputError: A setting cannot be used, or the words do not fit what is sung.
        ModelError: There is no such model, or it separates no vocals.
    """
    if separation is None:
        model = activity_model or MODEL
        activity = find_activity(source, model=model, rule=rule, threads=threads, progress=progress)
        found = Singing(activity, warnings=activity.warnings)
    else:
        found = _listen(source, activity_model, separation, rule, on_stems, progress)
    if words is None:
        return found
    phrases = found.activity.with_rule(phrase_rule(rule or SegmentRule()))
    return replace(found, lines=place_lines(words, phrases))


def phrase_rule(rule: SegmentRule) -> SegmentRule:
    """Make the rule of phrases for words, which keeps all pauses in which lines may meet.

    Args:
        rule: Rule of the segments.
    """
    return replace(
        rule,
        offset=rule.onset,
        min_duration_on=min(rule.min_duration_on, 0.1),
        min_duration_off=min(rule.min_duration_off, 0.05),
    )


def _listen(
    source: str | Path | BinaryIO,
    activity_model: str | Path | None,
    separation: SeparationSettings,
    rule: SegmentRule | None,
    on_stems: Callable[[Mapping[str, Float32]], None] | None,
    progress: Callable[[float], None] | None,
) -> Singing:
    """Activity and notes from one reading of the song."""
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
