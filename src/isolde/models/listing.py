"""All models that have a name, and why some of them cannot be used; it loads no graph."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from isolde.core.errors import ModelError
from isolde.models import sources
from isolde.models.catalogue import QUALITIES, Model, from_card, from_package, parts_of


@dataclass(frozen=True)
class Listing:
    """What has a name.

    Attributes:
        models: Models that can be used: shipped ones, then the user's, then those of packages.
        faults: A line for each model that cannot be used, and for each such package.
    """

    models: list[Model]
    faults: list[str]


def every() -> list[Model]:
    """List the models that have a name and can be used, see `Listing`."""
    return read_models().models


def taken_names() -> dict[str, str]:
    """Give the names that no model can be added under, each with whose it is."""
    packages = dict.fromkeys(sources.installed(), "that of an installed package's model")
    own = dict.fromkeys(sources.added(), "that of a model that was added")
    return {**packages, **own, **dict.fromkeys(_reserved(), "isolde's own")}


def _reserved() -> set[str]:
    return {sources.RULES, *QUALITIES, *sources.shipped()}


def read_models() -> Listing:
    """Read the cards of all models that have a name, and ask all packages, once."""
    own, (others, lost) = sources.added(), sources.of_packages()
    reserved = _reserved()
    found: list[Model] = []

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
    return Listing(found, lost)
