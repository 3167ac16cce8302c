"""Check that a machine separates as another one does, by version and model; it runs nothing."""

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache

from isolde import __version__
from isolde.core.errors import ModelError
from isolde.core.parallel import stamp
from isolde.models.catalogue import absolute_name, find, parts_of
from isolde.rules import RULES
from isolde.separation.settings import FileSettings


@dataclass(frozen=True)
class Fitness:
    """Requirements for the same stems; a call checks the machine that it runs on.

    Attributes:
        version: Version of isolde.
        model: Name or path of the model.
        checksums: SHA-256 of its graphs and cards.
    """

    version: str
    model: str
    checksums: tuple[str, ...]

    @classmethod
    def here(cls, model: str) -> "Fitness":
        """Describe this machine.

        Args:
            model: Name or path of a model.

        Raises:
            ModelError: There is no such model.
        """
        return cls(__version__, model, checksums_of(model))

    def __call__(self) -> None:
        """Check this machine; weights are only read again if their files have changed.

        Raises:
            ModelError: It has another version of isolde, or another model.
        """
        if __version__ != self.version:
            raise ModelError(
                f"isolde {__version__} is there and {self.version} here: install the same version"
            )
        if checksums_of(self.model) != self.checksums:
            raise ModelError(
                f"model '{self.model}' has other weights or another card there than here: "
                "install the same"
            )


def with_whole_path(settings: FileSettings) -> FileSettings:
    """Make the path of a model absolute: other machines have other current folders.

    Args:
        settings: Settings with the name or path of a model.
    """
    model = absolute_name(settings.separation.model)
    return replace(settings, separation=replace(settings.separation, model=model))


def checksums_of(model: str) -> tuple[str, ...]:
    """Compute the SHA-256 of a model's graphs and cards, as they are now; the rules have none.

    Args:
        model: Name or path of a model.

    Raises:
        ModelError: There is no such model.
    """
    if model == RULES:
        return ()
    found = find(model)
    models = (found, *parts_of(found.card))
    graphs = _read(model, stamp(*(one.path for one in models if not one.card.members)))
    cards = [replace(one.card, metrics={}).to_json() for one in models]
    return (*graphs, *(hashlib.sha256(card.encode()).hexdigest() for card in cards))


@lru_cache(maxsize=4)
def _read(model: str, version: str) -> tuple[str, ...]:
    """Read the graphs; `version` differs if one of them has changed."""
    return find(model).checksums
