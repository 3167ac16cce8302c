"""Draw the mixture, the mask and the vocals side by side; it separates nothing."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from isolde.core.errors import InputError
from isolde.core.signal.log_frequency import log_rows
from isolde.core.signal.spectrum import grid_for
from isolde.core.stage import Float32
from isolde.figures.canvas import COLUMNS, Canvas, Columns, canvas_of, level_limits, show
from isolde.figures.style import SHARES, check_picture, new_axes, new_figure, save

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_separation(
    mixture: Float32,
    vocals: Float32,
    mask: Float32 | None,
    sample_rate: int,
    path: str | Path,
    *,
    title: str | None = None,
) -> Path:
    """Draw mixture, mask and vocals as spectrograms on one logarithmic frequency axis.

    Args:
        mixture: Mixture (n_channels, n_samples) in [-1, 1].
        vocals: The same shape, in [-1, 1].
        mask: Mask (..., n_frames, n_bins) in [0, 1] on `spectrum.grid_for(sample_rate)`, of which
            the mean over the leading axes is drawn; None: the share of the mixture's magnitude that
            the vocals have.
        sample_rate: Sample rate of both in Hz.
        path: Path of the PNG or SVG to write.
        title: Title above the picture.

    Returns:
        The path.

    Raises:
        InputError: When the path's ending is unknown or the shapes do not fit.
        AudioError: When the file cannot be written.
        MissingExtraError: When matplotlib is not installed.
    """
    path = check_picture(path)
    if mixture.shape != vocals.shape:
        raise InputError(f"vocals of shape {vocals.shape} for a mixture of shape {mixture.shape}")
    sounds = canvas_of(mixture, sample_rate), canvas_of(vocals, sample_rate)
    shares = None if mask is None else mask_columns(mask, sample_rate)
    return save(separation_figure(*sounds, shares, title=title), path)


def separation_figure(
    mixture: Canvas,
    vocals: Canvas,
    shares: Float32 | None = None,
    *,
    start: float = 0.0,
    title: str | None = None,
) -> "Figure":
    """Return the figure of `draw_separation`, from finished canvases.

    Args:
        mixture: Finished canvas of the mixture.
        vocals: Finished canvas of the vocals, of the same length.
        shares: Shares (rows, columns) in [0, 1] over the same axes; None: from the two others.
        start: Time of the left edge in seconds.
        title: Title above the picture.
    """
    figure = new_figure(12.0, 3.9)
    ((left, middle, right),) = new_axes(figure, 1, 3, sharey=True)
    if shares is None:
        shares = np.sqrt(np.clip(vocals.power() / np.maximum(mixture.power(), 1e-12), 0, 1))
    level = mixture.level()
    limits = level_limits(level)
    image = show(left, level, mixture, start=start, limits=limits)
    mask = show(middle, shares, mixture, start=start, limits=(0, 1), colours=SHARES)
    show(right, vocals.level(), mixture, start=start, limits=limits)
    left.set_title("mixture", loc="left")
    middle.set_title("mask: which share is voice", loc="left")
    right.set_title("vocals = mask \u00d7 mixture", loc="left")
    left.set_ylabel("frequency (Hz)")
    figure.colorbar(mask, ax=middle, pad=0.015, ticks=[0, 0.25, 0.5, 0.75, 1])
    figure.colorbar(image, ax=right, pad=0.015, label="level (dB, full-scale sine = 0)")
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def mask_columns(mask: Float32, sample_rate: int, *, columns: int = COLUMNS) -> Float32:
    """Bring a mask to the rows of a picture.

    Args:
        mask: Mask (..., n_frames, n_bins) in [0, 1] on `spectrum.grid_for(sample_rate)`.
        sample_rate: Sample rate of the sound in Hz, before it was brought to that grid.
        columns: Number of columns, about.

    Returns:
        (rows, columns) in [0, 1].

    Raises:
        InputError: When the mask has fewer than two axes, or is empty.
    """
    if mask.ndim < 2 or not mask.size:
        raise InputError(f"a mask of shape {mask.shape}: give (..., n_frames, n_bins), not empty")
    flat = mask.reshape(-1, *mask.shape[-2:]).mean(axis=0)
    grid = grid_for(sample_rate)
    canvas = Canvas(sample_rate, 1, columns=columns)
    bin_hz = grid.sample_rate / grid.n_fft
    rows = log_rows(bin_hz, flat.shape[1], canvas.low, canvas.high, canvas.n_rows)
    picture = Columns(rows.shape[0], columns=columns)
    for begin in range(0, len(flat), 4096):
        picture.put(flat[begin : begin + 4096] @ rows.T)
    return np.clip(picture.values(), 0, 1)
