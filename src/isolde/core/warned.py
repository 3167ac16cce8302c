"""Show warnings of isolde as lines for users, or leave them out; it decides nothing."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from isolde.core.errors import IsoldeWarning
from isolde.core.names import one_line


@contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Print each IsoldeWarning within a `with` block as one line on standard error."""
    with warnings.catch_warnings():
        others = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if issubclass(category, IsoldeWarning):
                print(f"isolde: warning: {one_line(str(message))}", file=sys.stderr, flush=True)
            else:
                others(message, category, *place, **more)

        warnings.showwarning = show
        yield


@contextmanager
def without_warnings() -> Iterator[None]:
    """Ignore each IsoldeWarning within a `with` block: for files that are read once more."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IsoldeWarning)
        yield
