"""Plain values, from TOML or JSON, into frozen dataclasses; what is unknown is refused."""

import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from isolde.core.errors import InputError

T = TypeVar("T")

NAMES = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def suggestion(word: str, known: Sequence[str]) -> str:
    """What to take instead of an unknown word: its nearest neighbour, or all there are."""
    close = get_close_matches(word, known, n=1)
    return f"did you mean '{close[0]}'?" if close else f"take one of {', '.join(known)}"


def build(cls: type[T], values: Mapping[str, Any], *, where: str) -> T:
    """A dataclass from plain values; what they leave out keeps its default.

    Args:
        cls: a frozen dataclass of int, float, str, bool, tuples of these, and such dataclasses. A
            value that is a dataclass already is taken as it is.
        values: by field name.
        where: stands at the beginning of every error.

    Raises:
        InputError: for an unknown key (with a suggestion), a value of the wrong type, and what the
            dataclass itself refuses.
    """
    known = [f.name for f in fields(cls) if f.init]  # type: ignore[arg-type]
    hints = get_type_hints(cls)
    made = {}
    for key, value in values.items():
        if key not in known:
            raise InputError(f"{where}: '{key}' is unknown: {suggestion(key, known)}")
        made[key] = _converted(value, hints[key], where=where, key=key)
    try:
        return cls(**made)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    except TypeError as error:
        raise InputError(f"{where}: something is missing ({error})") from None


def _converted(value: Any, hint: Any, *, where: str, key: str) -> Any:
    """One value as its field wants it."""
    if is_dataclass(value):
        return value
    if is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise InputError(f"{where}: '{key}' is {value!r}: give a table")
        return build(hint, value, where=f"{where}, {key}")  # type: ignore[arg-type]
    if get_origin(hint) in (types.UnionType,):
        if value is None and type(None) in get_args(hint):
            return None
        (hint,) = (h for h in get_args(hint) if h is not type(None))
        return _converted(value, hint, where=where, key=key)
    if get_origin(hint) is tuple:
        return _tuple(value, get_args(hint), where=where, key=key)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise InputError(f"{where}: '{key}' is {value!r}: give {NAMES.get(hint, hint.__name__)}")
    return value


def _tuple(value: Any, hints: tuple[Any, ...], *, where: str, key: str) -> tuple[Any, ...]:
    """A list as a tuple, of any length where the hint ends in an ellipsis."""
    if not isinstance(value, list | tuple):
        raise InputError(f"{where}: '{key}' is {value!r}: give a list")
    wanted = hints[:1] * len(value) if hints[-1] is Ellipsis else hints
    if len(value) != len(wanted):
        raise InputError(f"{where}: '{key}' has {len(value)} values: give {len(wanted)}")
    pairs = zip(value, wanted, strict=True)
    return tuple(_converted(v, hint, where=where, key=key) for v, hint in pairs)
