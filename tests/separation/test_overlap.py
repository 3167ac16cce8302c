"""Reading ahead and writing behind: the same order, errors in their place, threads that end."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from helpers.songs import contents, music
from isolde.core.stage import Float32
from isolde.separation import FileSettings, SeparationSettings, Song, separate_file
from isolde.separation.overlap import HELD, ReadAhead, WriteBehind


def blocks(n: int) -> list[Float32]:
    return [np.full((1, 4), k, np.float32) for k in range(n)] + [np.zeros((1, 0), np.float32)]


def test_the_next_block_is_read_while_one_is_worked_on_and_only_that():
    left, begun = blocks(5), list[int]()

    def read() -> Float32:
        begun.append(len(begun))
        return left.pop(0)

    with ReadAhead(read) as ahead:
        for k, block in enumerate(ahead):
            deadline = time.monotonic() + 10
            while len(begun) < k + 2 and time.monotonic() < deadline:
                time.sleep(0.001)
            assert block[0, 0] == k and len(begun) == k + 2


def test_what_reading_raises_comes_after_the_blocks_before_it():
    left = blocks(2)[:2]

    def read() -> Float32:
        if not left:
            raise OSError("torn")
        return left.pop(0)

    seen = []
    with pytest.raises(OSError, match="torn"), ReadAhead(read) as ahead:
        for block in ahead:
            seen.append(block[0, 0])
    assert seen == [0, 1]


def test_blocks_are_written_in_order_and_only_a_few_wait():
    written, may = list[int](), threading.Semaphore(0)

    def write(block: int) -> None:
        may.acquire()
        written.append(block)

    with WriteBehind(write) as behind:
        for k in range(HELD):
            behind(k)  # does not wait
        assert written == []
        may.release()
        behind(HELD)
        assert written[:1] == [0]
        may.release(HELD)
    assert written == list(range(HELD + 1))


def test_what_writing_raises_ends_the_work_and_what_waits_is_dropped():
    written = list[int]()

    def write(block: int) -> None:
        if block == 1:
            raise OSError("full")
        written.append(block)

    with pytest.raises(OSError, match="full"), WriteBehind(write) as behind:
        for k in range(100):
            behind(k)
    assert written[0] == 0 and len(written) < 10
    with pytest.raises(KeyError), WriteBehind(written.append) as behind:
        raise KeyError


@pytest.mark.slow
def test_a_file_has_the_same_bytes_and_no_thread_stays(tmp_path: Path):
    (path,) = music(tmp_path / "music", 1, n_samples=22050 * 8)
    before = threading.active_count()
    for threads in (1, 2):
        settings = FileSettings(
            output=tmp_path / str(threads), separation=SeparationSettings(threads=threads)
        )
        separate_file(Song(path, "song"), settings)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before
