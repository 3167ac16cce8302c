"""Outcomes of jobs, and a job run so that its error becomes a line of text; it runs one only."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from isolde.core.errors import IsoldeError

Job = Callable[..., Any]
Advance = Callable[[float], None]


@dataclass(frozen=True)
class Outcome:
    """The outcome of one item.

    Attributes:
        key: Key of the item.
        value: Value that the job returned; None if it failed.
        error: Line of text about the error; None if there was none.
        seconds: Wall time of the job in seconds.
        resumed: Whether the value was taken from the journal.
        tries: Number of starts of the job in this run, more than 1 if workers died.
    """

    key: str
    value: Any
    error: str | None
    seconds: float
    resumed: bool = False
    tries: int = 1


def timed(job: Job, key: str, item: Any, *, advance: Advance | None = None) -> Outcome:
    """Run a job; an exception becomes a line of text.

    Args:
        job: Function of the item.
        key: Key of the item.
        item: Argument.
        advance: Function that the job gets as its keyword `progress`; None for jobs without.
    """
    began = time.perf_counter()
    try:
        value = job(item) if advance is None else job(item, progress=advance)
        return Outcome(key, value, None, time.perf_counter() - began)
    except Exception as error:
        name = "" if isinstance(error, IsoldeError) else f"{type(error).__name__}: "
        text = " ".join(f"{name}{error}".split()) or type(error).__name__
        return Outcome(key, None, text, time.perf_counter() - began)


def too_long(key: str, timeout: float) -> str:
    """Write the error of an item that took too long."""
    return f"{key}: took longer than {timeout:g} s and was given up: allow more time, or look at it"
