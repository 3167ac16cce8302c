"""The pretrained networks: catalogue, graph, masker; it never downloads.

`isolde.list_models()` lists them.
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from isolde.models.card import Card

__all__ = ["list_models"]


def list_models() -> "list[Card]":
    """List the cards of all models that have a name: shipped, your own, of other packages.

    Examples:
        >>> import isolde
        >>> [card.licence for card in isolde.list_models() if card.name == "open"]
        ['CC BY-SA 4.0']
    """
    from isolde.models.listing import every

    return [model.card for model in every()]


class _Package(ModuleType):
    """A package that lists the models when it is called."""

    def __call__(self) -> "list[Card]":
        return list_models()


sys.modules[__name__].__class__ = _Package
