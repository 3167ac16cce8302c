"""Pictures for the report as SVG and PNG text, with numpy and the standard library only."""

import base64
import html
import struct
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from isolde.core.stage import Float32
from isolde.evaluation.metrics.ratios import Float64

ROW = 34  # height of a box plot's row, pixels
LABEL = 210  # width left for names
LETTERS = 28  # that fit there; of a longer name the end is shown
WIDTH = 900
RANGE_DB = 80.0  # dynamic range of a spectrogram
TOP_DB = 0.0

# a perceptually even ramp from black over violet and orange to pale yellow, as (position, r, g, b)
_RAMP = (
    (0.00, 4, 3, 18),
    (0.25, 66, 15, 117),
    (0.50, 165, 44, 96),
    (0.75, 240, 112, 32),
    (1.00, 252, 250, 170),
)


def box_plot(groups: Mapping[str, Sequence[float]], *, unit: str = "dB") -> str:
    """Horizontal box plots: quartiles, median, 5th to 95th percentile, and a dot for every song.

    Args:
        groups: name -> values, nan left out; the axis covers the 1st to 99th percentile of all.
        unit: written at the axis.

    Returns:
        An SVG element; colours follow the page's `currentColor`.
    """
    kept = {name: _kept(values) for name, values in groups.items()}
    kept = {name: values for name, values in kept.items() if values.size}
    if not kept:
        return "<p>Nothing to plot.</p>"
    every = np.concatenate(list(kept.values()))
    low, high = (float(value) for value in np.percentile(every, (1, 99)))
    low, high = np.floor(low - 0.5), np.ceil(high + 0.5)
    height = ROW * len(kept) + 34

    def x(value: float) -> float:
        share = (min(max(value, low), high) - low) / (high - low)
        return float(LABEL + share * (WIDTH - LABEL - 20))

    parts = [
        f'<svg class="box" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="box plots, {html.escape(unit)}">'
    ]
    for tick in _ticks(low, high):
        parts.append(
            f'<line class="grid" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="4" y2="{height - 26}"/>'
            f'<text class="tick" x="{x(tick):.1f}" y="{height - 10}">{tick:g}</text>'
        )
    parts.append(
        f'<text class="tick" x="{LABEL - 24}" y="{height - 10}">{html.escape(unit)}</text>'
    )
    for row, (name, values) in enumerate(kept.items()):
        y = 4 + ROW * row + ROW / 2
        p5, q1, q2, q3, p95 = (x(float(v)) for v in np.percentile(values, (5, 25, 50, 75, 95)))
        dots = "".join(
            f'<circle cx="{x(float(value)):.1f}" cy="{y + 7 * _jitter(k):.1f}" r="2"/>'
            for k, value in enumerate(values)
        )
        label = html.escape(name)
        shown = html.escape(name if len(name) <= LETTERS else "…" + name[1 - LETTERS :])
        parts.append(
            f"<g><title>{label}: median {np.median(values):.2f}, n {values.size}</title>{dots}"
            f'<line x1="{p5:.1f}" x2="{p95:.1f}" y1="{y}" y2="{y}"/>'
            f'<rect x="{q1:.1f}" y="{y - 9}" width="{max(q3 - q1, 1):.1f}" height="18"/>'
            f'<line class="mid" x1="{q2:.1f}" x2="{q2:.1f}" y1="{y - 11}" y2="{y + 11}"/>'
            f'<text class="name" x="{LABEL - 24}" y="{y + 4}">{shown}</text></g>'
        )
    return "".join(parts) + "</svg>"


def spectrogram_png(audio: Float32, *, sample_rate: int, width: int = 420) -> str:
    """A spectrogram as a data URI of a PNG: 0 to 11 kHz (or Nyquist) bottom up, 80 dB.

    Args:
        audio: (n_channels, n_samples); the channels' powers are added.
        sample_rate: samples per second.
        width: columns of the picture.
    """
    n_fft = 2 ** round(np.log2(0.0464 * sample_rate))
    n_samples = max(audio.shape[1], n_fft)
    padded = np.pad(audio, ((0, 0), (n_fft // 2, n_fft // 2 + n_samples - audio.shape[1])))
    starts = np.linspace(0, n_samples - 1, width).astype(int)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft, axis=1)[:, starts]
    spectra = np.fft.rfft(frames * np.hanning(n_fft), axis=2) * (4.0 / n_fft)
    power = np.sum(np.abs(spectra) ** 2, axis=0).T  # (n_bins, width)
    power = power[: int(min(11_025.0, sample_rate / 2) / sample_rate * n_fft) + 1 : 2]
    decibels = 10.0 * np.log10(np.maximum(power, 1e-12))
    share = np.clip((decibels - (TOP_DB - RANGE_DB)) / RANGE_DB, 0.0, 1.0)[::-1]
    return "data:image/png;base64," + base64.b64encode(png(coloured(share))).decode("ascii")


def coloured(share: Float64) -> NDArray[np.uint8]:
    """Values in [0, 1] of any shape to colours (..., 3)."""
    positions = [stop[0] for stop in _RAMP]
    channels = [np.interp(share, positions, [stop[k] for stop in _RAMP]) for k in (1, 2, 3)]
    return np.stack(channels, axis=-1).astype(np.uint8)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """An RGB picture (height, width, 3) as PNG (ISO/IEC 15948), filter 0, one compressed chunk."""
    height, width, _ = pixels.shape

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    lines = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(lines.tobytes(), 9)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(kind, data) for kind, data in ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    )


def _kept(values: Sequence[float]) -> Float64:
    array = np.asarray(values, dtype=np.float64)
    return array[~np.isnan(array)]


def _jitter(index: int) -> float:
    """Spread dots in [-1, 1] evenly but without a pattern: multiples of the golden ratio."""
    return 2.0 * ((index * 0.618034) % 1.0) - 1.0


def _ticks(low: float, high: float) -> list[float]:
    step = next((s for s in (1, 2, 5, 10, 20, 50) if (high - low) / s <= 12), 100)
    return [float(v) for v in np.arange(np.ceil(low / step) * step, high + 1e-9, step)]
