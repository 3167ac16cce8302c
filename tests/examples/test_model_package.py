"""The example of a package that gives a model: installed by pip, found, used."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from helpers.shell import run_python
from helpers.sounds import noise

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "examples" / "isolde-model-example"


@pytest.mark.slow
def test_an_installed_package_gives_a_model(tmp_path: Path):
    copy = tmp_path / "package"  # building leaves things behind
    for path in PACKAGE.rglob("*"):
        if path.is_file() and "egg-info" not in str(path) and path.suffix != ".pyc":
            target = copy / path.relative_to(PACKAGE)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    site = tmp_path / "site"
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", site)
    run_python("-m", "pip", "install", *options, copy)
    paths = os.pathsep.join([str(site), str(ROOT / "src")])
    environment = {**os.environ, "PYTHONPATH": paths, "ISOLDE_MODELS": str(tmp_path / "none")}
    listed = run_python("-m", "isolde", "models", env=environment).stdout
    assert next(row for row in listed.splitlines() if row.startswith("mid ")).endswith("MIT")
    audio = noise(2, 40_000)
    soundfile.write(tmp_path / "song.wav", audio.T, 44100, subtype="FLOAT")
    words = ("-m", "isolde", "separate", "song.wav", "--model", "mid", "-o", "out")
    run_python(*words, env=environment, cwd=tmp_path)
    vocals, _ = soundfile.read(tmp_path / "out" / "song" / "vocals.wav")
    mono = np.broadcast_to(audio.mean(axis=0), (2, 40_000))
    np.testing.assert_allclose(vocals.T, mono, rtol=0, atol=1e-6)


def test_the_graph_is_what_its_script_writes(tmp_path: Path):
    pytest.importorskip("onnx")
    run_python(PACKAGE / "make_graph.py", tmp_path / "mid.onnx")
    written = (tmp_path / "mid.onnx").read_bytes()
    assert written == (PACKAGE / "isolde_model_example" / "mid.onnx").read_bytes()
