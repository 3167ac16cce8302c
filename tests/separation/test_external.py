"""Somebody else's separator that takes too long: ended with its children, in one line."""

import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from isolde.core.errors import InputError
from isolde.separation.external import ExternalError, ExternalSeparator


@pytest.mark.skipif(os.name != "posix", reason="a shell")
def test_a_song_that_takes_too_long_is_one_line():
    """That its children end with it is asked in `evaluation/test_evaluation_peers.py`."""
    separator = ExternalSeparator.parse("sh -c 'sleep 60' {input} {output}", timeout=0.2)
    began = time.monotonic()
    with pytest.raises(ExternalError, match=r"^sh took more than 0\.2 s and was ended: allow more"):
        separator(np.zeros((1, 100), np.float32), 22050)
    assert time.monotonic() - began < 10


SERVER = "import sys\nfor line in sys.stdin: print('{}', flush=True)\n"


def test_without_a_limit_an_answer_is_waited_for(tmp_path: Path):
    script = tmp_path / "it.py"
    script.write_text(SERVER)
    separator = ExternalSeparator.parse(f"{sys.executable} {script} --serve", timeout=None)
    separator.run(tmp_path / "song.wav", tmp_path)
    separator.close()


@pytest.mark.parametrize("timeout", [0, -1.0, float("nan"), float("inf")])
def test_a_time_that_is_none_is_refused(timeout: float):
    with pytest.raises(InputError, match="for a song: give more than 0"):
        ExternalSeparator.parse("sh {input} {output}", timeout=timeout)
