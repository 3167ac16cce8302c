"""What other installed packages give isolde through entry points; it knows no group by name.

An entry is a function without arguments that gives things. The code behind it is somebody else's
and may fail in any way: that becomes a line, and stops neither isolde nor the other packages.
"""

from collections.abc import Callable, Iterable
from importlib import metadata
from typing import Any, TypeVar

Thing = TypeVar("Thing")


def given_by_packages(
    group: str, read: Callable[[Any], Thing], *, what: str
) -> tuple[list[Thing], list[str]]:
    """Collect what the entries of a group give.

    Args:
        group: Name of the entry point group.
        read: Function that checks a thing that is given and turns it into ours; it may raise
            anything.
        what: What is given, for messages, as a plural noun ("models").

    Returns:
        the things, and a line for each entry that failed, of which nothing is taken.
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
                f"the {what} of the package entry '{entry.value}' cannot be had ({said}): "
                "update or remove that package"
            )
    return things, faults
