"""Read plain values (TOML, JSON) into frozen dataclasses and back; refuse what is unknown.

Cards, recipes, reports and results are read here. No field is known by name: types and defaults are
those of the dataclass, and its `__post_init__` checks the rest.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from isolde.core.errors import InputError

T = TypeVar("T")

NAMES = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def suggestion(word: str, known: Sequence[str]) -> str:
    """Suggest a known word for an unknown one: the nearest, or all of them.

    Examples:
        >>> suggestion("vocal", ["vocals", "drums"])
        "did you mean 'vocals'?"
    """
    close = get_close_matches(word, known, n=1)
    return f"did you mean '{close[0]}'?" if close else f"take one of {', '.join(known)}"


def build(cls: type[T], values: Mapping[str, Any], *, where: str, nan: bool = False) -> T:
    """Build a dataclass from plain values; what they leave out keeps its default.

    Args:
        cls: Frozen dataclass of int, float, str, bool, Path, literals, tuples, lists, mappings and
            such dataclasses. A value that is a dataclass already is taken as it is.
        values: Values by field name.
        where: Beginning of every error: the file or table that the values are from.
        nan: Whether null stands for NaN where a number is wanted, as `plain` writes it.

    Raises:
        InputError: For an unknown key (with a suggestion), a missing one, a value of the wrong
            type, and what the dataclass itself refuses.

    Examples:
        >>> from isolde.core.signal.features import Features
        >>> build(Features, {"sinal": "mid"}, where="card.json")
        Traceback (most recent call last):
        isolde.core.errors.InputError: card.json: 'sinal' is unknown: did you mean 'signal'?
    """
    if not isinstance(values, Mapping):
        raise InputError(f"{where}: is {str(values)[:40]!r}: give a table of names and values")
    wanted = {f.name: f for f in fields(cls) if f.init}  # type: ignore[arg-type]
    hints = _hints(cls)  # type: ignore[arg-type]
    made = {}
    for key, value in values.items():
        if key not in wanted:
            raise InputError(f"{where}: '{key}' is unknown: {suggestion(str(key), [*wanted])}")
        made[key] = _converted(value, hints[key], where=where, key=key, nan=nan)
    for name, field in wanted.items():
        if name not in made and field.default is field.default_factory is MISSING:
            raise InputError(f"{where}: '{name}' is missing: add it")
    try:
        return cls(**made)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def plain(value: Any, *, digits: int | None = None) -> Any:
    """Turn a dataclass into what JSON can hold; NaN and infinity become None.

    Args:
        value: Dataclass, mapping, sequence, array, path, number or text.
        digits: Digits after the point to which numbers are rounded; None for all.

    Examples:
        >>> plain({"paths": (Path("a.wav"),), "level": float("nan")})
        {'paths': ['a.wav'], 'level': None}
    """
    if is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item, digits=digits) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist(), digits=digits)
    if isinstance(value, list | tuple):
        return [plain(item, digits=digits) for item in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return value if digits is None else round(value, digits)
    return value


@cache
def _hints(cls: type[Any]) -> dict[str, Any]:
    return get_type_hints(cls)


def _converted(value: Any, hint: Any, *, where: str, key: str, nan: bool) -> Any:
    """Convert one value to the type of its field."""
    kind, args = get_origin(hint), get_args(hint)
    if hint is Any or is_dataclass(value):
        return value
    if kind in (UnionType, Union):
        if value is None and type(None) in args:
            return None
        (hint,) = (h for h in args if h is not type(None))
        return _converted(value, hint, where=where, key=key, nan=nan)
    if is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise InputError(f"{where}: '{key}' is {value!r}: give a table")
        return build(hint, value, where=f"{where}, {key}", nan=nan)  # type: ignore[arg-type]
    if kind is Literal:
        if value not in args:
            raise InputError(f"{where}: {key} '{value}' is unknown: {suggestion(str(value), args)}")
        return value
    if kind is not None and issubclass(kind, Mapping):
        if not isinstance(value, Mapping):
            raise InputError(f"{where}: '{key}' is {value!r}: give a table")
        return {
            k: _converted(v, args[1], where=where, key=f"{key}, {k}", nan=nan)
            for k, v in value.items()
        }
    if kind in (tuple, list):
        hints = (args[0], ...) if kind is list else args
        return kind(_items(value, hints, where=where, key=key, nan=nan))
    if hint is Path and isinstance(value, str):
        return Path(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            value = math.inf
    if hint is float and value is None and nan:
        return math.nan
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise InputError(f"{where}: '{key}' is {value!r}: give {NAMES.get(hint, hint.__name__)}")
    if hint is float and not nan and not math.isfinite(value):
        raise InputError(f"{where}: '{key}' is {value}: give a number")
    return value


def _items(value: Any, hints: tuple[Any, ...], *, where: str, key: str, nan: bool) -> list[Any]:
    """Convert the items of a list, of any length where the hints end in an ellipsis."""
    if not isinstance(value, list | tuple):
        raise InputError(f"{where}: '{key}' is {value!r}: give a list")
    any_length = hints[-1] is Ellipsis
    wanted = hints[:1] * len(value) if any_length else hints
    if len(value) != len(wanted):
        raise InputError(f"{where}: '{key}' has {len(value)} values: give {len(wanted)}")
    if any_length and hints[0] is float:  # of scores, there are millions
        found = set(map(type, value))
        if found <= {float, NoneType} and (
            nan or (found == {float} and all(map(math.isfinite, value)))
        ):
            return [math.nan if v is None else v for v in value]
    pairs = zip(value, wanted, strict=True)
    return [_converted(v, hint, where=where, key=key, nan=nan) for v, hint in pairs]
