"""What stands behind the ? of a request: names of models, and nothing that nobody reads."""

from pathlib import Path
from urllib.parse import quote

import pytest

from helpers.live import small_model
from isolde.core.errors import InputError
from isolde.separation import SeparationSettings

pytest.importorskip("starlette", reason="the extra 'studio' is not installed")

from starlette.requests import Request

from isolde.studio.web.query import check_query, parse_settings

OWN = SeparationSettings("/models/own.onnx")
"""A server that was started with the path of a model."""


def request(query: str) -> Request:
    return Request({"type": "http", "query_string": query.encode(), "headers": []})


def model_of(asked: str, default: SeparationSettings = OWN) -> str:
    return parse_settings(request(f"model={quote(asked)}"), default, own=OWN).model


def test_models_are_those_that_separate_and_the_servers_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("vocals", "stems", "rules", OWN.model):
        assert model_of(name) == model_of(name, SeparationSettings("stems")) == name
    path = small_model(tmp_path)
    for asked in (path, "/etc/passwd", "activity", "small", "", "x" * 1000):
        with pytest.raises(InputError, match=r"is not known here: take one of .*vocals") as told:
            model_of(asked)
        assert len(str(told.value)) < 400 and "\n" not in str(told.value)
    monkeypatch.setenv("ISOLDE_MODELS", str(tmp_path))  # where `isolde models add` copies to
    assert model_of("small") == "small"


def test_what_is_not_asked_for_stays():
    settings = SeparationSettings("stems", strength=1.5)
    assert parse_settings(request(""), settings, own=OWN) == settings
    assert parse_settings(request("strength=2"), settings, own=OWN).strength == 2
    with pytest.raises(InputError, match="strength=loud: give a number"):
        parse_settings(request("strength=loud"), settings, own=OWN)


def test_names_that_nobody_reads_are_refused():
    check_query(request(""))
    check_query(request("demo&strength=2"), "demo", "strength")
    with pytest.raises(InputError, match="'strenght' is not known here: take demo, strength"):
        check_query(request("demo&strenght=2"), "demo", "strength")
    with pytest.raises(InputError, match="'a' is not known here: leave it out"):
        check_query(request("a=1"))
