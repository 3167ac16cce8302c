"""Whether a machine separates as another one does: its version, its weights; it runs nothing."""

import os
from dataclasses import dataclass, replace
from functools import lru_cache

from isolde import __version__
from isolde.core.errors import ModelError
from isolde.core.parallel import stamp
from isolde.models import sources
from isolde.models.catalogue import QUALITIES, find, parts_of
from isolde.rules import RULES
from isolde.separation.settings import FileSettings


@dataclass(frozen=True)
class Fitness:
    """What a machine must have for the same stems; called there, it checks that.

    Attributes:
        version: Version of isolde.
        model: Name or path of the model.
        checksums: SHA-256 of its graphs.
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
        """Check this machine; weights are read again only where their files have changed.

        Raises:
            ModelError: It has another version of isolde, or not the same model.
        """
        if __version__ != self.version:
            raise ModelError(
                f"isolde {__version__} is there and {self.version} here: install the same version"
            )
        if checksums_of(self.model) != self.checksums:
            raise ModelError(
                f"model '{self.model}' has other weights there than here: install the same"
            )


def with_whole_path(settings: FileSettings) -> FileSettings:
    """Name a model that is a path by its whole path: other machines have other current folders.

    Args:
        settings: Settings with the name or path of a model.
    """
    model = settings.separation.model
    known = {RULES, *QUALITIES, *sources.added(), *sources.shipped()}
    if model in known or not os.path.exists(model):
        return settings
    return replace(settings, separation=replace(settings.separation, model=os.path.abspath(model)))


def checksums_of(model: str) -> tuple[str, ...]:
    """Give the SHA-256 of a model's graphs, as they are now; the rules have none.

    Args:
        model: Name or path of a model.

    Raises:
        ModelError: There is no such model.
    """
    if model == RULES:
        return ()
    found = find(model)
    graphs = [one.path for one in (found, *parts_of(found.card)) if not one.card.members]
    return _read(model, stamp(*graphs))


@lru_cache(maxsize=4)
def _read(model: str, version: str) -> tuple[str, ...]:
    """Read the files; `version` differs when one of them is another."""
    return find(model).checksums
