"""Three songs on the disk for the tests of measurements."""

from pathlib import Path

import pytest
import soundfile

from helpers.singing import song_of


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("songs")
    for seed in range(3):
        stems = song_of(seed)
        folder = root / f'Artist {seed} - <Song> & "{seed}"'
        folder.mkdir()
        for name, audio in (("vocals", stems.vocals), ("other", stems.accompaniment)):
            soundfile.write(folder / f"{name}.wav", audio.T, stems.sample_rate, subtype="FLOAT")
    return root
