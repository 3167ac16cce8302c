"""What a user compares models by: quality, speed, latency, licence; it loads no graph."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from isolde.core.signal.spectrum import TOP_RATE
from isolde.models import sources
from isolde.models.card import Card
from isolde.models.catalogue import Model, members_of
from isolde.models.listing import every

QUALITY = "vocals uSDR, dB"
SPEED = "seconds of audio per CPU second"


@dataclass(frozen=True)
class Row:
    """One model in the table.

    Attributes:
        name: Name in the catalogue.
        origin: "shipped", "added" by the user, or "package".
        kind: "stream", "window" or "ensemble".
        stems: What it gives, the residual last; none for one that separates nothing.
        quality: Median uSDR of the vocals on the dev set in dB; None where it was not measured.
        speed: Seconds of audio per CPU second; None likewise.
        latency: Seconds from a sound to its stems in a live session, at 44.1 kHz.
        licence: Licence of the weights.
        summary: One line.
    """

    name: str
    origin: str
    kind: str
    stems: tuple[str, ...]
    quality: float | None
    speed: float | None
    latency: float
    licence: str
    summary: str


def overview(models: Iterable[Model] | None = None) -> list[Row]:
    """Tabulate the models that have a name and can be used, a row each.

    Args:
        models: Models of `listing.every`, where they have been read already.
    """
    shipped, added = sources.shipped(), sources.added()
    rows = []
    for model in every() if models is None else models:
        name = model.card.name
        origin = "shipped" if name in shipped else "added" if name in added else "package"
        rows.append(row_of(model, origin=origin))
    return rows


def row_of(model: Model, *, origin: str) -> Row:
    """Give the row of one model."""
    card = model.card
    scores = card.metrics.get(QUALITY)
    quality = scores.get("median") if isinstance(scores, Mapping) else None
    speed = card.metrics.get(SPEED)
    return Row(
        card.name,
        origin,
        card.kind,
        (*card.stems, card.residual) if card.stems else (),
        quality if isinstance(quality, int | float) else None,  # a card may say anything
        speed if isinstance(speed, int | float) else None,
        latency_of(card),
        card.licence,
        card.summary,
    )


def latency_of(card: Card) -> float:
    """Seconds by which a model's stems trail in a live session, at 44.1 kHz, without the devices.

    Raises:
        ModelError: When a member of an ensemble is not known.
    """
    if card.members:
        return max(latency_of(model.card) for model, _ in members_of(card))
    if card.window:
        window = card.window.live or card.window
        return window.latency / window.sample_rate
    grid = card.grid.at(TOP_RATE)
    return (grid.latency + card.latency * grid.hop) / grid.sample_rate
