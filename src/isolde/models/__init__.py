"""Pretrained networks: catalogue, graph, masker; it never downloads.

`isolde.list_models()` lists them.
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from isolde.models.card import Card

__all__ = ["list_models"]


def list_models() -> "list[Card]":
    """List the cards of all models that have a name: shipped, your own, and those of packages.

    Examples:
        >>> import isolde
        >>> [card.licence for card in isolde.list_models() if card.name == "open"]
        ['CC BY-SA 4.0']
    """
    from isolde.models.listing import read_models

    return [model.card for model in read_models().models]


class _Package(ModuleType):
    """A package that can be called to list the models."""

    def __call__(self) -> "list[Card]":
        return list_models()


sys.modules[__name__].__class__ = _Package
