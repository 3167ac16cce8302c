"""Read recipes by name or path: shipped ones, TOML files, the JSON of a run."""

import json
import tomllib
from importlib import resources
from pathlib import Path

from isolde.core.config import suggestion
from isolde.core.errors import InputError
from isolde.training.recipe import Recipe


def _shipped() -> Path:
    return Path(str(resources.files("isolde.training"))) / "recipes"


def names() -> list[str]:
    """List the names of the shipped recipes, sorted."""
    return sorted(path.stem for path in _shipped().glob("*.toml"))


def read_recipe(name: str | Path) -> Recipe:
    """Read a recipe by its name, or by the path of a .toml or .json file.

    Args:
        name: One of `names()`, or a path.

    Raises:
        InputError: There is none, the file cannot be read, or anything in it is unknown or wrong.
    """
    path = Path(name)
    if path.suffix not in (".toml", ".json"):
        if str(name) not in names():
            raise InputError(
                f"recipe '{name}' is unknown: {suggestion(str(name), names())} "
                "(or give the path of a .toml file)"
            )
        path = _shipped() / f"{name}.toml"
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}): give a recipe") from None
    except ValueError as error:
        kind = path.suffix.removeprefix(".").upper()
        raise InputError(f"{path}: is not {kind} ({error})") from None
    if not isinstance(values, dict):
        raise InputError(f"{path}: is no recipe: give a table of its settings")
    return Recipe.from_dict(values, where=path.name)


def difference(old: Recipe, new: Recipe) -> str:
    """Name the first setting in which two recipes differ; empty when they are equal."""
    return _difference(json.loads(json.dumps(old.to_dict())), json.loads(json.dumps(new.to_dict())))


def _difference(old: object, new: object, name: str = "") -> str:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return "" if old == new else f"{name} {old}, now {new}"
    for key in {**old, **new}:
        found = _difference(old.get(key), new.get(key), f"{name}.{key}".removeprefix("."))
        if found:
            return found
    return ""
