"""Jobs on a Dask scheduler: a window, time-outs, unfit workers, a scheduler that goes."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from isolde.core import parallel
from isolde.core.errors import InputError, IsoldeError, ModelError
from isolde.core.journal import Journal
from isolde.core.parallel import cluster

distributed = pytest.importorskip("distributed")

pytestmark = pytest.mark.slow


def square(x: int) -> int:
    if x < 0:
        raise ValueError(f"{x} is\nnegative")
    return x * x


def slow_note(x: int, folder: str) -> int:
    """Long enough that a worker can be killed in the middle."""
    with (Path(folder) / f"{x}.ran").open("a") as file:
        file.write(f"{os.getpid()}\n")
    time.sleep(0.3)
    return x * x


@pytest.fixture(scope="module")
def loopback() -> Iterator[Any]:
    """A scheduler and two workers, each a process."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, memory_limit=0
    ) as started:
        yield started


def test_errors_stay_with_their_item_and_the_dashboard_is_named(loopback: Any):
    told: list[str] = []
    outcomes = parallel.run(
        square, {"a": 3, "bad": -2}, scheduler=loopback.scheduler_address, notify=told.append
    )
    assert [o.value for o in outcomes] == [9, None]
    assert outcomes[1].error == "ValueError: -2 is negative"
    assert len(told) == 1 and "http://127.0.0.1:" in told[0]


def test_that_there_are_no_workers_yet_is_said_once():
    told: list[str] = []
    with distributed.LocalCluster(
        n_workers=0, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, memory_limit=0
    ) as empty:

        def notify(line: str) -> None:
            told.append(line)
            if "no workers" in line:
                empty.scale(1)

        address = empty.scheduler_address
        outcomes = parallel.run(square, {"a": 3, "b": 4}, scheduler=address, notify=notify)
    assert [o.value for o in outcomes] == [9, 16]
    line = f"no workers at {address} yet: start some with 'dask worker {address}'"
    assert [said for said in told if "no workers" in said] == [line]


def test_a_scheduler_that_goes_says_how_to_go_on():
    said = str(cluster._gone("tcp://here:1"))
    assert "start it again, and the same command, which goes on" in said


def test_only_a_window_of_the_items_is_with_the_scheduler(tmp_path: Path, loopback: Any):
    items = {str(k): k for k in range(30)}
    journal = Journal(tmp_path / "j")
    begun: list[str] = []
    most: list[int] = []

    def begin(stamps: Mapping[str, str]) -> None:
        begun.extend(stamps)

    journal.begin = begin  # type: ignore[method-assign]
    done: list[str] = []

    def report(outcome: parallel.Outcome) -> None:
        most.append(len(begun) - len(done))
        done.append(outcome.key)

    parallel.run(
        square, items, scheduler=loopback.scheduler_address, journal=journal, report=report
    )
    assert len(done) == 30
    assert max(most) == max(cluster.LEAST, cluster.WINDOW * 2)


def endless(x: int, *, progress: Callable[[float], None]) -> int:
    """Item 1 never ends, but says so."""
    while x == 1:
        progress(0.5)
        time.sleep(0.02)
    return x


def test_an_item_that_takes_too_long_is_given_up(loopback: Any):
    outcomes = parallel.run(
        endless,
        {str(k): k for k in range(4)},
        scheduler=loopback.scheduler_address,
        timeout=0.3,
        progress=lambda key, share: None,
    )
    assert [o.value for o in outcomes] == [0, None, 2, 3]
    assert outcomes[1].error is not None and "1: took longer than 0.3 s" in outcomes[1].error


def unfit() -> None:
    raise ModelError("the weights are others")


def test_a_worker_that_is_not_fit_stops_the_run_before_any_job(tmp_path: Path, loopback: Any):
    job = partial(slow_note, folder=str(tmp_path))
    with pytest.raises(IsoldeError, match="worker cannot run the jobs: the weights are others"):
        parallel.run(job, {"1": 1}, scheduler=loopback.scheduler_address, ready=unfit)
    assert not list(tmp_path.iterdir())


def test_a_killed_worker_loses_nothing_and_the_item_is_named(tmp_path: Path, loopback: Any):
    items = {str(k): k for k in range(8)}
    victims: list[str] = []
    told: list[str] = []

    def kill_one(outcome: parallel.Outcome) -> None:
        if victims:
            return
        running = [f for f in tmp_path.glob("*.ran") if f.stem not in (outcome.key, *victims)]
        victims.append(running[0].stem)
        os.kill(int(running[0].read_text().split()[0]), signal.SIGKILL)

    job = partial(slow_note, folder=str(tmp_path))
    outcomes = parallel.run(
        job,
        items,
        scheduler=loopback.scheduler_address,
        journal=tmp_path / "j",
        report=kill_one,
        notify=told.append,
    )
    assert [o.value for o in outcomes] == [k * k for k in range(8)]
    again = {o.key for o in outcomes if o.tries > 1}
    assert again and again == {line.split(":")[0] for line in told if "its worker died" in line}


def hang(x: int) -> int:
    """Item 1 never ends, and does not say so."""
    time.sleep(60 if x == 1 else 0)
    return x


def test_a_worker_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch, loopback: Any):
    monkeypatch.setattr(loopback.scheduler, "allowed_failures", 0)
    monkeypatch.setattr(cluster, "GRACE_SECONDS", 0.5)
    outcomes = parallel.run(
        hang, {"0": 0, "1": 1}, scheduler=loopback.scheduler_address, timeout=0.5
    )
    assert outcomes[0].value == 0
    assert outcomes[1].error == "1: its worker died, at try 1 (killed, or out of memory?)"


def test_a_scheduler_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.5)
    with pytest.raises(IsoldeError, match="dask scheduler"):
        parallel.run(square, {"a": 1}, scheduler="tcp://127.0.0.1:9")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("foo", "is no address"),
        ("tcp://foo", "is no address"),
        ("127.0.0.1:99999", "is no address"),
        ("http://127.0.0.1:8787", "is no address"),
        ("tcp://nowhere.invalid:8786", "no machine 'nowhere.invalid' is known"),
    ],
)
def test_an_address_that_is_none_is_refused_unasked(
    monkeypatch: pytest.MonkeyPatch, address: str, message: str
):
    def unknown(*_: object) -> None:
        raise socket.gaierror("no such name")

    monkeypatch.setattr(cluster, "_greet", None)
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(InputError, match=f"scheduler '{address}': {message}"):
        parallel.run(square, {"a": 1}, scheduler=address)


def test_a_program_that_is_no_scheduler_gets_no_client(
    monkeypatch: pytest.MonkeyPatch, loopback: Any
):
    monkeypatch.setattr(distributed, "Client", None)  # one that finds none hangs at its end
    worker = next(iter(loopback.workers.values())).worker_address
    with pytest.raises(IsoldeError, match=f"no Dask scheduler answers at {worker}"):
        parallel.run(square, {"a": 1}, scheduler=worker)
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(IsoldeError, match=f"no Dask scheduler answers at {address}"):
            parallel.run(square, {"a": 1}, scheduler=address)
