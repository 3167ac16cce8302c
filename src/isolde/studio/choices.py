"""The models that the page offers, with quality, speed and licence; it separates no song."""

import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from isolde.core.errors import IsoldeError
from isolde.core.stage import Float32, blocks_of
from isolde.models.card import Card
from isolde.models.listing import read_models
from isolde.models.loading import without_keeping
from isolde.rules import RULES
from isolde.separation import SeparationSettings
from isolde.separation.load import load_separator
from isolde.studio.memory import return_memory
from isolde.studio.words import speed

_RATE, _SECONDS = 44_100, 2


@dataclass(frozen=True)
class Choice:
    """A model on the page.

    Attributes:
        name: Name in the catalogue.
        summary: Summary of its card.
        stems: Names of the stems that it gives, the residual last.
        licence: Licence of its weights.
        quality: Median uSDR of the vocals in dB, of the card; None where it tells none.
        data: Data that the quality was measured on.
        speed: Seconds of stereo that this computer separates in a second; None: not yet known.
    """

    name: str
    summary: str
    stems: tuple[str, ...]
    licence: str
    quality: float | None
    data: str
    speed: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give the values as JSON types, and `line`, a text of what it costs and gives."""
        quality = "" if self.quality is None else f"{self.quality:.1f} dB"
        texts = [quality, speed(self.speed) if self.speed else "", self.licence]
        return asdict(self) | {"stems": list(self.stems), "line": " · ".join(filter(None, texts))}


def quality_of(card: Card) -> float | None:
    """Give the median uSDR of the vocals in dB, where the card tells one."""
    single = card.metrics.get("vocals uSDR, dB")
    if isinstance(single, dict) and isinstance(single.get("median"), int | float):
        return float(single["median"])
    return None


def separating() -> list[str]:
    """Name the models that separate, those that people or packages added too."""
    return [*(model.card.name for model in read_models().models if model.card.stems), RULES]


class Choices:
    """The installed models that separate, best first; a thread measures how fast they are here."""

    def __init__(self, settings: SeparationSettings, *, busy: Callable[[], bool]) -> None:
        """Read the cards.

        Args:
            settings: How songs are separated that choose nothing else.
            busy: Whether songs are being separated, which nothing should slow down.
        """
        cards = [model.card for model in read_models().models if model.card.stems]
        self._settings, self._busy, self._ended = settings, busy, threading.Event()
        self._speeds: dict[str, float] = {}
        self._choices = [
            Choice(
                card.name,
                card.summary.replace("`", ""),
                (*card.stems, card.residual),
                card.licence,
                quality_of(card),
                str(card.metrics.get("data", "")),
            )
            for card in cards
        ]
        self._choices.sort(key=lambda choice: -(choice.quality or 0))
        self._thread = threading.Thread(target=self._measure, name="speeds", daemon=True)

    def listed(self) -> list[dict[str, Any]]:
        """Give all of them, as JSON types; whoever asks first starts measuring their speed."""
        if self._thread.ident is None:
            self._thread.start()
        return [
            replace(choice, speed=self._speeds.get(choice.name)).to_dict()
            for choice in self._choices
        ]

    @property
    def n_measured(self) -> int:
        """Number of models whose speed is known."""
        return len(self._speeds)

    def close(self) -> None:
        """Stop measuring."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _measure(self) -> None:
        noise = np.random.default_rng(0).uniform(-0.3, 0.3, (2, _SECONDS * _RATE))
        sound: Float32 = noise.astype(np.float32)
        for choice in self._choices:
            while self._busy() and not self._ended.wait(0.3):
                pass
            if self._ended.is_set():
                return
            try:
                factor = round(_SECONDS / self._seconds(choice.name, sound), 1)
            except IsoldeError:
                continue  # it will say so when it is chosen
            return_memory()
            self._speeds[choice.name] = factor

    def _seconds(self, model: str, sound: Float32) -> float:
        """Time in seconds that a model takes for a sound (n_channels, n_samples).

        Its network goes afterwards: all of them together would take some 300 MB.
        """
        threads = self._settings.threads
        with without_keeping():
            separator = load_separator(model, sample_rate=_RATE, n_channels=2, threads=threads)
        began = time.perf_counter()
        for block in blocks_of(sound):
            separator.feed(block)
        separator.flush()
        return time.perf_counter() - began
