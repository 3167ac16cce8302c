"""Draw a spectrogram with the pitch, harmonics and bursts that the rules find; isolates nothing."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from isolde.audio import Resampler
from isolde.core.errors import InputError
from isolde.core.signal.spectrum import GRID_22, analyse
from isolde.core.stage import Float32
from isolde.figures.canvas import Canvas, canvas_of, height, level_limits, show
from isolde.figures.style import CYAN, ORANGE, check_picture, new_axes, new_figure, save
from isolde.rules import Rules
from isolde.rules.mask import burst_frames
from isolde.rules.masker import weigh_bins
from isolde.rules.pitch import follow, runs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN_HARMONICS = 8


@dataclass(frozen=True)
class Marks:
    """Pitch and bursts to draw over a spectrogram.

    Attributes:
        times: Times (n,) of the frames in seconds.
        f0: Pitch (n,) in Hz, 0 where nothing is voiced.
        bursts: Whether a frame has an unvoiced burst, (n,) bool.
        frame_seconds: Seconds from one frame to the next.
    """

    times: Float32
    f0: Float32
    bursts: NDArray[np.bool_]
    frame_seconds: float


def draw_spectrogram(
    audio: Float32,
    sample_rate: int,
    path: str | Path,
    *,
    marks: Marks | None = None,
    title: str | None = None,
) -> Path:
    """Draw a spectrogram: windows of 2048 samples, 75 % overlap, logarithmic frequency.

    Args:
        audio: Audio (n_channels, n_samples) in [-1, 1].
        sample_rate: Sample rate in Hz.
        path: Path of the PNG or SVG to write.
        marks: Pitch and bursts to draw over it; None for nothing.
        title: Title above the picture.

    Returns:
        The path.

    Raises:
        AudioError: When the file cannot be written.
        InputError: When the path's ending is unknown or the array is no audio.
        MissingExtraError: When matplotlib is not installed.
    """
    path = check_picture(path)
    canvas = canvas_of(audio, sample_rate)
    return save(spectrogram_figure(canvas, marks, title=title), path)


def spectrogram_figure(
    canvas: Canvas, marks: Marks | None = None, *, start: float = 0.0, title: str | None = None
) -> "Figure":
    """Return the figure of `draw_spectrogram`, from a finished canvas.

    Args:
        canvas: Finished canvas of the sound.
        marks: Marks with times on the same axis.
        start: Time of the left edge in seconds.
        title: Title above the picture.
    """
    figure = new_figure(11.0, 4.6)
    ((axes,),) = new_axes(figure, 1, 1)
    level = canvas.level()
    image = show(axes, level, canvas, start=start, limits=level_limits(level))
    axes.set_ylabel("frequency (Hz)")
    figure.colorbar(image, ax=axes, pad=0.01, label="level (dB, full-scale sine = 0)")
    if marks is not None:
        mark(axes, marks, high=canvas.high)
    axes.set_title(title or "spectrogram", loc="left")
    return figure


def mark(axes: "Axes", marks: Marks, *, high: float, harmonics: int = SHOWN_HARMONICS) -> None:
    """Draw pitch, harmonics and bursts over a spectrogram, with a legend.

    Args:
        axes: Axes of a picture made by `canvas.show`.
        marks: Pitch and bursts.
        high: Highest frequency of the picture in Hz.
        harmonics: Number to draw, the fundamental included.
    """
    f0 = np.where(marks.f0 > 0, marks.f0, np.nan)
    for harmonic in range(harmonics, 0, -1):
        curve = np.where(harmonic * f0 < high, height(np.nan_to_num(harmonic * f0)), np.nan)
        curve = np.where(np.isnan(f0), np.nan, curve)
        first = harmonic == 1
        axes.plot(
            marks.times,
            curve,
            color=CYAN if first else "white",
            linewidth=1.8 if first else 0.7,
            linestyle="-" if first else (0, (4, 2)),
            alpha=1.0 if first else 0.75,
            label={1: "pitch f0", 2: f"harmonics 2 to {harmonics}"}.get(harmonic),
        )
    labelled = False
    for a, b in runs(marks.bursts):
        begin = marks.times[a] - marks.frame_seconds / 2
        end = marks.times[b - 1] + marks.frame_seconds / 2
        axes.axvspan(
            float(begin),
            float(end),
            ymin=0.955,
            color=ORANGE,
            linewidth=0,
            label=None if labelled else "unvoiced bursts",
        )
        labelled = True
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        axes.legend(
            handles[::-1],
            labels[::-1],
            loc="lower right",
            bbox_to_anchor=(1.0, 1.0),  # above the picture: it hides nothing
            ncols=3,
            facecolor="#222222",
            labelcolor="white",
            edgecolor="none",
        )


def marks_of(audio: Float32, sample_rate: int, *, start: float = 0.0) -> Marks:
    """Find pitch and bursts with the rules in some seconds of music.

    Args:
        audio: Audio (n_channels, n_samples) in [-1, 1]; seconds, not minutes: all of it is held at
            once.
        sample_rate: Sample rate in Hz.
        start: Time of the first sample in seconds.

    Returns:
        Pitch and bursts on the article's grid.

    Raises:
        InputError: When there is no sound in the array.
        MissingExtraError: When librosa is not installed.
    """
    if not audio.size:
        raise InputError(f"audio of shape {audio.shape}: give (n_channels, n_samples), not empty")
    rules = Rules()
    inward = Resampler(sample_rate, GRID_22.sample_rate, len(audio))
    spectra = analyse(np.concatenate([inward.feed(audio), inward.flush()], axis=1), GRID_22)
    mid, weight = weigh_bins(spectra, rules)
    track = follow(mid * weight, rules)
    times = start + np.arange(len(mid), dtype=np.float32) * np.float32(GRID_22.frame_seconds)
    bursts = burst_frames(np.abs(mid * weight), track, rules)
    return Marks(times, track.f0, bursts, GRID_22.frame_seconds)
