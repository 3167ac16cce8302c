"""One pass over a song, block by block, for every picture of it; it draws and writes nothing.

Memory does not grow with the song: canvases pool as it streams by, and only what is listened to in
a report, at most LISTEN_SECONDS, and what is marked or looked into is held as sound.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from isolde.activity import ActivityDetector, Detector, find_segments
from isolde.audio import AudioReader
from isolde.core.errors import InputError
from isolde.core.stage import Float32
from isolde.figures.canvas import Canvas
from isolde.models.catalogue import LIVE
from isolde.separation.load import make_separator
from isolde.separation.presence import make_listening_separator
from isolde.separation.settings import SeparationSettings
from isolde.separation.stages.separator import Separator

LISTEN_SECONDS = 45.0


@dataclass
class Capture:
    """What one pass over a song leaves.

    Attributes:
        path: Path of the song.
        start: Start of the range in seconds.
        sample_rate: Sample rate in Hz.
        mixture: Its canvas.
        vocals: The canvas of its vocals; None when nothing was separated.
        probabilities: Probabilities (n_frames,) that somebody sings; None when no model could say.
        frame_seconds: Seconds from one of them to the next.
        segments: Segments (start, end) of singing in seconds of the range.
        stems: The first seconds of mixture, vocals and accompaniment, where they were asked for.
        notes: Lines that say what was odd about the song.
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
        activity: Whether to tell where somebody sings.
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
        if separation and activity:
            separator, detector = make_listening_separator(
                settings, sample_rate=rate, n_channels=n_channels
            )
        elif separation:
            separator = make_separator(settings, sample_rate=rate, n_channels=n_channels)
        elif activity:
            detector = ActivityDetector(sample_rate=rate, n_channels=n_channels)
        n_listen = round(LISTEN_SECONDS * rate) if listening else 0
        pass_ = _Pass(rate, n_channels, separator, detector, n_listen)
        done = 0
        for block in reader:
            pass_.feed(block)
            done += block.shape[1]
            if progress and reader.about_samples:
                progress(min(1.0, done / reader.about_samples))
        notes = reader.notes()
    if not done:
        raise InputError(f"{path}: there is no sound to look at")
    capture = pass_.finish(Path(path), start)
    capture.notes = [*notes, *(separator.notes() if separator else ())]
    return capture


class _Pass:
    """The stages that a song runs through."""

    def __init__(
        self,
        rate: int,
        n_channels: int,
        separator: Separator | None,
        detector: Detector | None,
        n_listen: int,
    ) -> None:
        self._rate = rate
        self._mixture = Canvas(rate, n_channels)
        self._vocals = Canvas(rate, n_channels) if separator else None
        self._separator, self._detector = separator, detector
        self._probabilities: list[Float32] = []
        self._room, self._heard = n_listen, dict[str, list[Float32]]()
        self._n = 0

    def feed(self, block: Float32) -> None:
        self._mixture.feed(block)
        self._keep("mixture", block)
        self._n += block.shape[1]
        if self._separator:
            self._split(self._separator.feed(block))
        if self._detector:
            self._probabilities.append(self._detector.feed(block))

    def finish(self, path: Path, start: float) -> Capture:
        self._mixture.flush()
        if self._separator and self._vocals:
            self._split(self._separator.flush())
            self._vocals.flush()
        capture = Capture(path, start, self._rate, self._mixture, self._vocals)
        if self._detector:
            capture.probabilities = np.concatenate([*self._probabilities, self._detector.flush()])
            capture.frame_seconds = self._detector.frame_seconds
            found = find_segments(
                capture.probabilities, capture.frame_seconds, seconds=self._n / self._rate
            )
            capture.segments = [(s.start, s.end) for s in found]
        capture.stems = {k: np.concatenate(parts, axis=1) for k, parts in self._heard.items()}
        return capture

    def _split(self, stems: dict[str, Float32]) -> None:
        if self._vocals is None or self._separator is None:
            return
        names_ = self._separator.stems
        wanted = "vocals" if "vocals" in names_ else names_[0]
        self._vocals.feed(stems[wanted])
        self._keep("vocals", stems[wanted])
        self._keep("accompaniment", sum(stems[s] for s in names_ if s != wanted))  # type: ignore[arg-type]

    def _keep(self, name: str, block: Float32) -> None:
        parts = self._heard.setdefault(name, []) if self._room else []
        room = self._room - sum(p.shape[1] for p in parts)
        if room > 0:
            parts.append(block[:, :room].copy())
