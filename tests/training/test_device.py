"""benchmarks/training/device.py: runs with songs of their own until a deadline, what is left."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.sounds import noise
from isolde.training.checkpoint import Checkpoint
from isolde.training.export import read_run

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "training" / "device.py"

LANES = """
[small]
recipe = "dual-path"
data = ["songs"]
segments = 1
frames = 16

[none]
recipe = "stems"
data = ["songs"]

[on]
recipe = "dual-path"
start = "small.safetensors"
data = ["songs"]
segments = 1
frames = 16
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two packed songs of a voice and a backing, and the recipes of three runs."""
    (tmp_path / "songs" / "pair").mkdir(parents=True)
    for seed in (1, 2):
        sound = np.stack([noise(2, 60_000, seed=seed), noise(2, 60_000, seed=9)])
        packed = (8000 * sound / np.abs(sound).max()).astype(np.int16)
        np.save(tmp_path / "songs" / "pair" / f"song {seed}.npy", packed)
    (tmp_path / "lanes.toml").write_text(LANES)
    return tmp_path


def device(folder: Path, *names: str) -> str:
    """What it says while it trains for seconds on the CPU."""
    words = ["lanes.toml", *names, "--out", "out", "--seconds", "2", "--device", "cpu"]
    done = subprocess.run(
        [sys.executable, SCRIPT, *words], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_runs_end_in_time_leave_small_weights_and_begin_with_them(folder: Path):
    said = device(folder, "small", "none")
    assert "none: left out: no song has all of vocals, drums, bass, other" in said
    path = folder / "out" / "small.safetensors"
    short = Checkpoint.load(path)
    assert {v.dtype for v in short.average.values()} == {torch.float16}
    assert path.stat().st_size < (folder / "out" / "small" / "state.safetensors").stat().st_size / 6
    assert json.loads((folder / "out" / "small.json").read_text())["kind"] == "dual-path"
    run, _, step = read_run(folder / "out" / "small")
    assert step == short.step > 0
    for name, value in run.named_parameters():
        assert torch.equal(value.half(), short.average[name]), name
    path.rename(folder / "small.safetensors")
    assert "on: begun with small.safetensors" in device(folder, "on")
    assert not (folder / "out" / "none").exists() or not any((folder / "out" / "none").iterdir())
