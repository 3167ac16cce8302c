"""List all models that have a name, and say why some cannot be used; it loads no graph."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from isolde.core.errors import ModelError
from isolde.models import sources
from isolde.models.catalogue import QUALITIES, Model, from_card, from_package, parts_of


@dataclass(frozen=True)
class Listing:
    """Everything that has a name.

    Attributes:
        models: Models that can be used: shipped ones, then the user's, then those of packages.
        faults: A line for each model that cannot be used, and for each package that fails.
    """

    models: list[Model]
    faults: list[str]


def taken_names() -> dict[str, str]:
    """Give the names under which no model can be added, each with its owner."""
    packages = dict.fromkeys(sources.of_packages()[0], "that of an installed package's model")
    own = dict.fromkeys(sources.added(), "that of a model that was added")
    return {**packages, **own, **dict.fromkeys(_reserved(), "isolde's own")}


def _reserved() -> set[str]:
    return {sources.RULES, *QUALITIES, *sources.shipped()}


def read_models() -> Listing:
    """Read the cards of all models that have a name, and ask each package once."""
    own, (others, faults) = sources.added(), sources.of_packages()
    reserved = _reserved()
    models: list[Model] = []

    def take(where: str, read: Callable[[], Model]) -> None:
        try:
            model = read()
            parts_of(model.card)  # raises if one is missing
            models.append(model)
        except ModelError as error:
            faults.append(f"{where}: {str(error).removeprefix(f'{where}: ')}")

    for path in sources.shipped().values():
        take(str(path), partial(from_card, path))
    for name, path in own.items():
        if name in reserved:
            faults.append(f"{path}: the name '{name}' is isolde's own: give the file another one")
        else:
            take(str(path), partial(from_card, path))
    for name, pair in others.items():
        where = f"model '{name}' of a package"
        if name in reserved:
            faults.append(f"{where}: the name is isolde's own, and so cannot be reached")
        elif name in own:
            faults.append(
                f"{where}: one that was added has that name: `isolde models remove {name}`"
            )
        else:
            take(where, partial(from_package, *pair))
    return Listing(models, faults)
