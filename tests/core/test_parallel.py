"""One job over many items: order, errors, resuming, dead workers; alone, in a pool and on Dask."""

import json
import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from isolde.core import parallel
from isolde.core.errors import InputError, IsoldeError


def square(x: int) -> int:
    if x < 0:
        raise ValueError(f"{x} is\nnegative")
    return x * x


def note(x: int, folder: str) -> dict[str, object]:
    """Leaves a trace, so that a test can count how often it ran."""
    with (Path(folder) / f"{x}.ran").open("a") as file:
        file.write(f"{os.getpid()}\n")
    return {"twice": 2 * x, "pair": (x, x)}


def die_once(x: int, folder: str) -> int:
    """The process that meets item 3 first is killed, as the kernel kills who eats all memory."""
    mark = Path(folder) / "died"
    if x == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    return x + 100


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


def test_a_killed_worker_loses_nothing(tmp_path: Path):
    items = {str(k): k for k in range(8)}
    outcomes = parallel.run(
        partial(die_once, folder=str(tmp_path)), items, workers=2, journal=tmp_path / "j"
    )
    assert (tmp_path / "died").exists()
    assert [o.value for o in outcomes] == [k + 100 for k in range(8)]


def test_an_item_that_always_kills_is_given_up_and_blamed_alone():
    outcomes = parallel.run(die_always, {str(k): k for k in range(4)}, workers=2)
    assert [o.value for o in outcomes] == [0, None, 2, 3]
    assert outcomes[1].error is not None and "died" in outcomes[1].error


def test_impossible_requests():
    with pytest.raises(InputError, match="-1"):
        parallel.run(square, {"a": 1}, workers=-1)
    assert parallel.run(square, {}) == []


# --- Dask --------------------------------------------------------------------------------------


def slow_note(x: int, folder: str) -> int:
    """Long enough that a worker can be killed in the middle."""
    with (Path(folder) / f"{x}.ran").open("a") as file:
        file.write(f"{os.getpid()}\n")
    time.sleep(0.3)
    return x * x


def test_dask_gives_the_same_and_a_killed_worker_loses_nothing(tmp_path: Path):
    """A scheduler and two workers on loopback; one worker is killed while it has work."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, memory_limit=0
    ) as cluster:
        items = {str(k): k for k in range(12)}
        victims: list[int] = []

        def kill_one(outcome: parallel.Outcome) -> None:
            if not victims:
                pid = int((tmp_path / f"{outcome.key}.ran").read_text().split()[0])
                victims.append(pid)
                os.kill(pid, signal.SIGKILL)

        job = partial(slow_note, folder=str(tmp_path))
        address = cluster.scheduler_address
        outcomes = parallel.run(
            job, items, scheduler=address, journal=tmp_path / "j", report=kill_one
        )
        assert victims
        assert [o.error for o in outcomes] == [None] * 12
        here = parallel.run(square, items, workers=1)
        assert [(o.key, o.value) for o in outcomes] == [(o.key, o.value) for o in here]
        pids = {p for f in tmp_path.glob("*.ran") for p in f.read_text().split()}
        assert len(pids) >= 2
        errors = parallel.run(square, {"bad": -2}, scheduler=address)
        assert errors[0].error == "ValueError: -2 is negative"


def test_a_scheduler_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parallel, "CONNECT_SECONDS", 0.5)
    pytest.importorskip("distributed")
    with pytest.raises(IsoldeError, match="dask scheduler"):
        parallel.run(square, {"a": 1}, scheduler="tcp://127.0.0.1:9")
