"""What tables, keys and notes on how they were made say at the edges: silence, failures, spaces."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers.singing import RATE, song_of
from helpers.songs import three_songs
from isolde.core.errors import MissingExtraError
from isolde.evaluation import command, run, run_robustness
from isolde.evaluation.candidates import baselines
from isolde.evaluation.candidates.candidate import Candidate
from isolde.evaluation.command import summary_text
from isolde.evaluation.costs import Cost
from isolde.evaluation.distortions import Distortion, swapped
from isolde.evaluation.metrics.voicing import voicing
from isolde.evaluation.provenance import commit, provenance
from isolde.evaluation.songs import Stems
from isolde.evaluation.statistics import compare
from isolde.evaluation.tables import paired_table

MADE = {"command": "x"}


def unusable(stems: Stems) -> Stems:
    raise ValueError("no such song")


@pytest.mark.parametrize("level", [0.0, 1e-6])
def test_a_perfect_estimate_of_silence_is_right(level: float):
    """The rule's threshold is under the floor of levels there, where everything would be sung."""
    mixture = np.full((2, RATE), level)
    nothing = np.zeros((2, RATE))
    scores = voicing(nothing, nothing, mixture, sample_rate=RATE).scores()
    assert scores.accuracy == 1.0 and math.isnan(scores.precision)


def test_a_change_that_no_song_survives_is_null_and_a_dash(tmp_path: Path, monkeypatch):
    import soundfile

    stems = song_of(1)
    for name in ("vocals", "accompaniment"):
        (tmp_path / "in" / "s").mkdir(parents=True, exist_ok=True)
        path = tmp_path / "in" / "s" / f"{name}.wav"
        soundfile.write(path, getattr(stems, name).T, RATE, subtype="FLOAT")
    done = run_robustness(
        tmp_path / "in",
        candidates=[Candidate("mixture", baselines.mixture)],
        output=tmp_path / "out",
        distortions=[Distortion("broken", unusable), Distortion("swapped", swapped)],
    )
    assert done.n_failed == 2 and "| broken | - | - |" in done.summary

    def refuse(word: str) -> float:
        raise AssertionError(f"{word} is no JSON")

    text = (tmp_path / "out" / "robustness.json").read_text("utf-8")
    losses = json.loads(text, parse_constant=refuse)
    assert losses["broken"]["mixture"]["median"]["value"] is None
    assert losses["swapped"]["mixture"]["median"]["value"] == pytest.approx(0, abs=1e-6)


def test_a_comparison_without_songs_is_a_dash():
    table = paired_table({"a": compare([math.nan], [1.0])}, against="b")
    assert table.rows[0][1:3] == ["-", "-"]


def test_a_cost_that_failed_is_told():
    text = summary_text([], made=MADE, base="a", costs=[Cost("a", error="the process died")])
    assert "* a: the process died" in text


def test_the_classical_separators_are_keyed_by_all_that_makes_their_numbers(monkeypatch):
    """They synthesise, which the floors do not."""
    monkeypatch.setattr(baselines, "code_digest", lambda *modules: " ".join(modules))
    for candidate in baselines.floors(classical=True):
        assert ("signal.synthesis" in candidate.identity) == (candidate.kind == "peer")


def test_a_command_is_told_as_a_shell_takes_it(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["isolde", "evaluate", "--data", "my songs"])
    assert provenance("my songs", [])["command"] == "isolde evaluate --data 'my songs'"


def test_a_folder_that_is_not_utf_8_costs_no_results(tmp_path: Path, monkeypatch):
    """The command line that is noted could not be written, and all tables were lost."""
    name = os.fsdecode(b"caf\xe9")
    monkeypatch.setattr(sys, "argv", ["isolde", "evaluate", "-o", name])
    done = run(three_songs(tmp_path / "in", RATE), output=tmp_path / name, with_oracles=False)
    assert "caf\ufffd" in done.summary and done.summary.encode("utf-8")
    assert json.loads((tmp_path / name / "run.json").read_text("utf-8")) == done.made


def test_data_in_the_current_folder_have_a_name(tmp_path: Path, monkeypatch):
    (tmp_path / "songs").mkdir()
    monkeypatch.chdir(tmp_path / "songs")
    assert provenance(".", [])["data"] == "songs: 0 songs, 0 artists"


def test_costs_are_measured_on_a_song_that_can_be_read(tmp_path: Path, monkeypatch):
    data, measured = three_songs(tmp_path / "in", RATE), []
    (data / "test" / "Ann - Song 0" / "drums.wav").write_bytes(b"not audio")

    def note(candidates, song, *, known):
        measured.append(song.track)
        return []

    monkeypatch.setattr(command, "measure_costs", note)
    run(data, output=tmp_path / "out", with_oracles=False)
    assert measured == ["Ann - Song 2"]


def test_bsseval_without_scipy_is_refused_before_any_work(tmp_path: Path, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.linalg", None)
    with pytest.raises(MissingExtraError, match="scipy"):
        run("nowhere", output=tmp_path / "out", with_bsseval=True)
    assert not (tmp_path / "out").exists()


def test_a_commit_is_that_of_the_packages_own_files(tmp_path: Path, monkeypatch):
    """An environment often lies in another project's working copy, which does not keep it."""

    def git(*words: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", "-C", str(tmp_path), *who, *words], check=True, capture_output=True)

    for name in ("kept.py", "ignored.py"):
        (tmp_path / name).touch()
    git("init")
    git("add", "kept.py")
    git("commit", "-m", "x")
    module = sys.modules[commit.__module__]
    found = []
    for name in ("kept.py", "ignored.py"):
        monkeypatch.setattr(module, "__file__", str(tmp_path / name))
        found.append(commit())
    assert len(found[0]) >= 7 and found[0] != "unknown" and found[1] == "unknown"
