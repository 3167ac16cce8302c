"""One job over many items: order, errors, resuming, dead workers; alone and in a pool."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from isolde.core import parallel
from isolde.core.errors import InputError
from isolde.core.parallel import machine, pool


def square(x: int) -> int:
    if x < 0:
        raise ValueError(f"{x} is\nnegative")
    return x * x


def note(x: int, folder: str) -> dict[str, object]:
    """Leaves a trace, so that a test can count how often it ran."""
    with (Path(folder) / f"{x}.ran").open("a") as file:
        file.write(f"{os.getpid()}\n")
    return {"twice": 2 * x, "pair": (x, x)}


def die_always(x: int) -> int:
    if x == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


@pytest.mark.parametrize("workers", [1, 2])
def test_outcomes_keep_the_order_and_errors_stay_with_their_item(workers: int):
    items = {f"n{k}": k for k in (5, -1, 3)}
    seen: list[str] = []
    outcomes = parallel.run(square, items, workers=workers, report=lambda o: seen.append(o.key))
    assert [(o.key, o.value) for o in outcomes] == [("n5", 25), ("n-1", None), ("n3", 9)]
    assert outcomes[1].error == "ValueError: -1 is negative"
    assert sorted(seen) == sorted(items)


def test_a_resumed_run_repeats_nothing_and_returns_the_same(tmp_path: Path):
    job = partial(note, folder=str(tmp_path))
    journal = tmp_path / "journal"
    part = parallel.run(job, {"1": 1, "2": 2}, journal=journal, workers=1)
    both = parallel.run(job, {"1": 1, "2": 2, "3": 3}, journal=journal, workers=1)
    fresh = parallel.run(job, {"1": 1, "2": 2, "3": 3}, journal=tmp_path / "other", workers=1)
    assert [o.value for o in both] == [o.value for o in fresh]
    assert [o.resumed for o in part + both] == [False, False, True, True, False]
    assert len((tmp_path / "1.ran").read_text().splitlines()) == 2  # once for each journal


def test_a_changed_file_or_setting_is_done_again(tmp_path: Path):
    file, journal = tmp_path / "f", tmp_path / "journal"
    job = partial(note, folder=str(tmp_path))
    file.write_text("a")
    for text, runs in (("a", 1), ("bb", 2)):
        file.write_text(text)
        for _ in range(2):
            parallel.run(
                job, {"1": 1}, journal=journal, stamps={"1": parallel.stamp(file)}, workers=1
            )
            os.utime(file, ns=(10**18, 10**18))
        ran = len((tmp_path / "1.ran").read_text().splitlines())
        assert ran == 2 * runs  # each text at two times
    assert parallel.stamp(file, settings=1) != parallel.stamp(file, settings=2)
    assert parallel.stamp(tmp_path / "missing") == parallel.stamp(tmp_path / "missing")


def test_a_line_cut_off_by_a_crash_is_done_again_and_healed(tmp_path: Path):
    job = partial(note, folder=str(tmp_path))
    journal = tmp_path / "journal"
    parallel.run(job, {"1": 1, "2": 2}, journal=journal, workers=1)
    text = journal.read_text()
    journal.write_text(text[:-9])
    outcomes = parallel.run(job, {"1": 1, "2": 2}, journal=journal, workers=1)
    assert [o.resumed for o in outcomes] == [True, False]
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    healed, whole = lines[-1], json.loads(text.splitlines()[-1])
    assert {**healed, "time": 0} == {**whole, "time": 0}
    assert lines[-2].keys() == {"key", "stamp", "time"} and lines[-2]["key"] == "2"
    journal.write_text("not a journal\n" + text)
    with pytest.raises(InputError, match="line 1"):
        parallel.run(job, {"1": 1}, journal=journal, workers=1)


def test_errors_are_tried_again_on_the_next_run(tmp_path: Path):
    parallel.run(square, {"a": -1, "b": 2}, journal=tmp_path / "j", workers=1)
    lines = [json.loads(line) for line in (tmp_path / "j").read_text().splitlines()]
    assert [line["key"] for line in lines if "value" in line] == ["b"]


def die_then_look(x: int, folder: str) -> bool:
    """The process that meets item 1 first is killed; the next says whether that is still there."""
    mark = Path(folder) / "pid"
    if x == 1 and not mark.exists():
        mark.write_text(str(os.getpid()))
        time.sleep(0.3)  # until the other process is idle, and can take the item
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        os.kill(int(mark.read_text()) if x == 1 else os.getpid(), 0)
    except ProcessLookupError:
        return False
    return True


def test_a_killed_worker_is_gone_when_its_item_is_tried_again(tmp_path: Path):
    """What it has left half-written is taken for a dead process's only then."""
    job = partial(die_then_look, folder=str(tmp_path))
    first, second = parallel.run(job, {"a": 1, "b": 2}, workers=2)
    assert (first.error, first.value, first.tries) == (None, False, 2)
    assert second.value is True


@pytest.mark.slow
def test_an_item_that_always_kills_is_given_up_and_blamed_alone():
    outcomes = parallel.run(die_always, {str(k): k for k in range(4)}, workers=2)
    assert [o.value for o in outcomes] == [0, None, 2, 3]
    assert outcomes[1].error is not None and "died" in outcomes[1].error


def endless(x: int, folder: str, *, progress: object = None) -> int:
    """Item 1 never ends, and takes its half-written file away when it is told to."""
    mark = Path(folder) / f"{x}.half"
    mark.touch()
    try:
        while x == 1:
            time.sleep(0.01)
    finally:
        mark.unlink()
    return x


def deaf(x: int) -> int:
    """Item 1 never ends, and does not hear SIGTERM."""
    if x == 1:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(60)
    return x


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("workers", [1, 2])
def test_an_item_that_takes_too_long_is_ended_and_cleans_up(workers: int, tmp_path: Path):
    job, items = partial(endless, folder=str(tmp_path)), {str(k): k for k in range(4)}
    began = time.monotonic()
    outcomes = parallel.run(job, items, workers=workers, timeout=0.3)
    assert [o.value for o in outcomes] == [0, None, 2, 3]
    assert outcomes[1].error is not None and "1: took longer than 0.3 s" in outcomes[1].error
    assert not list(tmp_path.iterdir())
    assert time.monotonic() - began < 20


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_an_item_that_does_not_hear_is_killed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pool, "GRACE_SECONDS", 0.3)
    began = time.monotonic()
    outcomes = parallel.run(deaf, {str(k): k for k in range(3)}, workers=1, timeout=0.3)
    assert [o.value for o in outcomes] == [0, None, 2]
    assert time.monotonic() - began < 20


def broken_off(x: int) -> int:
    """What an import in C makes of a signal in the middle of it."""
    try:
        time.sleep(60 if x == 1 else 0)
    except SystemExit:
        raise ImportError("initialization failed") from None
    return x


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_an_item_that_makes_an_error_of_its_end_took_too_long():
    outcomes = parallel.run(broken_off, {str(k): k for k in range(3)}, workers=1, timeout=0.3)
    assert [o.value for o in outcomes] == [0, None, 2]
    assert outcomes[1].error == (
        "1: took longer than 0.3 s and was given up: allow more time, or look at it"
    )


def tell(x: int, *, progress: Callable[[float], None]) -> int:
    for share in (0.25, 0.5, 1.0):
        progress(share)
        time.sleep(0.25)
    return os.getpid()


@pytest.mark.parametrize("workers", [1, 2])
def test_progress_comes_from_every_process_and_processes_stay(workers: int):
    told: list[tuple[str, float]] = []
    outcomes = parallel.run(
        tell, {"a": 1, "b": 2, "c": 3}, workers=workers, progress=lambda *said: told.append(said)
    )
    for key in "abc":
        assert [share for k, share in told if k == key] == [0.25, 0.5, 1.0]
    assert len({o.value for o in outcomes}) == workers


def two(x: int) -> Any:
    """A value that cannot travel."""
    return (lambda: x) if x == 2 else x


def test_a_value_that_cannot_be_sent_costs_its_own_item():
    outcomes = parallel.run(two, {"a": 1, "b": 2, "c": 3}, workers=2)
    assert [o.value for o in outcomes] == [1, None, 3]
    assert outcomes[1].error is not None and outcomes[1].error.startswith("b: the job's value")


def test_impossible_requests():
    with pytest.raises(InputError, match="-1"):
        parallel.run(square, {"a": 1}, workers=-1)
    with pytest.raises(InputError, match="0 s"):
        parallel.run(square, {"a": 1}, timeout=0)
    assert parallel.run(square, {}) == []


def test_a_container_has_the_cores_and_the_memory_of_its_quota(tmp_path: Path):
    assert machine.n_cores(tmp_path) >= 1
    (tmp_path / "meminfo").write_text("MemTotal: 99 kB\nMemAvailable:    3000 kB\n")
    assert machine.free_memory(tmp_path, tmp_path / "meminfo") == 3000 * 1024
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    assert machine.n_cores(tmp_path) == 1
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert machine.n_cores(tmp_path) == machine.n_cores(tmp_path / "none")
    for name, text in (("max", "2000000"), ("current", "1500000"), ("stat", "inactive_file 7\n")):
        (tmp_path / f"memory.{name}").write_text(text)
    assert machine.free_memory(tmp_path, tmp_path / "meminfo") == 500_007
    assert machine.free_memory(tmp_path / "none", tmp_path / "none") is None


def test_the_memory_of_an_older_container_is_that_of_its_limit(tmp_path: Path):
    """Version 1 of control groups, which has folders and names of its own."""
    (tmp_path / "memory").mkdir()
    for name, text in (
        ("limit_in_bytes", "2000000\n"),
        ("usage_in_bytes", "1400000\n"),
        ("stat", "cache 9\ntotal_inactive_file 5\n"),
    ):
        (tmp_path / "memory" / f"memory.{name}").write_text(text)
    assert machine.free_memory(tmp_path, tmp_path / "none") == 600_005


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="needs signal masks")
def test_the_first_worker_does_not_hear_ctrl_c_while_it_starts():
    """Not even where nothing has started before it: `multiprocessing` unblocks it once."""
    code = """
import os, signal
from isolde.core.parallel.pool import _Worker

if __name__ == "__main__":
    worker = _Worker(len, reports=False)
    os.kill(worker.process.pid, signal.SIGINT)
    worker.hand_over("key", "item")
    worker.process.join(60)
    print(worker.process.exitcode)
"""
    more = {"capture_output": True, "text": True, "check": True, "timeout": 120}
    done = subprocess.run([sys.executable, "-c", code], **more)
    assert (done.stdout.strip(), done.stderr) == ("0", "")
