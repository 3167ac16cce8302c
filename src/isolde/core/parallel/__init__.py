"""Run one job over many items, in local processes or by Dask; it knows no audio.

In both cases there is one outcome per item, in the order of the items. A job that raises fails its
own item only, a killed worker costs only time, items in the journal are not run again, and a
resumed run returns the same values as an uninterrupted one.
"""

import hashlib
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from isolde.core.errors import InputError
from isolde.core.journal import Journal
from isolde.core.parallel.cluster import run_on_dask
from isolde.core.parallel.machine import n_cores, workers_for
from isolde.core.parallel.outcome import Job, Outcome, timed
from isolde.core.parallel.pool import run_in_pool, terminate

__all__ = ["Outcome", "n_cores", "run", "stamp", "terminate", "workers_for"]


def stamp(*paths: str | Path, settings: object = None) -> str:
    """Make a short text that changes when a file or a setting changes.

    Args:
        paths: Files, whose names, sizes and times of change count; they may be missing.
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
    job: Job,
    items: Mapping[str, Any],
    *,
    journal: Journal | str | Path | None = None,
    stamps: Mapping[str, str] | None = None,
    workers: int = 0,
    scheduler: str | None = None,
    timeout: float | None = None,
    ready: Callable[[], None] | None = None,
    report: Callable[[Outcome], None] | None = None,
    progress: Callable[[str, float], None] | None = None,
    notify: Callable[[str], None] | None = None,
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
        timeout: Seconds after which a job is ended and its item has failed; None for no limit. A
            single worker is then a process of its own too.
        ready: Function that can be pickled, run on every Dask worker before any job; what it raises
            means that the machine cannot run the jobs.
        report: Function called in this process with each outcome as it comes, in any order.
        progress: Function called in this process with a key and the share that is done, in [0, 1],
            but not with a scheduler; the job then takes a keyword `progress`, a function that it
            calls with the share now and then.
        notify: Function called with lines that a user should see at once.

    Returns:
        Outcomes in the order of `items`.

    Raises:
        InputError: The number of workers is negative, the time is not above 0, or the journal is
            not one.
        MissingExtraError: A scheduler is given and Dask is not installed.
        IsoldeError: The scheduler cannot be reached or has gone, or a worker cannot run the jobs.
    """
    if workers < 0:
        raise InputError(f"{workers} workers: use 0 for one per core, or a number above 0")
    if timeout is not None and not timeout > 0:
        raise InputError(f"a time of {timeout:g} s for each: give more than 0")
    marks = {key: (stamps or {}).get(key, "") for key in items}
    kept = Journal(journal) if isinstance(journal, str | Path) else journal
    done = {} if kept is None else kept.finished(marks)
    outcomes = {key: Outcome(key, value, None, 0.0, resumed=True) for key, value in done.items()}
    for outcome in outcomes.values():
        if report:
            report(outcome)

    def begin(key: str) -> None:
        if kept is not None:
            kept.begin({key: marks[key]})

    rest = {k: v for k, v in items.items() if k not in outcomes}
    if scheduler is not None:
        stream = run_on_dask(
            job,
            rest,
            scheduler,
            begin=begin,
            timeout=timeout,
            reports=progress is not None,
            ready=ready,
            notify=notify or (lambda line: None),
        )
    elif timeout is None and (workers == 1 or (len(rest) <= 1 and workers == 0)):
        stream = _here(job, rest, begin, progress)
    else:
        workers = min(workers or n_cores(), max(1, len(rest)))
        stream = run_in_pool(
            job, rest, workers=workers, begin=begin, timeout=timeout, progress=progress
        )
    with closing(stream):  # ends the workers at once, whatever is raised here
        for outcome in stream:
            if kept is not None and outcome.error is None:
                # the value as a resumed run would read it: tuples are lists
                value = kept.finish(outcome.key, marks[outcome.key], outcome.value)
                outcome = replace(outcome, value=value)
            outcomes[outcome.key] = outcome
            if report:
                report(outcome)
    return [outcomes[k] for k in items]


def _here(
    job: Job,
    items: Mapping[str, Any],
    begin: Callable[[str], None],
    progress: Callable[[str, float], None] | None,
) -> Generator[Outcome]:
    """Run the jobs in this process, one after the other."""
    for key, item in items.items():
        begin(key)
        yield timed(job, key, item, advance=None if progress is None else partial(progress, key))
