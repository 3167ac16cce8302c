"""What several tests of karaoke share: a song with a known melody, and what is found in it."""

from pathlib import Path

import pytest

from helpers.singer import band, sung
from isolde.audio import write
from isolde.karaoke import Singing, find_singing
from isolde.separation import SeparationSettings

RATE = 44_100


@pytest.fixture(scope="session")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A voice among drums, bass and chords that are 3 dB softer, as a file."""
    path = tmp_path_factory.mktemp("song") / "song.wav"
    write(path, sung(RATE) + band(RATE, db=-3), RATE, tags={"title": "Vowels", "artist": "A. Man"})
    return path


@pytest.fixture(scope="session")
def singing(song: Path) -> Singing:
    """What is sung in it, separated first."""
    return find_singing(song, separation=SeparationSettings())
