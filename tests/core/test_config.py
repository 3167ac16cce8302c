"""Plain values to dataclasses and back: strict, and every fault in one line that names it."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isolde.core.config import build, plain
from isolde.core.errors import InputError, ModelError
from isolde.models import catalogue


@dataclass(frozen=True)
class Part:
    level: float = 1.0
    spans: tuple[int, ...] = ()


@dataclass(frozen=True)
class Whole:
    name: str
    kind: Literal["long", "short"] = "long"
    part: Part = Part()
    parts: tuple[Part, ...] = ()
    pair: tuple[int, str] = (0, "")
    path: Path | None = None
    scores: dict[str, list[float]] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)


FULL = Whole(
    "a", "short", Part(2.5, (1, 3)), (Part(),), (7, "x"), Path("a/b"), {"s": [0.5]}, {"k": [1]}
)


def test_what_was_written_is_read_back():
    assert build(Whole, json.loads(json.dumps(plain(FULL))), where="f") == FULL


@given(st.lists(st.floats(width=32), max_size=5), st.floats())
def test_nan_and_infinity_are_null_and_come_back_as_nan(scores: list[float], level: float):
    whole = replace(FULL, part=Part(level), scores={"s": scores})
    text = json.dumps(plain(whole), allow_nan=False)
    back = build(Whole, json.loads(text), where="f", nan=True)
    wanted = [x if math.isfinite(x) else math.nan for x in [*scores, level]]
    np.testing.assert_array_equal([*back.scores["s"], back.part.level], wanted)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"nam": "a"}, "f: 'nam' is unknown: did you mean 'name'?"),
        ({"name": 3}, "f: 'name' is 3: give a text"),
        ({}, "f: 'name' is missing: add it"),
        ({"name": "a", "kind": "lang"}, "f: kind 'lang' is unknown: did you mean 'long'?"),
        ({"name": "a", "part": {"level": "1"}}, "f, part: 'level' is '1': give a number"),
        ({"name": "a", "part": {"level": True}}, "f, part: 'level' is True: give a number"),
        ({"name": "a", "part": {"level": None}}, "f, part: 'level' is None: give a number"),
        ({"name": "a", "part": {"spans": "135"}}, "f, part: 'spans' is '135': give a list"),
        ({"name": "a", "parts": [3]}, "f: 'parts' is 3: give a table"),
        ({"name": "a", "pair": [1]}, "f: 'pair' has 1 values: give 2"),
        ({"name": "a", "scores": {"s": [1, "x"]}}, "f: 'scores, s' is 'x': give a number"),
        ({"name": "a", "more": [1]}, "f: 'more' is [1]: give a table"),
        ({"name": "a", "part": {"level": math.nan}}, "f, part: 'level' is nan: give a number"),
        ({"name": "a", "part": {"level": 10**400}}, "f, part: 'level' is inf: give a number"),
        ({"name": "a", "scores": {"s": [0.5, math.nan]}}, "f: 'scores, s' is nan: give a number"),
        ({"name": "a", "scores": {"s": [math.inf]}}, "f: 'scores, s' is inf: give a number"),
    ],
)
def test_every_fault_is_one_line_that_names_the_value(values: dict[str, Any], message: str):
    with pytest.raises(InputError) as fault:
        build(Whole, values, where="f")
    assert str(fault.value) == message


def test_what_is_no_table_is_refused():
    with pytest.raises(InputError, match="give a table of names and values"):
        build(Whole, [1], where="f")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stems": "vocals"}, "'stems' is 'vocals': give a list"),
        ({"steams": ["vocals"]}, "did you mean 'stems'?"),
        ({"features": {"signal": "left"}}, "signal 'left' is unknown"),
        ({"look_ahead": "two"}, "'look_ahead' is 'two': give a whole number"),
    ],
)
def test_a_card_that_is_wrong_is_refused_not_guessed(
    tmp_path: Path, change: dict[str, Any], message: str
):
    model = catalogue.find(catalogue.DEFAULT)
    values = json.loads(model.path.with_suffix(".json").read_text("utf-8"))
    (tmp_path / "m.json").write_text(json.dumps({**values, **change}), encoding="utf-8")
    (tmp_path / "m.onnx").write_bytes(b"")
    with pytest.raises(ModelError, match="the card") as fault:
        catalogue.find(tmp_path / "m.onnx")
    assert message in str(fault.value) and "\n" not in str(fault.value)


@pytest.mark.parametrize("name", catalogue.names())
def test_every_shipped_card_is_read_and_written_as_it_is(name: str):
    model = catalogue.find(name)
    values = json.loads(model.path.with_suffix(".json").read_text("utf-8"))
    assert json.loads(model.card.to_json()) == values
