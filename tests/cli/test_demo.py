"""The demo does the main job, and the doctor finds what is broken."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from helpers.laws import ROOT
from isolde.audio import info
from isolde.cli import main
from isolde.cli.demo import run_demo
from isolde.cli.doctor import examine
from isolde.core.errors import InputError, ModelError


@pytest.mark.slow
def test_the_demo_separates_measures_and_draws(tmp_path: Path):
    done = run_demo(tmp_path / "out")
    assert done.vocals_usdr > done.mixture_usdr + 4  # 7 dB when it was written
    assert done.accompaniment_usdr > 4
    assert done.separated.seconds == 20.0
    for path in (done.mixture, *done.separated.paths.values()):
        assert info(path).n_samples == 882_000
    assert done.picture is not None and done.picture.read_bytes().startswith(b"\x89PNG")
    again = run_demo(tmp_path / "out")  # replaces its own files, and only those
    assert again.vocals_usdr == done.vocals_usdr


def test_the_demo_replaces_nobody_elses_files(tmp_path: Path):
    (tmp_path / "song").mkdir()
    for own in (tmp_path / "song" / "vocals.wav", tmp_path / "song.wav"):
        own.write_text("mine")
        with pytest.raises(InputError, match=f"{own}: is there, and no demo's"):
            run_demo(tmp_path)
        assert own.read_text() == "mine"


def test_a_model_that_cannot_be_used_leaves_no_folder(tmp_path: Path):
    with pytest.raises(ModelError, match="'nope' is not known"):
        run_demo(tmp_path / "out", model="nope")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_demo_loads_one_metric_and_nothing_else_of_the_evaluation(tmp_path: Path):
    code = (
        "import sys; from isolde.cli.demo import run_demo; from pathlib import Path; "
        f"run_demo(Path({str(tmp_path)!r})); "
        "print(sorted(m for m in sys.modules if m.startswith('isolde.evaluation'))); "
        "print([m for m in ('torch', 'resource', 'isolde.training') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded, heavy = done.stdout.splitlines()
    metric = ["isolde.evaluation", "isolde.evaluation.metrics", "isolde.evaluation.metrics.ratios"]
    assert loaded == str(metric) and heavy == "[]"


@pytest.mark.slow
def test_the_doctor_finds_nothing_broken_here(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["isolde", "doctor"])
    main_code = 0
    try:
        main()
    except SystemExit as stop:
        main_code = int(stop.code or 0)
    said = capsys.readouterr().out
    assert main_code == 0
    assert "model vocals" in said and "broken" not in said


def test_the_doctor_sees_a_damaged_model(monkeypatch, tmp_path: Path):
    from isolde.models import catalogue

    shipped = catalogue.find("vocals")
    (tmp_path / "vocals.onnx").write_bytes(shipped.path.read_bytes()[:-10])
    (tmp_path / "vocals.json").write_text(shipped.card.to_json())
    monkeypatch.setattr(catalogue.sources, "shipped", lambda: {"vocals": tmp_path / "vocals.json"})
    states = {finding.name: finding.state for finding in examine()}
    assert states["model vocals"] == "broken"


def test_a_missing_extra_is_no_fault(monkeypatch):
    from isolde.cli import doctor

    real = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: None if name == "pyarrow" else real(name))
    monkeypatch.setattr(doctor, "_model", lambda model: doctor.Finding("model", "ok", ""))
    found = {finding.name: finding for finding in examine()}
    assert found["pyarrow"].state == "missing" and "isolde[parquet]" in found["pyarrow"].detail


def test_the_doctor_looks_for_every_package_and_extra():
    from isolde.cli import doctor

    about = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    needed = [re.split("[>=]", line)[0] for line in about["dependencies"]]
    assert sorted(doctor.RUNTIME) == sorted(needed)
    extras = {*about["optional-dependencies"]} - {"docs", "dev"}
    assert {extra for extra, _ in doctor.EXTRAS.values()} == extras


@pytest.mark.parametrize("package", ["numpy", "onnxruntime"])
def test_a_missing_needed_package_is_a_fault(monkeypatch, package: str):
    from isolde.cli import doctor

    real = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: None if name == package else real(name))
    assert next(f.state for f in examine() if f.name == package) == "broken"
