"""Tabulate what users compare models by: quality, speed, latency, licence; it loads no graph."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from isolde.core.signal.spectrum import TOP_RATE
from isolde.models import sources
from isolde.models.card import Card
from isolde.models.catalogue import Model, members_of
from isolde.models.listing import read_models

QUALITY = "vocals uSDR, dB"
SPEED = "seconds of audio per CPU second"


@dataclass(frozen=True)
class Row:
    """One model in the table.

    Attributes:
        name: Name in the catalogue.
        origin: "shipped", "added" by the user, or "package".
        kind: "stream", "window" or "ensemble".
        stems: Names of the stems, the residual last; none if the model separates nothing.
        quality: Median uSDR of the vocals on the dev set in dB; None if it was not measured.
        speed: Seconds of audio per CPU second; None if it was not measured.
        latency: Seconds from a sound to its stems in a live session at 44.1 kHz.
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
        models: Models of `listing.read_models`; None: they are read.
    """
    origins = {
        **dict.fromkeys(sources.added(), "added"),
        **dict.fromkeys(sources.shipped(), "shipped"),
    }
    rows = []
    for model in read_models().models if models is None else models:
        card = model.card
        scores = card.metrics.get(QUALITY)
        quality = scores.get("median") if isinstance(scores, Mapping) else None
        speed = card.metrics.get(SPEED)
        row = Row(
            card.name,
            origins.get(card.name, "package"),
            card.kind,
            (*card.stems, card.residual) if card.stems else (),
            quality if isinstance(quality, int | float) else None,  # a card may say anything
            speed if isinstance(speed, int | float) else None,
            latency_of(card),
            card.licence,
            card.summary,
        )
        rows.append(row)
    return rows


def latency_of(card: Card) -> float:
    """Compute the latency of a model in a live session at 44.1 kHz in seconds, without devices.

    Raises:
        ModelError: A member of an ensemble is unknown.
    """
    if card.members:
        return max(latency_of(model.card) for model, _ in members_of(card))
    if card.window:
        window = card.window.live or card.window
        return window.latency / window.sample_rate
    grid = card.grid.at(TOP_RATE)
    return (grid.latency + card.latency * grid.hop) / grid.sample_rate
