"""Tiles of a spectrogram as PNG pictures in the page's colours; it reads no sound."""

import re
import struct
import zlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from isolde.core.errors import InputError
from isolde.core.stage import Float32
from isolde.studio.picture import HIGHEST_DB, LOWEST_DB

LAYERS = ("mixture", "vocals", "mask", "both")
COLOURS = "ffffff,161a22,2f5aa8,c8425a"
"""Default colours: ground, brightest, band and voice."""

_FLOOR, _CEILING = 0.1, 0.82  # shares of the levels: ground below, the brightest colour above
_DARK = 20  # level of the mixture below which the mask has no colour

Pixels = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]


def paint(layer: str, mixture: bytes, vocals: bytes, *, rows: int, colours: str) -> bytes:
    """Paint a tile as a PNG, the highest frequency on top; empty bytes if there are no columns.

    Its width is the number of columns that both sounds have.

    Args:
        layer: One of LAYERS; `both` is the mixture in the band's colour, and in the voice's colour
            where the mask is open.
        mixture: Levels of the mixture, see `LevelColumns.tile`.
        vocals: Levels of the vocals.
        rows: Number of levels in a column.
        colours: Ground, brightest, band and voice, as `rrggbb,rrggbb,rrggbb,rrggbb`.

    Raises:
        InputError: There is no such layer, or the colours are not four.
    """
    table = _table(layer, colours)
    n = min(len(mixture), len(vocals)) // rows
    if not n:
        return b""
    m, v = (
        np.frombuffer(levels, np.uint8)[: n * rows].reshape(n, rows).T[::-1]
        for levels in (mixture, vocals)
    )
    return _png(table[m, v])


@lru_cache(maxsize=8)
def _table(layer: str, colours: str) -> Pixels:
    """The colour (256, 256, 3) of each pair of levels, mixture and vocals."""
    if layer not in LAYERS:
        raise InputError(f"layer '{layer}': give one of {', '.join(LAYERS)}")
    if not re.fullmatch(r"[0-9a-fA-F]{6}(,[0-9a-fA-F]{6}){3}", colours):
        raise InputError(f"colours '{colours[:40]}': give four, ground, brightest, band and voice")
    values = np.frombuffer(bytes.fromhex(colours.replace(",", "")), np.uint8)
    ground, brightest, *hues = values.reshape(4, 3).astype(np.float32)
    band, voice = (_ramp([ground, hue, 0.4 * hue + 0.6 * brightest]) for hue in hues)
    m, v = np.meshgrid(np.arange(256), np.arange(256), indexing="ij")
    mask = np.minimum(1, 10 ** ((v - m) * ((HIGHEST_DB - LOWEST_DB) / 255 / 20)))
    if layer == "mixture":
        table = band[m]
    elif layer == "vocals":
        table = voice[v]
    elif layer == "mask":
        level = np.round(255 * (_FLOOR + (_CEILING - _FLOOR) * 0.9 * mask)).astype(int)
        table = voice[np.where(m < _DARK, 0, level)]
    else:
        table = band[m] + (voice[m] - band[m]) * np.minimum(1, 1.15 * mask)[..., None]
    return np.round(table).astype(np.uint8)


def _ramp(stops: Sequence[Float32]) -> Float32:
    """256 colours (256, 3) from the ground through a hue to the brightest."""
    level = (np.arange(256) / 255 - _FLOOR) / (_CEILING - _FLOOR)
    share = np.clip(level, 0, 1) ** 1.25
    columns = [np.interp(share, [0, 0.62, 1], values) for values in np.transpose(stops)]
    return np.stack(columns, axis=1).astype(np.float32)


def _png(pixels: Pixels) -> bytes:
    """A PNG of pixels (height, width, 3): https://www.w3.org/TR/png-3/."""
    height, width, _ = pixels.shape
    lines = np.zeros((height, 1 + 3 * width), np.uint8)  # each begins with its filter: none
    lines[:, 1:] = pixels.reshape(height, -1)

    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits each of red, green, blue
    body = zlib.compress(lines.tobytes(), 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
