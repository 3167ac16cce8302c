"""The menu of models: its figures are the cards', and measuring their speed keeps no network."""

import gc
import time
from typing import Any

import pytest

from isolde.models import list_models
from isolde.models.catalogue import find
from isolde.models.graph import Session
from isolde.models.listing import Listing
from isolde.separation import SeparationSettings
from isolde.separation.load import load_separator
from isolde.separation.stages.separator import Separator
from isolde.studio import choices
from isolde.studio.choices import Choices


def networks() -> dict[int, Any]:
    """What is loaded in this process."""
    return {id(held): held for held in gc.get_objects() if type(held) is Session}


def test_quality_and_licence_are_those_of_the_cards():
    asked = Choices(SeparationSettings(), busy=lambda: True)
    told = {model["name"]: model for model in asked.list_models()}
    asked.close()
    cards = {card.name: card for card in list_models() if card.stems}
    assert told.keys() == cards.keys()
    for name, model in told.items():
        assert model["licence"] == cards[name].licence
        assert model["stems"] == [*cards[name].stems, cards[name].residual]
        assert model["speed"] is None, "nothing is measured while songs are separated"
    median = {
        name: card.metrics["vocals uSDR, dB"]["median"]
        for name, card in cards.items()
        if "vocals uSDR, dB" in card.metrics
    }
    assert len(median) >= 5
    assert {name: told[name]["quality"] for name in median} == median
    qualities = [model["quality"] for model in told.values()]
    assert qualities == sorted(qualities, reverse=True), "best first"


def test_a_measured_speed_keeps_no_network(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
):
    models = [find("vocals-live"), find("open")]  # one of frames, one of windows
    assert {model.card.kind for model in models} == {"stream", "window"}
    monkeypatch.setattr(choices, "read_models", lambda: Listing(models, []))
    gc.collect()
    before = networks()
    loaded = []

    def load(*args: Any, **settings: Any) -> Separator:
        separator = load_separator(*args, **settings)
        loaded.append(len(networks().keys() - before.keys()))
        return separator

    monkeypatch.setattr(choices, "load_separator", load)
    gc.disable()  # what is gone by luck, soon or late, stays now
    request.addfinalizer(gc.enable)
    asked = Choices(SeparationSettings(), busy=lambda: False)
    until = time.monotonic() + 60
    while not all(model["speed"] for model in asked.list_models()):
        assert time.monotonic() < until
        time.sleep(0.05)
    asked.close()
    assert loaded == [1, 1], "one at a time"
    assert networks().keys() - before.keys() == set()
