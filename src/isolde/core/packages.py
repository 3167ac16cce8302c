"""Read what other installed packages provide by entry points; no group is known by name.

An entry is a function without arguments that returns things. It is foreign code and may fail in any
way: the failure becomes a line of text, and stops neither isolde nor the other packages.
"""

from collections.abc import Callable, Iterable
from importlib import metadata
from typing import Any, TypeVar

Thing = TypeVar("Thing")


def given_by_packages(
    group: str, read: Callable[[Any], Thing], *, what: str
) -> tuple[list[Thing], list[str]]:
    """Collect what the entries of a group return.

    Args:
        group: Name of the entry point group.
        read: Function that checks and converts one thing; it may raise anything.
        what: Plural noun for the things ("models"), for messages.

    Returns:
        the things, and a line for each entry that failed, whose things are left out.
    """
    things: list[Thing] = []
    faults: list[str] = []
    for entry in metadata.entry_points(group=group):
        try:
            give: Callable[[], Iterable[Any]] = entry.load()
            things += [read(thing) for thing in give()]
        except Exception as error:
            said = " ".join(f"{type(error).__name__}: {error}".split())
            faults.append(
                f"the {what} of the package entry '{entry.value}' cannot be loaded ({said}): "
                "update or remove that package"
            )
    return things, faults
