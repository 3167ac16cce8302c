"""Whether a machine separates as another one does: its version, its weights; it runs nothing."""

from dataclasses import dataclass
from functools import lru_cache

from isolde import __version__
from isolde.core.errors import ModelError
from isolde.models.catalogue import find
from isolde.rules import RULES


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
        return cls(__version__, model, _checksums(model))

    def __call__(self) -> None:
        """Check this machine, once a process.

        Raises:
            ModelError: It has another version of isolde, or not the same model.
        """
        if __version__ != self.version:
            raise ModelError(
                f"isolde {__version__} is there and {self.version} here: install the same version"
            )
        if _checksums(self.model) != self.checksums:
            raise ModelError(
                f"model '{self.model}' has other weights there than here: install the same"
            )


@lru_cache(maxsize=4)
def _checksums(model: str) -> tuple[str, ...]:
    """Read the checksums of a model's graphs; the rules have none."""
    return () if model == RULES else find(model).checksums
