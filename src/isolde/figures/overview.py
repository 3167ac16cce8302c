"""Draw a whole song: its spectrogram, the level of the voice, and where somebody sings."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from isolde.core.errors import InputError
from isolde.core.stage import Float32
from isolde.figures.canvas import COLUMNS, Canvas, canvas_of, clock, level_limits, show
from isolde.figures.style import BLUE, ORANGE, check_picture, new_axes, new_figure, save

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FLOOR_DB = -60.0


def draw_activity(
    mixture: Float32,
    vocals: Float32 | None,
    sample_rate: int,
    path: str | Path,
    *,
    probabilities: Float32 | None = None,
    frame_seconds: float = 256 / 22050,
    segments: Sequence[tuple[float, float]] = (),
    title: str | None = None,
) -> Path:
    """Draw vocal activity over a song.

    Args:
        mixture: Mixture (n_channels, n_samples) in [-1, 1].
        vocals: The same shape; None leaves their level out.
        sample_rate: Sample rate of both in Hz.
        path: Path of the PNG or SVG to write.
        probabilities: Probabilities (n_frames,) in [0, 1] that somebody sings; None leaves them
            out.
        frame_seconds: Seconds from one of them to the next; the first is at 0 s.
        segments: Segments (start, end) in seconds of what counts as singing.
        title: Title above the picture.

    Returns:
        The path.

    Raises:
        AudioError: When the file cannot be written.
        InputError: When the path's ending is unknown or the shapes do not fit.
        MissingExtraError: When matplotlib is not installed.
    """
    path = check_picture(path)
    if vocals is not None and vocals.shape != mixture.shape:
        raise InputError(f"vocals of shape {vocals.shape} for a mixture of shape {mixture.shape}")
    figure = activity_figure(
        canvas_of(mixture, sample_rate),
        None if vocals is None else canvas_of(vocals, sample_rate),
        probabilities,
        frame_seconds=frame_seconds,
        segments=segments,
        title=title,
    )
    return save(figure, path)


def activity_figure(
    mixture: Canvas,
    vocals: Canvas | None = None,
    probabilities: Float32 | None = None,
    *,
    frame_seconds: float = 256 / 22050,
    segments: Sequence[tuple[float, float]] = (),
    start: float = 0.0,
    title: str | None = None,
) -> "Figure":
    """Return the figure of `draw_activity`, from finished canvases; times count from `start`."""
    shown = [True, vocals is not None, probabilities is not None]
    heights = [h for h, here in zip((2.2, 1.1, 1.0), shown, strict=True) if here]
    figure = new_figure(12.0, 0.6 + 1.25 * sum(heights))
    column = new_axes(figure, len(heights), 1, height_ratios=heights, sharex=True)
    panels = iter(row[0] for row in column)
    end = start + mixture.seconds
    level = mixture.level()
    picture = next(panels)
    image = show(picture, level, mixture, start=start, limits=level_limits(level))
    picture.set_ylabel("frequency (Hz)")
    picture.set_xlabel("")
    figure.colorbar(image, ax=picture, pad=0.01, label="level (dB)")
    picture.set_title(title or "vocal activity", loc="left")
    if vocals is not None:
        axes = next(panels)
        loudness = [_loudness(canvas) for canvas in (mixture, vocals)]
        full = float(max(loudness[0].max(), FLOOR_DB + 10))
        for values, colour, label in zip(
            loudness, ("#888888", BLUE), ("mixture", "vocals"), strict=True
        ):
            places = start + (np.arange(len(values)) + 0.5) * mixture.seconds / len(values)
            shown_level = np.maximum(values, full + FLOOR_DB)
            axes.fill_between(
                places, full + FLOOR_DB, shown_level, color=colour, alpha=0.75, label=label, lw=0
            )
        axes.set_ylim(full + FLOOR_DB, full + 3)
        axes.set_ylabel("level (dB)")
        axes.legend(loc="lower right", ncols=2)
    if probabilities is not None:
        axes = next(panels)
        times, likely = thinned(probabilities, frame_seconds)
        axes.fill_between(start + times, 0, likely, color=BLUE, alpha=0.35, lw=0)
        axes.plot(start + times, likely, color=BLUE, linewidth=0.8)
        axes.set_ylim(0, 1.12)
        axes.set_yticks([0, 0.5, 1])
        axes.set_ylabel("somebody sings")
    for axes in (row[0] for row in column[1:]):
        for begin, stop in segments:
            axes.axvspan(start + begin, start + stop, ymin=0.94, color=ORANGE, lw=0)
        if axes is not column[-1][0]:
            axes.set_xlabel("")
    clock(column[-1][0], start, end)
    return figure


def thinned(values: Float32, frame_seconds: float) -> tuple[Float32, Float32]:
    """Times in seconds and the mean of `values` (n,) around them, for a picture's width."""
    span = max(1, -(-len(values) // COLUMNS))
    padded = np.pad(values, (0, -len(values) % span), mode="edge") if len(values) else values
    means = padded.reshape(-1, span).mean(axis=1)
    times = (np.arange(len(means)) * span + (span - 1) / 2) * frame_seconds
    return times.astype(np.float32), means.astype(np.float32)


def _loudness(canvas: Canvas) -> Float32:
    """Level of each column in dB, all rows together."""
    return np.asarray(10 * np.log10(np.maximum(canvas.power().sum(axis=0), 1e-14)), np.float32)
