"""The columns of pictures at all scales: each coarse one is what its fine ones say."""

from pathlib import Path

import numpy as np
import pytest

from isolde.studio.picture import ROWS, SCALES, LevelColumns, PeakColumns

RATE = 44_100


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

    def tiles_of(source: LevelColumns | PeakColumns, width: int, scale: int) -> np.ndarray:
        tiles = b"".join(source.tile(scale, index) for index in range(12))
        return np.frombuffer(tiles, np.uint8).reshape(-1, width).astype(float)

    fine, fine_peaks = tiles_of(columns, ROWS, 0), tiles_of(peaks, 2, 0)
    for scale in range(1, SCALES):
        n = len(fine) // 4**scale
        power = 10 ** (fine[: n * 4**scale].reshape(n, -1, ROWS) * 10 / 255)  # 100 dB are 255
        level = 25.5 * np.log10(power.mean(axis=1))
        above = level > 25  # a byte of 0 is all that is below -100 dB
        assert np.count_nonzero(above) > 10 * n
        assert np.abs(tiles_of(columns, ROWS, scale)[:n] - level)[above].max() < 1.5
        highest = fine_peaks[: n * 4**scale].reshape(n, -1, 2).max(axis=1)
        assert (tiles_of(peaks, 2, scale)[:n] == highest).all()
    assert tiles_of(peaks, 2, 4).max(axis=0) == pytest.approx([255, 127.5], abs=1)
