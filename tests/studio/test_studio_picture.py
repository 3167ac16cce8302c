"""The columns of pictures at all scales, and their colours."""

from pathlib import Path

import numpy as np
import pytest

from isolde.studio.colours import paint
from isolde.studio.picture import ROWS, SCALES, LevelColumns, PeakColumns

RATE = 44_100
COLOURS = "10141c,ffffff,0000ff,ff0000"  # ground, brightest, band, voice


@pytest.mark.slow
def test_coarse_tiles_are_made_of_the_fine_ones(tmp_path: Path):
    columns = LevelColumns(tmp_path / "levels", sample_rate=RATE, n_channels=1)
    peaks = PeakColumns(tmp_path / "peaks", span=1024, n_sounds=2)
    time = np.arange(60 * RATE) / RATE
    sound = (np.sin(2 * np.pi * 440 * time) * np.linspace(0, 1, len(time)))[None].astype("f4")
    for at in range(0, len(time), 50_000):
        block = sound[:, at : at + 50_000]
        columns.feed(block)
        peaks.feed(block, block / 2)
    columns.flush()
    peaks.flush()

    def tiles_of(scale: int) -> np.ndarray:
        tiles = b"".join(columns.tile(scale, index) for index in range(12))
        return np.frombuffer(tiles, np.uint8).reshape(-1, ROWS).astype(float)

    fine = tiles_of(0)
    for scale in range(1, SCALES):
        n = len(fine) // 4**scale
        power = 10 ** (fine[: n * 4**scale].reshape(n, -1, ROWS) * 10 / 255)  # 100 dB are 255
        level = 25.5 * np.log10(power.mean(axis=1))
        above = level > 25  # a byte of 0 is all that is below -100 dB
        assert np.count_nonzero(above) > 10 * n
        assert np.abs(tiles_of(scale)[:n] - level)[above].max() < 1.5
    highest = np.frombuffer(peaks.columns(0), np.uint8).reshape(-1, 2)
    assert len(highest) == -(-60 * RATE // 1024)
    ramp = 1024 * np.arange(1, len(highest) + 1) / len(time)
    assert np.abs(highest - 255 * ramp[:, None] * [1, 0.5]).max() < 4
    assert peaks.columns(2000) == highest[2000:].tobytes()
    assert peaks.columns(9999) == b""


def test_a_tile_is_painted_in_the_colours_that_are_asked_for():
    av = pytest.importorskip("av")
    levels = np.zeros((2, ROWS), np.uint8)
    levels[1, 0] = 255  # the lowest frequency, at full scale

    def painted(layer: str, vocals: np.ndarray) -> np.ndarray:
        data = paint(layer, levels.tobytes(), vocals.tobytes(), rows=ROWS, colours=COLOURS)
        (frame,) = av.CodecContext.create("png", "r").decode(av.Packet(data))
        return frame.to_ndarray(format="rgb24")

    ground, band, voice = (16, 20, 28), (0.6 * 255, 0.6 * 255, 255), (255, 0.6 * 255, 0.6 * 255)
    for layer, sung, colour in [
        ("mixture", False, band),
        ("mixture", True, band),
        ("vocals", True, voice),
        ("vocals", False, ground),
        ("both", False, band),
        ("both", True, voice),
        ("mask", False, ground),
    ]:
        picture = painted(layer, levels * sung)
        assert picture.shape == (ROWS, 2, 3)
        assert picture[-1, 1] == pytest.approx(colour, abs=1), (layer, sung)
        assert (picture[:-1] == ground).all()
        assert (picture[-1, 0] == ground).all()
    assert paint("both", b"", levels.tobytes(), rows=ROWS, colours=COLOURS) == b""
