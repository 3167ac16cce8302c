"""Jobs on several machines through a Dask scheduler that is already there; it keeps no journal.

The scheduler holds only a window of the items at any time. It gives the item of a dead worker to
another one, up to its own limit (`distributed.scheduler.allowed-failures`).
"""

import asyncio
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from isolde import __version__
from isolde.core.errors import AbortedError, InputError, IsoldeError, MissingExtraError
from isolde.core.parallel.outcome import Advance, Job, Outcome, timed, too_long

CONNECT_SECONDS = 5.0  # for a Dask scheduler to answer
GRACE_SECONDS = 30.0  # for a job to end after its time, before its worker is ended
WINDOW = 2  # items with the scheduler for each thread of its workers
LEAST = 4  # items with it while it has no workers yet
_TOPIC = "isolde"


def run_on_dask(
    job: Job,
    items: Mapping[str, Any],
    address: str,
    *,
    begin: Callable[[str], None],
    timeout: float | None,
    reports: bool,
    ready: Callable[[], None] | None,
    notify: Callable[[str], None],
) -> Generator[Outcome]:
    """Run a job for every item on the workers of a scheduler.

    Args:
        job: Function that can be pickled.
        items: Arguments by key.
        address: Address of the scheduler.
        begin: Function called with the key of an item when it is handed over.
        timeout: Seconds after which a job is ended when it next reports, and its worker process
            when it does not; None for no limit.
        reports: Whether the job takes a keyword `progress`.
        ready: Function run on every worker that is there, before any job.
        notify: Function called with lines that a user should see at once.

    Yields:
        Outcomes, as they come.

    Raises:
        MissingExtraError: Dask is not installed.
        InputError: The address is not valid.
        IsoldeError: The scheduler cannot be reached or has gone, or a worker cannot run the jobs.
    """
    try:
        from distributed import Client, KilledWorker, as_completed
    except ImportError:
        raise MissingExtraError(
            "distributed", extra="dask", purpose="more than one machine"
        ) from None
    there = address.startswith("inproc://")  # in this process
    if not there:
        _check_address(address)
    try:
        if not there:
            with ThreadPoolExecutor(1) as thread:  # where no other event loop runs
                thread.submit(asyncio.run, _greet(address)).result()
        client: Any = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError, ValueError, TypeError, MemoryError) as error:
        raise IsoldeError(
            f"no Dask scheduler answers at {address} ({type(error).__name__}): "
            "start one with 'dask scheduler'"
        ) from None
    tries: dict[str, int] = {}

    def hear(event: tuple[float, Any]) -> None:
        key, worker = event[1]["key"], event[1]["worker"]
        tries[key] = tries.get(key, 0) + 1
        if tries[key] > 1:
            notify(f"{key}: its worker died: tried again on {worker}")

    with _quiet("distributed.client", "distributed.core", "distributed.batched"), client:
        if link := client.dashboard_link:
            notify(f"dashboard of the workers: {link}")
        if not _asked(address, client.nthreads):
            notify(f"no workers at {address} yet: start some with 'dask worker {address}'")
        if ready is not None:
            _make_ready(client, ready)
        client.subscribe_topic(_TOPIC, hear)
        tag = uuid.uuid4().hex[:12]  # never another run's results
        rest = iter(items.items())
        handed: dict[str, tuple[Any, str]] = {}
        waiting: Any = as_completed(loop=client.loop)  # type: ignore[no-untyped-call]

        def hand_over() -> None:
            threads = _asked(address, client.nthreads)
            size = max(LEAST, WINDOW * sum(threads.values()))
            while len(handed) < size and (pair := next(rest, None)) is not None:
                key, item = pair
                begin(key)
                name = f"{key} {tag}"  # what the dashboard shows
                arguments = (_on_worker, job, key, item, timeout, GRACE_SECONDS, reports)
                future = _asked(address, client.submit, *arguments, key=name, pure=False)
                handed[name] = (future, key)
                waiting.add(future)

        hand_over()
        while handed:
            future = _asked(address, next, waiting)
            key = handed.pop(future.key)[1]
            try:
                outcome = future.result()
            except KilledWorker as error:
                n = error.allowed_failures + 1
                text = f"{key}: its worker died, at try {n} (killed, or out of memory?)"
                outcome = Outcome(key, None, text, 0.0)
            except (CancelledError, TimeoutError, OSError):
                raise _gone(address) from None
            except Exception as error:  # unpicklable values
                text = f"{key}: {type(error).__name__}: {error}".split("\n")[0]
                outcome = Outcome(key, None, text, 0.0)
            future.release()
            yield replace(outcome, tries=max(1, tries.get(key, 1)))
            hand_over()


def _check_address(address: str) -> None:
    """Refuse an address that names no port of a machine."""
    from distributed.comm.addressing import get_address_host_port

    try:
        host, port = get_address_host_port(address)
    except ValueError:
        host, port = "", 0
    if not (host and 0 < port < 1 << 16):
        raise InputError(f"scheduler '{address}': is no address: give one like tcp://HOST:8786")
    try:
        socket.getaddrinfo(host, port)
    except (OSError, UnicodeError):
        text = f"scheduler '{address}': no machine '{host}' is known: name another"
        raise InputError(text) from None


async def _greet(address: str) -> None:
    """Check that a scheduler answers: a client that finds none hangs when it is deleted.

    Raises:
        OSError: No program answers.
        TimeoutError: No program answers in time.
        ValueError: It is no scheduler.
    """
    from distributed import Security
    from distributed.comm.core import connect
    from distributed.core import send_recv

    async def ask() -> Any:
        options = Security().get_connection_args("client")  # type: ignore[no-untyped-call]
        comm: Any = await connect(address, timeout=CONNECT_SECONDS, **options)  # type: ignore[no-untyped-call]
        try:
            return await send_recv(comm, op="identity")
        finally:
            comm.abort()

    found = await asyncio.wait_for(ask(), CONNECT_SECONDS)
    if not isinstance(found, dict) or found.get("type") != "Scheduler":
        raise ValueError("another program")


def _asked(address: str, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Call a function of the scheduler; if it does not answer, it has gone."""
    try:
        return function(*arguments, **options)
    except (OSError, TimeoutError, StopIteration):
        raise _gone(address) from None


@contextmanager
def _quiet(*loggers: str) -> Iterator[None]:
    """Suppress tracebacks of lost connections, which are told in one line."""
    found = [logging.getLogger(name) for name in loggers]
    before = [logger.level for logger in found]
    for logger in found:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(found, before, strict=True):
            logger.setLevel(level)


def _gone(address: str) -> IsoldeError:
    """Make the error of a scheduler that has gone."""
    return IsoldeError(
        f"the Dask scheduler at {address} has gone: start it again, and the same command, which "
        "goes on (isolde separate with --resume)"
    )


def _make_ready(client: Any, ready: Callable[[], None]) -> None:
    """Check that all present workers can run the jobs."""
    try:
        client.run(ready)
    except IsoldeError as error:
        raise IsoldeError(f"a Dask worker cannot run the jobs: {error}") from None
    except Exception as error:  # an older version lacks what is asked of it
        first = str(error).split("\n")[0]
        raise IsoldeError(
            f"a Dask worker cannot run isolde {__version__} ({type(error).__name__}: {first}): "
            "install the same version there"
        ) from None


# --- in the worker -----------------------------------------------------------------------------


def _on_worker(
    job: Job, key: str, item: Any, timeout: float | None, grace: float, reports: bool
) -> Outcome:
    """Run a job in a thread of a worker, and report its start."""
    from distributed import get_worker

    worker = get_worker()
    worker.log_event(_TOPIC, {"key": key, "worker": worker.address})
    if timeout is None:
        return timed(job, key, item, advance=_ignore if reports else None)
    watchdog = threading.Timer(timeout + grace, os._exit, (1,))
    watchdog.daemon = True
    watchdog.start()
    try:
        return timed(job, key, item, advance=_deadline(key, timeout) if reports else None)
    finally:
        watchdog.cancel()


def _ignore(share: float) -> None:
    """Ignore a share that is done."""


def _deadline(key: str, timeout: float) -> Advance:
    """Make a function that raises when the time of a job is over."""
    end = time.monotonic() + timeout

    def check(share: float) -> None:
        if time.monotonic() > end:
            raise AbortedError(too_long(key, timeout))

    return check
