"""The readers of docs/design/onnx.md: the network's contract alone gives what the product gives."""

import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from isolde import separate
from isolde.audio.demo import read_demo
from isolde.core.stage import Float32
from isolde.models import catalogue
from isolde.models.graph import Session
from isolde.models.overview import latency_of
from isolde.separation.load import stems_of

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
NODE = shutil.which("node")
MODULES = ROOT / "build" / "node" / "node_modules"  # .ci/run puts them there
SECONDS = 1.5
TOLERANCE = 1e-5
"""Both compute in float64 what isolde does in float32: a few units of the last of 24 bits."""


@pytest.fixture(scope="module")
def song() -> Float32:
    """A part of the demo song in which somebody sings, (2, n) at 44,100 Hz, n no whole hops."""
    parts, rate = read_demo()
    assert rate == 44100
    mixture = sum(parts.values())[:, 5 * rate :]
    return mixture[:, : int(SECONDS * rate) + 77]


def read(command: list[str | Path], model: str, song: Float32, **keywords) -> dict[str, Float32]:
    """What a reader's program makes of a song, by stem."""
    card = catalogue.find(model).path.with_suffix(".json")
    samples = song.T.astype("<f4").tobytes()
    words = [str(word) for word in [*command, card]]
    done = subprocess.run(words, input=samples, capture_output=True, timeout=120, **keywords)
    assert done.returncode == 0, done.stderr.decode()
    stems = np.frombuffer(done.stdout, "<f4").reshape(-1, song.shape[1], 2).transpose(0, 2, 1)
    return dict(zip(stems_of(model), stems, strict=True))


def compare(found: dict[str, Float32], model: str, song: Float32) -> None:
    """The stems are isolde's, and they are no silence and no mixture."""
    for stem, expected in separate(song, sample_rate=44100, model=model).items():
        assert np.abs(found[stem] - expected).max() < TOLERANCE, stem
    levels = [float(np.std(samples)) for samples in found.values()]
    assert min(levels) > 100 * TOLERANCE
    assert max(levels) < np.std(song)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["vocals-live", "open-live"])
def test_the_reader_of_numpy_gives_what_isolde_gives(model: str, song: Float32, tmp_path: Path):
    (tmp_path / "isolde.py").write_text("raise ImportError('the reader is to do without')\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, EXAMPLES / "onnx_reader.py"]
    compare(read(command, model, song, env=environment), model, song)


@pytest.mark.skipif(NODE is None, reason="node is not installed: apt-get install nodejs")
@pytest.mark.skipif(
    not (MODULES / "onnxruntime-node").is_dir(), reason="no onnxruntime-node: .ci/run installs it"
)
@pytest.mark.parametrize("model", ["vocals-live", "open-live"])
def test_the_reader_of_javascript_gives_what_isolde_gives(
    model: str, song: Float32, tmp_path: Path
):
    shutil.copy(EXAMPLES / "onnx_reader.mjs", tmp_path)
    (tmp_path / "node_modules").symlink_to(MODULES)
    compare(read([NODE, tmp_path / "onnx_reader.mjs"], model, song), model, song)


@pytest.mark.skipif(NODE is None, reason="node is not installed: apt-get install nodejs")
def test_the_reader_of_javascript_says_what_it_needs(tmp_path: Path):
    for name in ("fft.js", "onnxruntime-node"):  # it does not come to use them
        (tmp_path / "node_modules" / name).mkdir(parents=True)
        (tmp_path / "node_modules" / name / "index.js").write_text("module.exports = {};\n")
    shutil.copy(EXAMPLES / "onnx_reader.mjs", tmp_path)
    words = [str(NODE), str(tmp_path / "onnx_reader.mjs")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr.startswith("usage: node onnx_reader.mjs") and done.stderr.count("\n") == 1


def test_the_page_has_the_shapes_of_the_graphs_and_the_frames_of_the_cards():
    page = (ROOT / "docs" / "design" / "onnx.md").read_text("utf-8")
    rows = re.findall(
        r"^\| (`[\w`, -]+) \| (\d+) \| ([\dx ]+) \|.*\| (\d+) \| (\d+) \| (\d+) ms", page, re.M
    )
    numbers = {name: row[1:] for row in rows for name in re.findall(r"[\w-]+", row[0])}
    assert len(numbers) > 2 and catalogue.LOW_LATENCY in numbers
    for name in numbers:
        model = catalogue.find(name)
        session, card = Session(model.path), model.card
        width, mask, look_ahead, past, latency = numbers[name]
        assert session.inputs["frames"][2] == int(width)
        assert session.outputs["mask"][2] == math.prod(map(int, mask.split(" x ")))
        assert (card.look_ahead, card.past) == (int(look_ahead), int(past))
        assert round(1000 * latency_of(card)) == int(latency)
