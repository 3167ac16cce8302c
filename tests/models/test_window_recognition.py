"""What a file is, by its inputs and outputs and its checksum; what fits no form is refused."""

import csv
from importlib import resources
from pathlib import Path

import pytest

from helpers import windows
from isolde.core.errors import ModelError
from isolde.models.window import recognition
from isolde.models.window.recognition import Hints, recognise, roles


def test_an_mdx_net_says_its_bins_and_frames_and_its_user_the_window(tmp_path: Path):
    path = windows.mdx_net(tmp_path / "Some_Voc.onnx", n_bins=2048, n_frames=256)
    with pytest.raises(ModelError, match="--n-fft"):
        recognise(path)
    found = recognise(path, Hints(n_fft=6144, compensate=1.03, stems=("vocals",))).window
    assert (found.form, found.n_bins, found.size, found.n_fft) == ("spectra", 2048, 256, 6144)
    assert found.compensate == 1.03 and found.outputs == ("vocals",)
    assert found.band == pytest.approx(2048 * 44100 / 6144)


def test_a_known_mdx_net_is_found_by_its_checksum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Two of the table's rows, at the checksum of a small file."""
    path = windows.mdx_net(tmp_path / "x.onnx", n_bins=3072, n_frames=256)
    for known, stem, n_fft in (
        ("55657dd70583b0fedfba5f67df11d711", "instrumental", 6144),
        ("53c4baf4d12c3e6c3831bb8f5b532b93", "vocals", 7680),
    ):
        monkeypatch.setattr(recognition, "fingerprint", lambda _, known=known: known)
        found = recognise(path)
        assert found.window.outputs == (stem,) and found.window.n_fft == n_fft
    assert found.window.compensate == 1.043


def test_the_fingerprint_is_of_the_last_10000_kib(tmp_path: Path):
    tail = bytes(range(256)) * 40_000
    (tmp_path / "a").write_bytes(tail)
    (tmp_path / "b").write_bytes(b"a head of any length" + tail)
    (tmp_path / "c").write_bytes(tail[:-1] + b"!")
    prints = [recognition.fingerprint(tmp_path / name) for name in "abc"]
    assert prints[0] == prints[1] != prints[2]


def test_every_row_of_the_table_makes_a_window():
    text = resources.files("isolde.models.window").joinpath(recognition.TABLE).read_text("utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) == len({r["md5_of_last_10240000_bytes"] for r in rows}) == 46
    for row in rows:
        assert len(row["md5_of_last_10240000_bytes"]) == 32
        window = recognition.Window(
            "spectra",
            (row["stem"],),
            int(row["dim_t"]),
            n_fft=int(row["n_fft"]),
            n_bins=int(row["dim_f"]),
            compensate=float(row["compensate"]),
        )
        assert window.seconds > 2


def test_spleeter_and_open_unmix_are_told_apart_by_their_axes(tmp_path: Path):
    path = windows.spleeter(tmp_path / "a.onnx", {"vocals": 1, "accompaniment": 1})
    found = recognise(path).window
    assert (found.axes, found.n_bins, found.size, found.n_fft) == ("nctf", 1024, 64, 4096)
    assert found.outputs == ("vocals", "accompaniment")
    found = recognise(windows.open_unmix(tmp_path / "vocals.onnx", gain=1)).window
    assert (found.axes, found.n_bins, found.n_fft) == ("ncft", 2049, 4096)
    assert found.outputs == ("vocals",)  # by the name of the file


def test_ht_demucs_is_recognised_and_says_what_its_weights_are_for(tmp_path: Path):
    found = recognise(windows.ht_demucs(tmp_path / "h.onnx"))
    assert found.window.form == "hybrid" and found.window.outputs == (
        "drums",
        "bass",
        "other",
        "vocals",
    )
    assert "personal and research" in found.licence == found.notice


def test_outputs_without_a_name_want_one(tmp_path: Path):
    path = windows.waves(tmp_path / "net.onnx", delay=0)
    with pytest.raises(ModelError, match="--stems"):
        recognise(path)
    assert recognise(path, Hints(stems=("vocals",))).window.size == 8192


def test_a_graph_of_no_form_is_refused_with_what_it_takes_and_gives(tmp_path: Path):
    path = windows.write_graph(
        tmp_path / "n.onnx",
        {"pixels": [1, 3, "w"]},
        {"cat": [1, 3, "w"]},
        [("Abs", ["pixels"], "cat")],
    )
    with pytest.raises(
        ModelError, match=r"inputs pixels \(1, 3, w\); outputs cat \(1, 3, w\); docs"
    ):
        recognise(path)
    (tmp_path / "no.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelError, match="cannot be loaded"):
        recognise(tmp_path / "no.onnx")


@pytest.mark.parametrize(
    ("outputs", "stems", "residual"),
    [
        (("vocals",), ("vocals",), "accompaniment"),
        (("accompaniment", "vocals"), ("vocals",), "accompaniment"),
        (("reverb",), ("reverb",), "no_reverb"),
        (("vocals", "drums"), ("vocals", "drums"), "rest"),
    ],
)
def test_what_the_stems_leave_has_a_name(outputs, stems, residual):
    assert roles(outputs) == (stems, residual)
