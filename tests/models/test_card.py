"""Cards: what no separator can do is refused in one line, before a graph is loaded."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from isolde.core.errors import InputError, ModelError
from isolde.models.card import Card
from isolde.models.catalogue import find, names, save
from isolde.models.masker import make_masker
from isolde.models.sources import check_target
from isolde.models.window.form import Window

CARD = {"name": "x", "summary": "", "stems": ("vocals",), "residual": "rest", "licence": "MIT"}
WINDOW = {"form": "magnitudes", "outputs": ["vocals"], "size": 64, "n_bins": 1024}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"stems": ("../up",)}, "'../up' cannot be the name of a stem"),
        ({"residual": "/etc/x"}, "'/etc/x' cannot be the name of a stem"),
        ({"residual": ""}, "'' cannot be the name of a stem"),
        ({"stems": ("a", "a")}, "stems a, a, rest: give each a name of its own"),
        ({"residual": "vocals"}, "stems vocals, vocals: give each a name of its own"),
        ({"lowest_hz": float("nan")}, "lowest_hz nan"),
        ({"lowest_hz": -40.0}, "lowest_hz -40.0"),
        ({"lowest_hz": 1e9}, "lowest_hz 1000000000.0"),
        ({"level_db": 1e9}, "level_db 1000000000.0: give"),
        ({"look_ahead": 100_000}, "look_ahead 100000"),
        ({"past": 100_000}, "past 100000"),
        ({"step": 100_000}, "step 100000"),
    ],
)
def test_a_card_out_of_range_is_refused(values: dict, message: str):
    with pytest.raises(ModelError, match=f"the card of 'x'.*{message}"):
        Card(**{**CARD, **values})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 10**12}, "windows of 1000000000000"),
        ({"after": 10**9}, "windows of 1000000064, 0 before and 1000000000 after"),
        ({"n_fft": 10**9, "hop": 250_000_000}, "n_fft 1000000000"),
        ({"sample_rate": 0}, "0 Hz is too low"),
        ({"sample_rate": 2**63}, "too high"),
        ({"form": "spectra", "size": 5}, "windows of 5 frames every 1024 samples with n_fft 4096"),
        ({"form": "hybrid", "hop": 1366}, "n_fft 4096 with hop 1366: give at least 3 times"),
    ],
)
def test_a_window_out_of_range_is_refused(values: dict, message: str):
    with pytest.raises(InputError, match=message):
        Window(**{**WINDOW, **values})


def changed(folder: Path, **values: object) -> Path:
    """A copy of a model whose card has other values."""
    model = find("vocals-live")
    path = folder / "mine.onnx"
    shutil.copy(model.path, path)
    path.with_suffix(".json").write_text(
        json.dumps({**json.loads(model.card.to_json()), "name": "mine", **values})
    )
    return path


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"grid": {"sample_rate": 0, "n_fft": 2048, "hop": 512}}, "0 Hz is too low"),
        ({"grid": {"sample_rate": 22050, "n_fft": 2**40, "hop": 2**38}}, "n_fft 1099511627776"),
        ({"lowest_hz": -1}, "lowest_hz -1.0"),
        ({"stems": ["../up"]}, "'../up' cannot be the name of a stem"),
    ],
)
def test_a_file_with_such_a_card_is_refused_in_a_line(values: dict, message: str, tmp_path: Path):
    with pytest.raises(ModelError, match=rf"mine\.json: .*{message}") as told:
        find(changed(tmp_path, **values))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("text", ["5", "[]", "null", '"x"'])
def test_a_card_that_is_no_table_is_refused(text: str, tmp_path: Path):
    path = changed(tmp_path)
    path.with_suffix(".json").write_text(text)
    with pytest.raises(ModelError, match="give a table of names and values"):
        find(path)


@pytest.mark.parametrize("stems", [["vocals", "drums"], ["vocals", "drums", "bass"]])
def test_a_card_with_more_stems_than_its_graph_is_refused(stems: list[str], tmp_path: Path):
    model = find(changed(tmp_path, stems=stems))
    with pytest.raises(ModelError, match="the graph of 'mine' gives"):
        make_masker(model, n_channels=2)


@pytest.mark.parametrize("name", names())
def test_the_shipped_cards_are_within_all_ranges(name: str):
    card = find(name).card
    assert card == replace(card)


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".x"])
def test_a_model_is_not_written_outside_of_its_folder(name: str, tmp_path: Path):
    card = Card(**{**CARD, "name": name})
    for call in (
        lambda: save(tmp_path / "models", card, b""),
        lambda: check_target(tmp_path / "models", name, overwrite=True),
    ):
        with pytest.raises(InputError, match="cannot be one: take letters"):
            call()
    assert list(tmp_path.iterdir()) == []


def test_a_model_is_replaced_only_where_that_is_asked_for(tmp_path: Path):
    (tmp_path / "mine.json").write_text("{}")
    check_target(tmp_path, "yours", overwrite=False)
    check_target(tmp_path, "mine", overwrite=True)
    with pytest.raises(InputError, match=r"mine\.json: exists already"):
        check_target(tmp_path, "mine", overwrite=False)
