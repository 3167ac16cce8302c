"""Results for other programs: every file gives back the numbers that went in."""

import csv
import io
import json
import os
import sys

import pytest

from isolde.core.errors import MissingExtraError
from isolde.evaluation import exports, run
from isolde.evaluation.scoring import Result

NAN = float("nan")


def row(candidate: str, track: str, value: float, **more) -> Result:
    metrics = {"vocals_usdr": value, "silence_dbfs": NAN}
    return Result(track, "Ann", candidate, "model", seconds=10.0, metrics=metrics, **more)


def test_csv_has_a_line_per_song_and_survives_names_with_commas():
    results = [row('a, "b"', "t", 1.5), row("c", "t", NAN, error="E: x")]
    records = list(csv.DictReader(io.StringIO(exports.results_csv(results))))
    assert records[0]["candidate"] == 'a, "b"' and records[0]["vocals_usdr"] == "1.5"
    assert records[1]["vocals_usdr"] == "" and records[1]["error"] == "E: x"


def test_parquet_holds_what_the_csv_holds(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    results = [row("ours", "Ärger - Lied", 1.25, cpu_seconds=0.5), row("ours", "u", 2, error="E")]
    exports.write_parquet(tmp_path / "songs.parquet", results)
    table = parquet.read_table(tmp_path / "songs.parquet").to_pydict()
    assert table == exports.columns_of(results)
    assert table["speed"] == [20.0, None] and table["silence_dbfs"] == [None, None]


def test_names_that_are_not_utf_8_are_written_readably(tmp_path):
    name = os.fsdecode(b"mod\xe8le.onnx")
    results = [row(name, "t", 1.0), row(name, "u", 1.0, error=f"{name}: gone")]
    (tmp_path / "songs.csv").write_text(exports.results_csv(results), "utf-8")
    assert exports.columns_of(results)["candidate"] == ["mod\ufffdle.onnx"] * 2
    assert exports.columns_of(results)["error"] == [None, "mod\ufffdle.onnx: gone"]


def test_without_pyarrow_one_line_says_what_to_install_before_any_work(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'isolde\[parquet\]'"):
        run("nowhere", output=tmp_path / "out", with_parquet=True)
    assert not (tmp_path / "out").exists()


def test_musevals_files_lie_where_museval_looks_for_them(tmp_path):
    frames = {f"{s}_{m}_v4": [1.0, 2.0] for s in ("vocals", "accompaniment") for m in MEASURES}
    scored = row("ours: soft", "test/Ann - Song?", 1.0, frames=frames)
    assert exports.write_museval(tmp_path, [scored, row("ours: soft", "plain", 1.0)]) == [
        tmp_path / "ours_ soft" / "test" / "test_Ann - Song_.json"
    ]
    (path,) = tmp_path.rglob("*.json")
    store = json.loads(path.read_text(encoding="utf-8"))
    assert [target["name"] for target in store["targets"]] == ["vocals", "accompaniment"]
    assert store["targets"][1]["frames"][1]["metrics"] == dict.fromkeys(
        ("SDR", "ISR", "SIR", "SAR"), 2.0
    )


def test_musevals_files_of_different_names_are_different_files(tmp_path):
    """ "A/B" and "A_B" gave one file, and so did "a" and "A" where case does not count."""
    frames = {f"vocals_{m}_v4": [1.0] for m in MEASURES}
    results = [row(c, t, 1.0, frames=frames) for c in ("x:y", "x_y") for t in ("A/B", "A_B", "a_b")]
    written = exports.write_museval(tmp_path, results)
    assert len({str(path).casefold() for path in written}) == 6
    assert {path.parent.parent.name for path in written} == {"x_y", "x_y (2)"}
    assert [path.stem for path in written[:3]] == ["A_B", "A_B (2)", "a_b (3)"]


MEASURES = ("sdr", "isr", "sir", "sar")
