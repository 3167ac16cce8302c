"""A pool of processes on this machine, each with one job at a time; it keeps no journal.

Each worker has its own pipe: if one dies or takes too long, its item is known and the others go on.
Workers stay for the whole run, so a job loads its models once.
"""

import os
import signal
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from threading import Event
from typing import Any

from isolde.core.parallel.outcome import Advance, Job, Outcome, timed, too_long
from isolde.core.warned import warnings_as_lines

DEATHS = 3  # an item whose worker dies this often is given up
GRACE_SECONDS = 5.0  # for a job to clean up when its time is over
_TELL_SECONDS = 0.2  # between two reports of a job's progress

_stopping = Event()


def terminate(number: int = signal.SIGTERM, *_: object) -> None:
    """Handle a terminating signal by an exception, so that unfinished files are removed."""
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)


def run_in_pool(
    job: Job,
    items: Mapping[str, Any],
    *,
    workers: int,
    begin: Callable[[str], None],
    timeout: float | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> Generator[Outcome]:
    """Run a job for every item in processes of this machine.

    An item whose worker died is tried again alone when all others are done: if memory was short, it
    can use all of it then.

    Args:
        job: Function that can be pickled.
        items: Arguments by key.
        workers: Number of processes.
        begin: Function called with the key of an item when it is handed to a worker.
        timeout: Seconds after which a job is ended, by SIGTERM, and killed soon after; None for no
            limit.
        progress: Function called with a key and what its job reports; the job then takes a keyword
            `progress`.

    Yields:
        Outcomes, as they come.
    """
    waiting, again = dict(items), dict[str, Any]()
    tries: dict[str, int] = {}
    idle: list[_Worker] = []
    busy: dict[Connection, _Worker] = {}
    try:
        while waiting or busy or again:
            if not waiting and not busy:
                waiting, again, workers = again, {}, 1
            while waiting and len(busy) < workers:
                key = next(iter(waiting))
                if key not in tries:
                    begin(key)
                tries[key] = tries.get(key, 0) + 1
                worker = idle.pop() if idle else _Worker(job, reports=progress is not None)
                busy[worker.connection] = worker
                worker.hand_over(key, waiting.pop(key))
            patience = min(worker.patience for worker in busy.values())
            for connection in wait([*busy], timeout=patience):
                assert isinstance(connection, Connection)
                worker = busy[connection]
                said = worker.listen(timeout)
                if isinstance(said, float):
                    if progress is not None:
                        progress(worker.key, said)
                elif isinstance(said, Outcome):
                    del busy[connection]
                    if worker.is_late:  # SIGTERM may still be on its way
                        connection.close()
                        if said.error and timeout is not None:  # of what SIGTERM broke off
                            said = replace(said, error=too_long(said.key, timeout))
                    else:
                        idle.append(worker)
                    yield replace(said, tries=tries[said.key])
                elif not worker.is_alive:
                    del busy[connection]
                    worker.process.join(GRACE_SECONDS)  # before its unfinished files are stale
                    if worker.is_late and timeout is not None:
                        text, tried = too_long(worker.key, timeout), tries[worker.key]
                        yield Outcome(worker.key, None, text, timeout, tries=tried)
                    elif tries[worker.key] < DEATHS:
                        again[worker.key] = items[worker.key]
                    else:
                        text = f"{worker.key}: its worker died {DEATHS} times (out of memory?)"
                        yield Outcome(worker.key, None, text, 0.0, tries=DEATHS)
            for worker in busy.values():
                worker.end_if_late()
    except BaseException as stop:  # the outcomes are not needed any more
        if not isinstance(stop, KeyboardInterrupt):  # which the workers get themselves
            for worker in busy.values():
                worker.process.terminate()
        raise
    finally:
        for worker in [*idle, *busy.values()]:
            worker.connection.close()  # an idle one ends, a busy one when it next has something


class _Worker:
    """A process and its current item.

    Attributes:
        connection: Pipe to it.
        process: The process.
        key: Key of the item that it works on, or worked on last.
        is_alive: Whether its end of the pipe is open.
        is_late: Whether it was told to end because its time was over.
    """

    def __init__(self, job: Job, *, reports: bool) -> None:
        """Start the process; Ctrl-C is blocked in it until it is ready."""
        context = get_context("spawn")  # not forked: a fork of a process with threads may hang
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, job, reports))
        blocks = hasattr(signal, "pthread_sigmask")
        if blocks:
            resource_tracker.ensure_running()  # whose start would let the signal through again
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if blocks else set()
        try:
            self.process.start()
        finally:
            if blocks:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        self.key, self.is_alive, self.is_late = "", True, False
        self._deadline = float("inf")

    @property
    def patience(self) -> float:
        """Seconds until `end_if_late` has something to do, at most an hour."""
        return min(3600.0, max(0.0, self._deadline - time.monotonic()))

    def hand_over(self, key: str, item: Any) -> None:
        """Send it an item; `listen` notices if it has died meanwhile."""
        self.key, self._deadline = key, float("inf")
        try:
            self.connection.send((key, item))
        except (BrokenPipeError, ConnectionResetError):
            pass

    def listen(self, timeout: float | None) -> Outcome | float | None:
        """Receive an outcome, a share that is done, or None."""
        try:
            said: Outcome | float | None = self.connection.recv()
        except (EOFError, OSError):
            self.is_alive = False
            return None
        if said is None and timeout is not None:
            self._deadline = time.monotonic() + timeout
        if isinstance(said, Outcome):
            self._deadline = float("inf")
        return said

    def end_if_late(self) -> None:
        """Terminate a job whose time is over; kill a process that does not end."""
        if time.monotonic() < self._deadline:
            return
        if self.is_late:
            self.process.kill()
            self._deadline = float("inf")
        else:
            self.is_late = True
            self.process.terminate()
            self._deadline = time.monotonic() + GRACE_SECONDS


# --- in the worker -----------------------------------------------------------------------------


def _serve(connection: Connection, job: Job, reports: bool) -> None:
    """Run jobs until the pipe is closed."""
    _prepare()
    while True:
        try:
            key, item = connection.recv()
            if _stopping.is_set():
                return
            connection.send(None)  # the clock starts
            with warnings_as_lines():
                outcome = _in_worker(job, key, item, _teller(connection) if reports else None)
            try:
                connection.send(outcome)
            except (OSError, EOFError):
                raise
            except Exception as error:  # pickle raises errors of many kinds
                text = f"{key}: the job's value cannot be sent ({type(error).__name__}: {error})"
                connection.send(Outcome(key, None, text, outcome.seconds))
        except (EOFError, OSError, KeyboardInterrupt):
            return


def _prepare() -> None:
    """Give libraries one thread each, and let Ctrl-C wait for the end of a job."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    if hasattr(signal, "SIGHUP"):  # of a terminal that is closed: the parent ends all then
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, lambda *_: _stopping.set())
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _teller(connection: Connection) -> Advance:
    """Make a function that sends shares now and then; it raises after Ctrl-C or a closed pipe."""
    told = -1.0

    def tell(share: float) -> None:
        nonlocal told
        if _stopping.is_set():
            raise KeyboardInterrupt
        if time.monotonic() - told >= _TELL_SECONDS:
            told = time.monotonic()
            connection.send(float(share))

    return tell


def _in_worker(job: Job, key: str, item: Any, advance: Advance | None) -> Outcome:
    """Run a job that Ctrl-C and SIGTERM interrupt; between jobs Ctrl-C only stops the next one.

    A job with progress is interrupted where it reports, and not in the middle of an import.
    """
    idle = signal.getsignal(signal.SIGINT)
    if advance is None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    deaf = signal.signal(signal.SIGTERM, terminate)
    try:
        return timed(job, key, item, advance=advance)
    except SystemExit as stop:  # the job has cleaned up after itself
        os._exit(int(stop.code or 0))
    finally:
        signal.signal(signal.SIGINT, idle)
        signal.signal(signal.SIGTERM, deaf)
