"""What is left of workers when the run ends early: nothing, whoever raises."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from multiprocessing import active_children
from pathlib import Path

import pytest

from isolde.core import parallel
from isolde.core.errors import InputError
from isolde.core.parallel import pool


def square(x: int) -> int:
    return x * x


def fail(_outcome: parallel.Outcome) -> None:
    raise RuntimeError("no more")


def test_an_error_of_who_listens_ends_the_workers_and_the_program():
    """Python waits for its children in the end, and they would wait for it."""
    script = (
        "from core.test_parallel_ends import *\n"
        "if __name__ == '__main__':\n"
        "    parallel.run(square, {'a': 1, 'b': 2}, workers=2, report=fail)\n"
    )
    tests = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tests, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1 and "RuntimeError: no more" in done.stderr


def die_then_sleep(x: int, folder: str) -> int:
    mark = Path(folder) / "died"
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)
    return x


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_an_item_that_takes_too_long_tells_how_often_it_was_tried(tmp_path: Path):
    (outcome,) = parallel.run(
        partial(die_then_sleep, folder=str(tmp_path)), {"a": 1}, workers=1, timeout=0.5
    )
    assert "took longer than 0.5 s" in str(outcome.error) and outcome.tries == 2


def touch_and_sleep(mark: str) -> None:
    Path(mark).touch()
    time.sleep(30)


def test_an_error_of_who_hands_over_ends_the_workers(tmp_path: Path):
    mark = tmp_path / "begun"

    def begin(key: str) -> None:
        if key == "b":
            while not mark.exists():
                time.sleep(0.01)
            raise InputError("the disk is full")

    with pytest.raises(InputError):
        items = {"a": str(mark), "b": ""}
        list(pool.run_in_pool(touch_and_sleep, items, workers=2, begin=begin))
    for child in active_children():
        child.join(15)
        assert not child.is_alive()
