"""Graphs from files, checked and kept for who asks again; it knows no names and no cards."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path

from isolde.core.errors import ModelError
from isolde.models.graph import Graph, Session

_keep = ContextVar("keep", default=True)


@contextmanager
def without_keeping() -> Iterator[None]:
    """Load graphs, for the time of a with statement, that go with whoever asked for them.

    Those that are kept stay, and are not what is loaded. It holds for the calling thread.
    """
    before = _keep.set(False)
    try:
        yield
    finally:
        _keep.reset(before)


def load_graph(path: Path, *, sha256: str, threads: int, step: int, answer: str) -> Graph:
    """Load a graph that goes frame by frame; the last few are kept.

    Args:
        path: An ONNX file.
        sha256: SHA-256 of the file, in hexadecimal digits.
        threads: Number of threads that run it.
        step: Number of frames of a call.
        answer: Output that its calls give: "mask" or "presence".

    Raises:
        ModelError: The file is damaged or no graph.
    """
    load = _graph if _keep.get() else _graph.__wrapped__
    return load(path, sha256, _version(path), threads, step, answer)


def load_session(path: Path, *, sha256: str, threads: int) -> Session:
    """Load a graph of windows; the last few are kept.

    Args:
        path: An ONNX file.
        sha256: SHA-256 of the file, in hexadecimal digits; empty where nobody knows it.
        threads: Number of threads that run it.

    Raises:
        ModelError: The file is damaged or no graph.
    """
    load = _session if _keep.get() else _session.__wrapped__
    return load(path, sha256, _version(path), threads)


def _version(path: Path) -> tuple[int, int]:
    """What differs when a file is another one."""
    facts = path.stat()
    return facts.st_size, facts.st_mtime_ns


@lru_cache(maxsize=4)
def _graph(
    path: Path, sha256: str, version: tuple[int, int], threads: int, step: int, answer: str
) -> Graph:
    """Load a graph that goes frame by frame."""
    data = path.read_bytes()
    _check(path, hashlib.sha256(data).hexdigest(), sha256)
    return Graph(data, threads=threads, step=step, answer=answer)


@lru_cache(maxsize=4)
def _session(path: Path, sha256: str, version: tuple[int, int], threads: int) -> Session:
    """Load a graph of windows."""
    if sha256:
        with path.open("rb") as file:
            _check(path, hashlib.file_digest(file, "sha256").hexdigest(), sha256)
    return Session(path, threads=threads)


def _check(path: Path, sha256: str, expected: str) -> None:
    """Compare checksums."""
    if sha256 != expected:
        raise ModelError(
            f"{path}: the checksum is not the card's: "
            "the file is damaged or was changed; install it again"
        )
