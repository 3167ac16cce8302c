"""Load graphs from files, verify their checksums and keep the last few; it reads no cards."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from isolde.core.errors import ModelError
from isolde.models.graph import Graph, Session

Loaded = TypeVar("Loaded", Graph, Session)

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


def load(kind: type[Loaded], path: Path, sha256: str, **options: Any) -> Loaded:
    """Load a graph from a file; the last few are kept.

    Args:
        kind: `Graph` for a graph that runs frame by frame, `Session` for any other.
        path: Path of an ONNX file.
        sha256: SHA-256 of the file in hexadecimal digits; empty if it is unknown.
        options: Other arguments of the kind.

    Raises:
        ModelError: The file cannot be read, is damaged, or is no graph.
    """
    make: Callable[..., Loaded] = _make if _keep.get() else _make.__wrapped__
    facts = path.stat()
    return make(kind, path, sha256, (facts.st_size, facts.st_mtime_ns), **options)


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


@lru_cache(maxsize=4)
def _make(
    kind: type[Loaded], path: Path, sha256: str, version: tuple[int, int], **options: Any
) -> Loaded:
    if sha256 and checksum_of(path) != sha256:
        raise ModelError(
            f"{path}: the checksum is not the card's: "
            "the file is damaged or was changed; install it again"
        )
    return kind(path, **options)
