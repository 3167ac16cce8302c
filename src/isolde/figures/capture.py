"""One pass over a song, block by block, for all its pictures; it draws and writes nothing.

Memory does not grow with the song: canvases pool it while it streams by, and the only sound that is
kept is that of the players of a report, at most LISTEN_SECONDS.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from isolde.activity import Detector, find_segments
from isolde.audio import AudioReader
from isolde.core.errors import InputError
from isolde.core.stage import Float32
from isolde.core.stems import VOCALS
from isolde.figures.canvas import Canvas
from isolde.models.catalogue import LIVE
from isolde.separation.load import make_separator
from isolde.separation.presence import make_listening_separator
from isolde.separation.settings import SeparationSettings
from isolde.separation.stages.separator import Separator

LISTEN_SECONDS = 45.0


@dataclass
class Capture:
    """Results of one pass over a song.

    Attributes:
        path: Path of the song.
        start: Start of the range in seconds.
        sample_rate: Sample rate in Hz.
        mixture: Its canvas.
        vocals: The canvas of its vocals; None when nothing was separated.
        probabilities: Probabilities (n_frames,) that somebody sings; None when not asked for.
        frame_seconds: Seconds from one of them to the next.
        segments: Segments (start, end) of singing in seconds of the range.
        stems: The first seconds of mixture, vocals and accompaniment, on request.
        notes: Warnings about the song, one line each.
    """

    path: Path
    start: float
    sample_rate: int
    mixture: Canvas
    vocals: Canvas | None = None
    probabilities: Float32 | None = None
    frame_seconds: float = 256 / 22050
    segments: list[tuple[float, float]] = field(default_factory=list)
    stems: dict[str, Float32] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Length of the range."""
        return self.mixture.seconds

    def loudest_voice(self) -> float:
        """Return the time in the range, in seconds, at which the vocals are loudest."""
        canvas = self.vocals or self.mixture
        power = canvas.power().sum(axis=0)
        at = (int(power.argmax()) + 0.5) * canvas.column_seconds
        return float(min(max(at, 0.0), canvas.seconds))


def voice_of(stems: Mapping[str, Float32]) -> str:
    """Name the stem that pictures show as the vocals: the first one of a model without vocals."""
    return VOCALS if VOCALS in stems else next(iter(stems))


def capture_song(
    path: str | Path,
    *,
    start: float = 0.0,
    end: float | None = None,
    separation: bool = True,
    activity: bool = True,
    listening: bool = False,
    model: str | Path = LIVE,
    progress: Callable[[float], None] | None = None,
) -> Capture:
    """Read a song once and keep what its pictures need.

    Args:
        path: Path of the song.
        start: Start in seconds.
        end: End in seconds; None: the song's.
        separation: Whether to separate it, for the pictures that show vocals.
        activity: Whether to separate it and to find where somebody sings.
        listening: Whether to keep the first seconds of the stems.
        model: Name or path of the separator's model.
        progress: Function called with the share that is done, where the file tells its length.

    Raises:
        AudioError: When the file cannot be read.
        InputError: When the range lies outside of the song, or holds no sound.
        ModelError: When there is no such model.
    """
    with AudioReader(path, start=start, end=end) as reader:
        rate, n_channels = reader.info.sample_rate, reader.info.n_channels
        separator: Separator | None = None
        detector: Detector | None = None
        settings = SeparationSettings(str(model))
        if activity:
            separator, detector = make_listening_separator(
                settings, sample_rate=rate, n_channels=n_channels
            )
        elif separation:
            separator = make_separator(settings, sample_rate=rate, n_channels=n_channels)
        mixture, vocals = Canvas(rate, n_channels), Canvas(rate, n_channels)
        probabilities: list[Float32] = []
        sounds: dict[str, list[Float32]] = {}

        def keep(name: str, block: Float32) -> None:
            parts = sounds.setdefault(name, [])
            room = round(LISTEN_SECONDS * rate) - sum(part.shape[1] for part in parts)
            if room > 0:
                parts.append(block[:, :room].copy())

        def take(stems: Mapping[str, Float32]) -> None:
            voice = voice_of(stems)
            vocals.feed(stems[voice])
            if listening:
                keep("vocals", stems[voice])
                rest = [audio for name, audio in stems.items() if name != voice]
                keep("accompaniment", np.sum(rest, axis=0))

        done = 0
        for block in reader:
            mixture.feed(block)
            if listening:
                keep("mixture", block)
            if separator:
                take(separator.feed(block))
            if detector:
                probabilities.append(detector.feed(block))
            done += block.shape[1]
            if progress and reader.about_samples:
                progress(min(1.0, done / reader.about_samples))
        notes = reader.notes()
    if not done:
        raise InputError(f"{path}: there is no sound to look at")
    mixture.flush()
    capture = Capture(Path(path), start, rate, mixture, notes=notes)
    if separator:
        take(separator.flush())
        vocals.flush()
        capture.vocals = vocals
        capture.notes += separator.notes()
    if detector:
        capture.probabilities = np.concatenate([*probabilities, detector.flush()])
        capture.frame_seconds = detector.frame_seconds
        found = find_segments(capture.probabilities, capture.frame_seconds, seconds=done / rate)
        capture.segments = [(segment.start, segment.end) for segment in found]
    capture.stems = {name: np.concatenate(parts, axis=1) for name, parts in sounds.items()}
    return capture
