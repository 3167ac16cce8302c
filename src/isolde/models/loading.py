"""Load graphs from files, verify their checksums and keep the last few; it reads no cards."""

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
    """Load graphs within a `with` block that are freed with their last user.

    Graphs that are kept already stay, and are not shared. This holds for the calling thread.
    """
    before = _keep.set(False)
    try:
        yield
    finally:
        _keep.reset(before)


def load_graph(path: Path, *, sha256: str, threads: int, step: int, answer: str) -> Graph:
    """Load a graph that runs frame by frame; the last few are kept.

    Args:
        path: Path of an ONNX file.
        sha256: SHA-256 of the file in hexadecimal digits; empty if it is unknown.
        threads: Number of threads that run the graph.
        step: Number of frames of a call.
        answer: Output that calls give: "mask" or "presence".

    Raises:
        ModelError: The file cannot be read, is damaged, or is no graph.
    """
    load = _graph if _keep.get() else _graph.__wrapped__
    return load(path, sha256, _version(path), threads, step, answer)


def load_session(path: Path, *, sha256: str, threads: int) -> Session:
    """Load a graph of windows; the last few are kept.

    Args:
        path: Path of an ONNX file.
        sha256: SHA-256 of the file in hexadecimal digits; empty if it is unknown.
        threads: Number of threads that run the graph.

    Raises:
        ModelError: The file cannot be read, is damaged, or is no graph.
    """
    load = _session if _keep.get() else _session.__wrapped__
    return load(path, sha256, _version(path), threads)


def checksum_of(path: Path) -> str:
    """Compute the SHA-256 of a file in hexadecimal digits.

    Raises:
        ModelError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}): check the file") from None


def _version(path: Path) -> tuple[int, int]:
    """Give size and time of change of a file."""
    facts = path.stat()
    return facts.st_size, facts.st_mtime_ns


@lru_cache(maxsize=4)
def _graph(
    path: Path, sha256: str, version: tuple[int, int], threads: int, step: int, answer: str
) -> Graph:
    _check(path, sha256)
    return Graph(path, threads=threads, step=step, answer=answer)


@lru_cache(maxsize=4)
def _session(path: Path, sha256: str, version: tuple[int, int], threads: int) -> Session:
    _check(path, sha256)
    return Session(path, threads=threads)


def _check(path: Path, sha256: str) -> None:
    """Compare the checksum of a file with that of its card."""
    if sha256 and checksum_of(path) != sha256:
        raise ModelError(
            f"{path}: the checksum is not the card's: "
            "the file is damaged or was changed; install it again"
        )
