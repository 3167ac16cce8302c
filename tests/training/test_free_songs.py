"""benchmarks/training: songs that companies may learn from, and what a broken packing leaves."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from isolde.core.errors import AudioError
from isolde.datasets.manifest import Row, write_manifest
from isolde.datasets.mixing.packed import packed_songs

FOLDER = Path(__file__).parents[2] / "benchmarks" / "training"


def script(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(path).stem, FOLDER / path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_only_stated_licences_are_for_companies():
    may = script("free_songs.py").is_commercial
    assert may("CC BY 4.0") and may("CC BY-SA 3.0") and may("MIT")
    for licence in ("", "unknown", "unstated", "CC BY-NC 3.0", "GPL-2+", "CC BY-ND 4.0"):
        assert not may(licence)


def test_songs_for_companies_are_not_added_to_others(tmp_path: Path, monkeypatch):
    """The manifest is what is learnt from, whenever its rows were written."""
    row = Row("S", "A", "train", "mixture", tmp_path / "s.wav", licence="CC BY-NC-SA 4.0")
    write_manifest([row], tmp_path / "out" / "manifest.csv")
    words = ["free_songs.py", str(tmp_path / "none"), str(tmp_path / "out"), "--commercial"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit, match="CC BY-NC-SA"):
        script("free_songs.py").main()


def test_where_a_voice_sounds_is_told_whole_or_not_at_all(tmp_path: Path, monkeypatch):
    """An empty file would say that nobody ever sings."""
    path = tmp_path / "solo" / "a - s.npy"
    path.parent.mkdir()
    sound = np.random.default_rng(0).integers(-9000, 9000, (1, 2, 22050)).astype(np.int16)
    sound[:, :, :11025] = 0
    np.save(path, sound)
    pack = script("lent/pack.py")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("isolde.core.atomic.os.replace", full)
        with pytest.raises(AudioError, match="disk is full"):
            pack.tell_voice(path)
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    (before,), _ = packed_songs(tmp_path)
    assert pack.tell_voice(path) == "solo"
    ((after,), problems) = packed_songs(tmp_path)
    assert problems == [] and 0.4 < after.activity.mean() < 0.6
    np.testing.assert_array_equal(after.activity, before.activity)
