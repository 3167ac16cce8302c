"""One job over many songs: a process pool here, or Dask on several machines; it knows no audio.

What it promises, whoever runs the jobs: one outcome per item, in the order of the items; a job that
raises costs its own item only; a worker that is killed loses nothing but time; what is in the
journal is not done again, and a resumed run returns the same values as a run in one go.
"""

import hashlib
import json
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from threading import Event
from typing import Any

from isolde.core.errors import InputError, IsoldeError, MissingExtraError

DEATHS = 3  # an item whose worker dies this often is given up
CONNECT_SECONDS = 10.0  # how long a Dask scheduler may take to answer


@dataclass(frozen=True)
class Outcome:
    """What became of one item.

    Attributes:
        key: the item's name.
        value: what the job returned; None if it failed.
        error: one line, or None.
        seconds: wall time of the job.
        resumed: whether it was taken from the journal.
    """

    key: str
    value: Any
    error: str | None
    seconds: float
    resumed: bool = False


def stamp(*paths: str | Path, settings: object = None) -> str:
    """A short text that changes when a file or a setting does, to tell finished work from old.

    Args:
        paths: files; their names, sizes and times of change count, a missing one too.
        settings: anything with a stable repr.

    Returns:
        16 hexadecimal digits.
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
    journal: str | Path | None = None,
    stamps: Mapping[str, str] | None = None,
    workers: int = 0,
    scheduler: str | None = None,
    report: Callable[[Outcome], None] | None = None,
) -> list[Outcome]:
    """Do one job for every item.

    Args:
        job: a function that can be pickled (module level, or a partial of one); with a journal it
            must return what JSON can hold.
        items: name -> argument of the job.
        journal: file that remembers finished items, one JSON line each; None: start afresh.
        stamps: name -> `stamp(...)`: a journal's line counts only if its stamp is the same.
        workers: processes; 0: one per core; 1: in this process. Not used with a scheduler.
        scheduler: address of a Dask scheduler ("tcp://host:8786"); files are then named by paths
            that every worker can read.
        report: called in this process with each outcome as it comes, in any order.

    Returns:
        outcomes in the order of `items`.

    Raises:
        InputError: a negative number of workers, or a journal that is not one.
        MissingExtraError: a scheduler is given and Dask is not installed.
        IsoldeError: the scheduler cannot be reached.
    """
    if workers < 0:
        raise InputError(f"{workers} workers: use 0 for one per core, or a number above 0")
    marks = dict(stamps or {})
    done = _read_journal(Path(journal), marks) if journal is not None else {}
    outcomes = {k: Outcome(k, done[k], None, 0.0, resumed=True) for k in items if k in done}
    for outcome in outcomes.values():
        if report:
            report(outcome)
    rest = {k: v for k, v in items.items() if k not in outcomes}
    if scheduler is not None:
        stream = _on_dask(job, rest, scheduler)
    elif workers == 1 or (len(rest) <= 1 and workers == 0):
        stream = (_timed(job, key, item) for key, item in rest.items())
    else:
        stream = _in_pool(job, rest, min(workers or os.cpu_count() or 1, max(1, len(rest))))
    for outcome in stream:
        if journal is not None and outcome.error is None:
            # what a resumed run would read is what this one returns: tuples are lists in both
            line = json.dumps(
                {"key": outcome.key, "stamp": marks.get(outcome.key, ""), "value": outcome.value}
            )
            _append(Path(journal), line)
            outcome = Outcome(outcome.key, json.loads(line)["value"], None, outcome.seconds)
        outcomes[outcome.key] = outcome
        if report:
            report(outcome)
    return [outcomes[k] for k in items]


def _timed(job: Callable[[Any], Any], key: str, item: Any) -> Outcome:
    """Run the job; an exception becomes a line of text (tracebacks do not travel well)."""
    began = time.perf_counter()
    try:
        return Outcome(key, job(item), None, time.perf_counter() - began)
    except Exception as error:
        name = "" if isinstance(error, IsoldeError) else f"{type(error).__name__}: "
        text = " ".join(f"{name}{error}".split()) or type(error).__name__
        return Outcome(key, None, text, time.perf_counter() - began)


# --- the journal -------------------------------------------------------------------------------


def _read_journal(path: Path, marks: Mapping[str, str]) -> dict[str, Any]:
    """Finished values by key. A last line that was cut off by a crash is ignored."""
    done: dict[str, Any] = {}
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        return done
    lines = path.read_text("utf-8").split("\n")
    for number, line in enumerate(lines):
        if not line:
            continue
        try:
            entry = json.loads(line)
            key, mark, value = entry["key"], entry["stamp"], entry["value"]
        except (ValueError, KeyError, TypeError):
            if number >= len(lines) - 1:
                continue
            raise InputError(
                f"{path}: line {number + 1} is not of a journal: use another file"
            ) from None
        if mark == marks.get(key, ""):
            done[key] = value
        else:
            done.pop(key, None)
    return done


def _append(path: Path, line: str) -> None:
    """Add a line and make sure that it is on the disk; heal a cut-off line before it."""
    with path.open("ab+") as file:
        if file.tell() > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                whole = path.read_bytes()
                file.truncate(whole.rfind(b"\n") + 1)
        file.write(line.encode("utf-8") + b"\n")
        file.flush()
        os.fsync(file.fileno())


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
    """A job that Ctrl-C interrupts; between jobs it only keeps the next one from beginning."""
    if _stopping.is_set():
        return Outcome(key, None, "interrupted", 0.0)
    idle = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return _timed(job, key, item)
    finally:
        signal.signal(signal.SIGINT, idle)


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
    job: Callable[[Any], Any], items: Mapping[str, Any], workers: int
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
                running[_submit(pool, job, key, waiting[key])] = key
                if len(running) >= workers:
                    yield from _collect(running, waiting)
            while running:
                yield from _collect(running, waiting)
        except BrokenProcessPool:
            suspects = [*running.values()]
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
    job: Callable[[Any], Any], items: Mapping[str, Any], address: str
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
