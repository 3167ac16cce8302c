"""One job over many songs: a process pool here, or Dask on several machines; it knows no audio.

What it promises, whoever runs the jobs: one outcome per item, in the order of the items; a job that
raises costs its own item only; a worker that is killed loses nothing but time; what is in the
journal is not done again, and a resumed run returns the same values as a run in one go.
"""

import hashlib
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import active_children, get_context
from pathlib import Path
from threading import Event
from typing import Any

from isolde.core.errors import InputError, IsoldeError, MissingExtraError
from isolde.core.journal import Journal

DEATHS = 3  # an item whose worker dies this often is given up
CONNECT_SECONDS = 10.0  # how long a Dask scheduler may take to answer


@dataclass(frozen=True)
class Outcome:
    """What became of one item.

    Attributes:
        key: Key of the item.
        value: Value that the job returned; None if it failed.
        error: Line that says what failed, or None.
        seconds: Wall time of the job in seconds.
        resumed: Whether the value was taken from the journal.
    """

    key: str
    value: Any
    error: str | None
    seconds: float
    resumed: bool = False


def stamp(*paths: str | Path, settings: object = None) -> str:
    """Make a short text that changes when a file or a setting does.

    Args:
        paths: Files, of which names, sizes and times of change count, a missing one too.
        settings: Object with a stable repr.

    Returns:
        Text of 16 hexadecimal digits.
    """
    parts: list[object] = [settings]
    for path in map(Path, paths):
        try:
            facts = path.stat()
            parts.append((str(path), facts.st_size, facts.st_mtime_ns))
        except OSError:
            parts.append((str(path), None))
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def run(
    job: Callable[[Any], Any],
    items: Mapping[str, Any],
    *,
    journal: Journal | str | Path | None = None,
    stamps: Mapping[str, str] | None = None,
    workers: int = 0,
    scheduler: str | None = None,
    report: Callable[[Outcome], None] | None = None,
) -> list[Outcome]:
    """Run one job for every item.

    Args:
        job: Function that can be pickled (module level, or a partial of one); with a journal it
            must return what JSON can hold.
        items: Arguments of the job by key.
        journal: `Journal`, or its path, that remembers what has begun and what is finished; None
            to start afresh.
        stamps: Stamps of the items by key (see `stamp`): a journal's line counts only if its stamp
            is the same.
        workers: Number of processes; 0 for one per core, 1 for this one. Not used with a scheduler.
        scheduler: Address of a Dask scheduler ("tcp://host:8786"); files are then named by paths
            that every worker can read.
        report: Function called in this process with each outcome as it comes, in any order.

    Returns:
        Outcomes in the order of `items`.

    Raises:
        InputError: The number of workers is negative, or the journal is not one.
        MissingExtraError: A scheduler is given and Dask is not installed.
        IsoldeError: The scheduler cannot be reached.
    """
    if workers < 0:
        raise InputError(f"{workers} workers: use 0 for one per core, or a number above 0")
    marks = {key: (stamps or {}).get(key, "") for key in items}
    kept = Journal(journal) if isinstance(journal, str | Path) else journal
    done = {} if kept is None else kept.finished(marks)
    outcomes = {key: Outcome(key, value, None, 0.0, resumed=True) for key, value in done.items()}
    for outcome in outcomes.values():
        if report:
            report(outcome)

    def begin(key: str) -> None:
        if kept is not None:
            kept.begin(key, marks[key])

    rest = {k: v for k, v in items.items() if k not in outcomes}
    if scheduler is not None:
        stream = _on_dask(job, rest, scheduler, begin)
    elif workers == 1 or (len(rest) <= 1 and workers == 0):
        stream = _here(job, rest, begin)
    else:
        workers = min(workers or os.cpu_count() or 1, max(1, len(rest)))
        stream = _in_pool(job, rest, workers, begin)
    for outcome in stream:
        if kept is not None and outcome.error is None:
            # what a resumed run would read is what this one returns: tuples are lists in both
            value = kept.finish(outcome.key, marks[outcome.key], outcome.value)
            outcome = replace(outcome, value=value)
        outcomes[outcome.key] = outcome
        if report:
            report(outcome)
    return [outcomes[k] for k in items]


def _here(
    job: Callable[[Any], Any], items: Mapping[str, Any], begin: Callable[[str], None]
) -> Iterator[Outcome]:
    """Do the jobs in this process, one after the other."""
    for key, item in items.items():
        begin(key)
        yield _timed(job, key, item)


def _timed(job: Callable[[Any], Any], key: str, item: Any) -> Outcome:
    """Run the job; an exception becomes a line of text (tracebacks do not travel well)."""
    began = time.perf_counter()
    try:
        return Outcome(key, job(item), None, time.perf_counter() - began)
    except Exception as error:
        name = "" if isinstance(error, IsoldeError) else f"{type(error).__name__}: "
        text = " ".join(f"{name}{error}".split()) or type(error).__name__
        return Outcome(key, None, text, time.perf_counter() - began)


# --- a process pool ----------------------------------------------------------------------------


_stopping = Event()


def _new_worker() -> None:
    """The pool is the parallelism: libraries shall not multiply it. Ctrl-C waits for a job."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    signal.signal(signal.SIGINT, lambda *_: _stopping.set())
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _in_worker(job: Callable[[Any], Any], key: str, item: Any) -> Outcome:
    """Run a job that Ctrl-C and SIGTERM interrupt; between jobs Ctrl-C only stops the next one."""
    if _stopping.is_set():
        return Outcome(key, None, "interrupted", 0.0)
    idle = signal.signal(signal.SIGINT, signal.default_int_handler)
    deaf = signal.signal(signal.SIGTERM, terminate)
    try:
        return _timed(job, key, item)
    except SystemExit as stop:  # the job has cleaned up after itself
        os._exit(int(stop.code or 0))
    finally:
        signal.signal(signal.SIGINT, idle)
        signal.signal(signal.SIGTERM, deaf)


def terminate(*_: object) -> None:
    """Handle SIGTERM: leave by an exception, so that what is half written is removed."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(128 + signal.SIGTERM)


def _pool(workers: int) -> ProcessPoolExecutor:
    """Spawned, not forked: a fork of a process with threads may hang."""
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_new_worker)


def _submit(
    pool: ProcessPoolExecutor, job: Callable[[Any], Any], key: str, item: Any
) -> "Future[Outcome]":
    """Hand a job over; workers that start with it do not hear Ctrl-C until they are ready."""
    if not hasattr(signal, "pthread_sigmask"):
        return pool.submit(_in_worker, job, key, item)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return pool.submit(_in_worker, job, key, item)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _in_pool(
    job: Callable[[Any], Any],
    items: Mapping[str, Any],
    workers: int,
    begin: Callable[[str], None],
) -> Iterator[Outcome]:
    """Outcomes as they come. When a worker dies, all that were at work are tried again, alone.

    A broken pool does not say which item broke it. Alone, the guilty one is known, and the others
    are not blamed for it.
    """
    waiting = dict(items)
    suspects: list[str] = []
    while waiting:
        pool = _pool(workers)
        running: dict[Future[Outcome], str] = {}
        queue = iter(list(waiting))
        try:
            for key in queue:
                begin(key)
                running[_submit(pool, job, key, waiting[key])] = key
                if len(running) >= workers:
                    yield from _collect(running, waiting)
            while running:
                yield from _collect(running, waiting)
        except BrokenProcessPool:
            suspects = [*running.values()]
        except (SystemExit, GeneratorExit):  # nobody waits for the outcomes any more
            for child in active_children():
                child.terminate()
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        for key in suspects:
            if key in waiting:
                yield _alone(job, key, waiting.pop(key))
        suspects = []


def _collect(running: dict[Future[Outcome], str], waiting: dict[str, Any]) -> Iterator[Outcome]:
    """Wait for one or more; a future stays in `running` if the pool broke under it."""
    for future in wait(running, return_when=FIRST_COMPLETED).done:
        outcome = future.result()
        del running[future]
        del waiting[outcome.key]
        yield outcome


def _alone(job: Callable[[Any], Any], key: str, item: Any) -> Outcome:
    """In a process of its own, up to DEATHS times."""
    for _ in range(DEATHS):
        with _pool(1) as pool:
            try:
                return _submit(pool, job, key, item).result()
            except BrokenProcessPool:
                continue
    return Outcome(key, None, f"its worker died {DEATHS} times (killed, or out of memory?)", 0.0)


# --- Dask --------------------------------------------------------------------------------------


def _on_dask(
    job: Callable[[Any], Any],
    items: Mapping[str, Any],
    address: str,
    begin: Callable[[str], None],
) -> Iterator[Outcome]:
    """Outcomes as they come; the scheduler itself gives a dead worker's items to another one."""
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise MissingExtraError(
            "distributed", extra="dask", purpose="more than one machine"
        ) from None
    try:
        client: Any = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError, ValueError) as error:
        raise IsoldeError(
            f"no Dask scheduler answers at {address} ({type(error).__name__}): "
            "start one with 'dask scheduler'"
        ) from None
    with client:
        tag = uuid.uuid4().hex[:12]  # never another run's results
        futures = {}
        for number, (key, item) in enumerate(items.items()):
            begin(key)
            future = client.submit(
                partial(_timed, job), key, item, key=f"isolde-{tag}-{number}", pure=False
            )
            futures[future.key] = (future, key)
        handed = [future for future, _ in futures.values()]
        waiting: Iterable[Any] = as_completed(handed, loop=client.loop)  # type: ignore[no-untyped-call]
        for future in waiting:
            key = futures[future.key][1]
            try:
                yield future.result()
            except Exception as error:  # KilledWorker, lost connections, unpicklable values
                yield Outcome(key, None, f"{type(error).__name__}: {error}".split("\n")[0], 0.0)
            futures.pop(future.key)
            future.release()
