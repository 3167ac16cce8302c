"""What `isolde pairs` writes is what `isolde train` takes, as it is, refused pairs and all."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from helpers.sounds import PAIR_RATE as RATE
from helpers.sounds import band, voice
from isolde.audio import write
from isolde.cli import app

pytestmark = pytest.mark.slow

pytest.importorskip("torch", reason="needs the extra 'train'")

RECIPE = """
kind = "window"
segments = 2
frames = 8
steps = 3
warm_up = 1

[task.shape]
channels = [2, 2, 2, 2]
hidden = 4
outputs = 513
"""


def run(*arguments: object) -> str:
    """The output of a command that must not fail."""
    done = CliRunner().invoke(app, [str(a) for a in arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_a_folder_of_pairs_is_a_training_set(tmp_path: Path):
    rng = np.random.default_rng(1)
    for k in range(3):
        lead = np.zeros((1, int(rng.uniform(0.2, 1.5) * RATE)), np.float32)
        v, a = voice(12, 2 * k), band(12, 2 * k + 1)
        mix = np.concatenate([lead, 0.7 * v + a], axis=1)
        write(tmp_path / "in" / "mixes" / f"song {k}.wav", mix, RATE)
        if k < 2:
            write(tmp_path / "in" / "voices" / f"{k} acapella.wav", 0.5 * v, RATE)
    write(tmp_path / "in" / "voices" / "stranger.wav", voice(12, 99), RATE)
    said = run("pairs", tmp_path / "in", "-o", tmp_path / "pairs", "--workers", 1, "--no-pictures")
    assert "2 of 2 pairs accepted" in said
    (tmp_path / "pairs" / "song 2.rejected.json").write_text("{}")  # as a refused pair leaves it
    (tmp_path / "tiny.toml").write_text(RECIPE)
    run("train", tmp_path / "tiny.toml", "--data", tmp_path / "pairs", "--out", tmp_path / "run")
    run("export", tmp_path / "run", "-o", tmp_path / "model", "--name", "mine")
    write(tmp_path / "new.wav", 0.3 * band(2, 50), RATE)
    model = tmp_path / "model" / "mine.onnx"
    out = run("separate", tmp_path / "new.wav", "--model", model, "-o", tmp_path / "out")
    assert "vocals.wav" in out
