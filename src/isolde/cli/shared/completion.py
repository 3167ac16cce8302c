"""What a shell offers after an option: names of models, formats and stems; it runs nothing.

Each function takes what has been typed and gives what it may become, with a line about each. What
cannot be found out is left out: a shell that completes is no place for an error.
"""

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import typer

from isolde.core.errors import IsoldeError

if TYPE_CHECKING:
    from isolde.models.card import Card

Offers = list[tuple[str, str]]
"""Words, each with a line about it."""


def one_of(*words: str) -> Callable[[str], list[str]]:
    """Make a function that offers words.

    Args:
        words: Values that an option takes.
    """

    def offer(incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    return offer


def by_commas(
    offer: Callable[[str], Iterable[str | tuple[str, str]]],
) -> Callable[[str], list[str]]:
    """Make a function that offers what may come next where several words stand by commas.

    Args:
        offer: Function that offers single ones.
    """

    def offer_next(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        words = [found if isinstance(found, str) else found[0] for found in offer(last)]
        return [f"{before}{comma}{word}" for word in words if word not in before.split(",")]

    return offer_next


def separating_models(incomplete: str) -> Offers:
    """Offer the models that separate."""
    from isolde.rules import RULES

    rules = [(RULES, "no network")] if RULES.startswith(incomplete) else []
    return [*_cards(incomplete, lambda card: bool(card.stems or card.members)), *rules]


def activity_models(incomplete: str) -> Offers:
    """Offer the models that tell where somebody sings."""
    from isolde.activity import tells_activity

    return _cards(incomplete, tells_activity)


def models(incomplete: str) -> Offers:
    """Offer all models that have a name."""
    return _cards(incomplete, lambda card: True)


def added_models(incomplete: str) -> list[str]:
    """Offer the models that were added."""
    from isolde.models import sources

    return one_of(*sources.added())(incomplete)


def formats(incomplete: str) -> list[str]:
    """Offer the formats that are written, those of other packages and stem files included."""
    from isolde.audio.formats import CONTAINERS, installed_formats
    from isolde.audio.stemfile import SUFFIXES

    several = [suffix.removeprefix(".") for suffix in SUFFIXES]
    return one_of(*CONTAINERS, *installed_formats(), *several)(incomplete)


def stems(context: typer.Context, incomplete: str) -> list[str]:
    """Offer the stems of the model that the line names, or of the usual one."""
    from isolde.models.catalogue import DEFAULT
    from isolde.separation.load import stems_of

    try:
        return one_of(*stems_of(context.params.get("model") or DEFAULT))(incomplete)
    except IsoldeError:
        return []


def stems_or_mix(context: typer.Context, incomplete: str) -> list[str]:
    """Offer the stems of the model that the line names, and the mixture."""
    return [*stems(context, incomplete), *one_of("mix")(incomplete)]


def recipes(incomplete: str) -> list[str]:
    """Offer the recipes of training."""
    from importlib import resources

    shipped: Iterable[str] = (
        entry.name for entry in resources.files("isolde").joinpath("training", "recipes").iterdir()
    )
    names = [name.removesuffix(".toml") for name in sorted(shipped) if name.endswith(".toml")]
    return one_of(*names)(incomplete)


def _cards(incomplete: str, wanted: "Callable[[Card], bool]") -> Offers:
    """Offer the models that are wanted, each with the beginning of its summary."""
    from isolde.models import list_models

    try:
        return [
            (card.name, re.split(r"[:;(]|\. ", card.summary)[0].strip())
            for card in list_models()
            if card.name.startswith(incomplete) and wanted(card)
        ]
    except IsoldeError:  # a card that cannot be read
        return []
