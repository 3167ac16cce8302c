"""All models that have a name, and why some of them cannot be used; it loads no graph."""

from collections.abc import Callable
from functools import partial

from isolde.core.errors import ModelError
from isolde.models import sources
from isolde.models.catalogue import QUALITIES, Model, from_card, from_package, parts_of


def every() -> list[Model]:
    """List the models that have a name: shipped ones, then the user's, then those of packages.

    One that cannot be used is left out, and in `faults`.
    """
    return _read()[0]


def faults() -> list[str]:
    """Give a line for each model that has a name but cannot be used, and for each such package."""
    return [*sources.faults(), *_read()[1]]


def taken_names() -> dict[str, str]:
    """Give the names that no model can be added under, each with whose it is."""
    packages = dict.fromkeys(sources.installed(), "that of an installed package's model")
    own = dict.fromkeys(sources.added(), "that of a model that was added")
    return {**packages, **own, **dict.fromkeys(_reserved(), "isolde's own")}


def _reserved() -> set[str]:
    return {sources.RULES, *QUALITIES, *sources.shipped()}


def _read() -> tuple[list[Model], list[str]]:
    """The models that can be used, and a line for each that cannot."""
    own, others = sources.added(), sources.installed()
    reserved = _reserved()
    found: list[Model] = []
    lost: list[str] = []

    def take(where: str, read: Callable[[], Model]) -> None:
        try:
            model = read()
            parts_of(model.card)  # they must be there as well
            found.append(model)
        except ModelError as error:
            lost.append(f"{where}: {str(error).removeprefix(f'{where}: ')}")

    for path in sources.shipped().values():
        take(str(path), partial(from_card, path))
    for name, path in own.items():
        if name in reserved:
            lost.append(f"{path}: the name '{name}' is isolde's own: give the file another one")
        else:
            take(str(path), partial(from_card, path))
    for name, pair in others.items():
        where = f"model '{name}' of a package"
        if name in reserved:
            lost.append(f"{where}: the name is isolde's own, and so cannot be reached")
        elif name in own:
            lost.append(f"{where}: one that was added has that name: `isolde models remove {name}`")
        else:
            take(where, partial(from_package, *pair))
    return found, lost
