"""`isolde models`: the table, files of one's own, and what is said when one cannot be taken."""

import json
from collections import Counter
from pathlib import Path

import pytest
import soundfile

from helpers import windows
from helpers.shell import Shell
from helpers.sounds import noise
from isolde.cli import doctor
from isolde.cli.doctor import Finding
from isolde.core import packages
from isolde.models import catalogue, sources


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    monkeypatch.setenv(sources.FOLDER, str(tmp_path / "own"))
    return Shell(monkeypatch, capsys)


def test_the_table_has_every_model_with_its_licence(shell: Shell):
    code, table, said = shell("models")
    assert code == 0 and table[0].split()[:2] == ["model", "stems"]
    assert f"{catalogue.DEFAULT} for songs" in said[0]
    rows = {line.split()[0]: line for line in table[1:]}
    assert set(rows) == {*catalogue.names(), "rules"}
    code, _, said = shell("models", "info", "rules")
    assert code == 2 and "is no network" in said[0]
    rows.pop("rules")
    for name, row in rows.items():
        assert catalogue.find(name).card.licence in row
    code, _, said = shell("models", "--json", "list")
    assert code == 2 and "isolde models list --json" in said[0]
    code, lines, _ = shell("models", "list", "--json")
    listed = [json.loads(line) for line in lines]
    assert [row["name"] for row in listed] == [line.split()[0] for line in table[1:]]
    scores = [row["quality"] for row in listed if row["quality"] is not None]
    assert scores == sorted(scores, reverse=True) and listed[-1]["quality"] is None


@pytest.mark.parametrize("verb", ["models", "doctor"])
def test_each_card_is_read_once_and_packages_are_asked_once(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, verb: str
):
    read, asked = Counter[str](), Counter[str]()
    read_card = catalogue.read_card
    monkeypatch.setattr(catalogue, "read_card", lambda p: read.update([p.stem]) or read_card(p))
    monkeypatch.setattr(
        packages.metadata, "entry_points", lambda group: asked.update([group]) or []
    )
    monkeypatch.setattr("isolde.cli.doctor._model", lambda m: Finding(m.card.name, "ok", ""))
    assert shell(verb)[0] == 0
    followed = catalogue.find("stems").card.follows
    read.subtract(["stems", followed])  # the one for the line above, the other for `stems`
    assert read == Counter(catalogue.names()) and asked["isolde.models"] == 1


def test_a_file_is_added_used_told_and_removed(shell: Shell, tmp_path: Path):
    path = windows.waves(tmp_path / "net.onnx", delay=0, gain=0.5)
    code, _, said = shell("models", "add", path)
    assert code == 2 and "--stems" in said[0]
    options = ("--name", "half", "--stems", "vocals", "--licence", "CC0")
    code, printed, said = shell("models", "add", path, *options)
    assert code == 0 and printed == [str(tmp_path / "own" / "half.onnx")]
    assert said[-1] == "isolde: licence of its weights: CC0"
    soundfile.write(tmp_path / "song.wav", noise(2, 9000).T, 44100, subtype="FLOAT")
    song = tmp_path / "song.wav"
    code, files, said = shell("separate", song, "--model", "half", "-o", tmp_path / "out")
    assert (code, said) == (0, []) and len(files) == 2
    vocals, _ = soundfile.read(tmp_path / "out" / "song" / "vocals.wav")
    assert vocals.T == pytest.approx(noise(2, 9000) / 2, abs=1e-6)
    code, printed, _ = shell("models", "info", "half")
    assert json.loads("\n".join(printed))["licence"] == "CC0"
    mean = tmp_path / "own" / "mean.json"
    card = json.loads((tmp_path / "own" / "half.json").read_text())
    members = [{"model": "half", "weight": 1}]
    mean.write_text(json.dumps({**card, "kind": "ensemble", "members": members, "window": None}))
    code, gone, said = shell("models", "remove", "half")
    assert code == 0 and len(gone) == 2
    assert len(said) == 1 and f"{mean}: model 'half' is not known" in said[0]
    code, table, said = shell("models")
    assert code == 0 and len(table) > 5 and str(mean) in said[0]
    code, _, said = shell("models", "remove", "half")
    assert code == 2 and "was not added" in said[0]


def test_weights_with_a_notice_say_it_each_time(shell: Shell, tmp_path: Path):
    path = windows.ht_demucs(tmp_path / "htdemucs.onnx")
    song = tmp_path / "song.wav"
    soundfile.write(song, noise(2, 9000).T, 44100, subtype="FLOAT")
    for number in range(2):
        output = tmp_path / f"out{number}"
        code, files, said = shell("separate", song, "--model", path, "-o", output)
        assert code == 0 and len(files) == 4
        assert said == ["isolde: model 'htdemucs': weights by Meta: personal and research use only"]


def test_a_graph_of_no_form_is_one_line(shell: Shell, tmp_path: Path):
    path = windows.write_graph(
        tmp_path / "n.onnx", {"a": [1, 3]}, {"b": [1, 3]}, [("Abs", ["a"], "b")]
    )
    song = tmp_path / "song.wav"
    soundfile.write(song, noise(2, 900).T, 44100)
    code, _, said = shell("separate", song, "--model", path, "-o", tmp_path / "out")
    assert code == 2 and len(said) == 1
    assert "inputs a (1, 3); outputs b (1, 3)" in said[0] and "onnx.md" in said[0]
    assert not (tmp_path / "out").exists()


def test_the_doctor_finds_a_network_that_gives_sound_and_one_that_is_not_what_its_card_says(
    shell: Shell, tmp_path: Path
):
    path = windows.waves(tmp_path / "net.onnx", delay=0)
    assert shell("models", "add", path, "--stems", "vocals", "--licence", "CC0")[0] == 0
    found = doctor._model(catalogue.find("net"))
    assert (found.state, found.detail) == ("ok", "CC0; gives sound, no masks")
    card = tmp_path / "own" / "net.json"
    values = json.loads(card.read_text())
    values["window"]["size"] *= 2
    card.write_text(json.dumps(values))
    assert doctor._model(catalogue.find("net")).state == "broken"


def test_a_card_whose_numbers_are_none_keeps_no_other_from_being_listed(
    shell: Shell, tmp_path: Path
):
    path = windows.waves(tmp_path / "net.onnx", delay=0)
    assert shell("models", "add", path, "--stems", "vocals")[0] == 0
    card = tmp_path / "own" / "net.json"
    metrics = {"vocals uSDR, dB": {"median": "7.1"}, "seconds of audio per CPU second": [20]}
    card.write_text(json.dumps({**json.loads(card.read_text()), "metrics": metrics}))
    code, table, _ = shell("models")
    assert code == 0 and len(table) == len(catalogue.names()) + 3
    (row,) = (line for line in table if line.startswith("net "))
    assert [cell for cell in row.split() if cell == "-"] == ["-", "-"]
