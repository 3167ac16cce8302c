"""What several tests of audio share: one file of every kind that ffmpeg writes."""

import shutil
from pathlib import Path

import pytest

from helpers.kinds import make_kinds


@pytest.fixture(scope="session")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The paths of the kinds, by their names."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs the program ffmpeg")
    return make_kinds(tmp_path_factory.mktemp("kinds"))
