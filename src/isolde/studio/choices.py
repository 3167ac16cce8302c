"""The models that the page offers, with quality, speed and licence; it separates no song."""

import threading
import time
from collections.abc import Callable
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
from isolde.studio.description import format_speed
from isolde.studio.memory import return_memory

_RATE, _SECONDS = 44_100, 2


def _separating_cards() -> list[Card]:
    return [model.card for model in read_models().models if model.card.stems]


def separating_models() -> list[str]:
    """List the names of all models that separate, added ones included."""
    return [*(card.name for card in _separating_cards()), RULES]


def quality_of(card: Card) -> float | None:
    """Return the median uSDR of the vocals in dB; None if the card has none."""
    score = card.metrics.get("vocals uSDR, dB")
    if isinstance(score, dict) and isinstance(score.get("median"), int | float):
        return float(score["median"])
    return None


def _describe(card: Card, speed: float | None) -> dict[str, Any]:
    """The values of a model as JSON types, and `line`, a summary of quality, speed and licence.

    `speed` is the number of seconds of stereo that this computer separates in a second; None until
    it is measured.
    """
    quality = quality_of(card)
    texts = [
        "" if quality is None else f"{quality:.1f} dB",
        format_speed(speed) if speed else "",
        card.licence,
    ]
    return {
        "name": card.name,
        "summary": card.summary.replace("`", ""),
        "stems": [*card.stems, card.residual],
        "licence": card.licence,
        "quality": quality,
        "data": str(card.metrics.get("data", "")),
        "speed": speed,
        "line": " · ".join(filter(None, texts)),
    }


class Choices:
    """The installed models that separate, best first; a thread measures their speed."""

    def __init__(self, settings: SeparationSettings, *, busy: Callable[[], bool]) -> None:
        """Read the cards.

        Args:
            settings: Settings with the number of threads to measure with.
            busy: Function that tells whether songs are being separated; nothing is measured then.
        """
        self._settings, self._busy, self._ended = settings, busy, threading.Event()
        self._speeds: dict[str, float] = {}
        self._cards = sorted(_separating_cards(), key=lambda card: -(quality_of(card) or 0))
        self._thread = threading.Thread(target=self._measure, name="speeds", daemon=True)

    def list_models(self) -> list[dict[str, Any]]:
        """Describe all models as JSON types; the first call starts to measure their speed."""
        if self._thread.ident is None:
            self._thread.start()
        return [_describe(card, self._speeds.get(card.name)) for card in self._cards]

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
        for card in self._cards:
            while self._busy() and not self._ended.wait(0.3):
                pass
            if self._ended.is_set():
                return
            try:
                factor = round(_SECONDS / self._seconds(card.name, sound), 1)
            except IsoldeError:
                continue  # the error is reported when the model is chosen
            return_memory()
            self._speeds[card.name] = factor

    def _seconds(self, model: str, sound: Float32) -> float:
        """Seconds that a model takes to separate a sound (n_channels, n_samples).

        Its network is freed afterwards: all networks together would take some 300 MB.
        """
        threads = self._settings.threads
        with without_keeping():
            separator = load_separator(model, sample_rate=_RATE, n_channels=2, threads=threads)
        began = time.perf_counter()
        for block in blocks_of(sound):
            separator.feed(block)
        separator.flush()
        return time.perf_counter() - began
