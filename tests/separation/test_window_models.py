"""Networks of windows and ensembles through the separator: sums, rates, what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers import windows
from helpers.sounds import noise, null_depth
from isolde.core.errors import InputError, ModelError
from isolde.models.catalogue import find, save
from isolde.separation.load import load_separator, separate
from isolde.separation.stages.separator import Separator


def run(separator: Separator, audio: np.ndarray, size: int) -> dict[str, np.ndarray]:
    return separator.whole(audio[:, at : at + size] for at in range(0, audio.shape[1], size))


def half(folder: Path) -> Path:
    """A network that takes half of the mixture for the voice."""
    return windows.waves(folder / "half" / "vocals.onnx", delay=0, gain=0.5)


@pytest.mark.parametrize("rate", [16000, 44100, 48000, 96000])
@pytest.mark.parametrize("n_channels", [1, 2, 3])
def test_stems_sum_to_the_mixture_at_any_rate(tmp_path: Path, rate: int, n_channels: int):
    audio = noise(n_channels, rate // 2)
    stems = separate(audio, sample_rate=rate, model=half(tmp_path))
    assert {name: stem.shape for name, stem in stems.items()} == dict.fromkeys(
        ("vocals", "accompaniment"), audio.shape
    )
    assert np.abs(sum(stems.values()) - audio).max() < 2e-7


def test_half_the_mixture_is_half_the_mixture(tmp_path: Path):
    audio = noise(2, 30_000)
    stems = separate(audio, sample_rate=44100, model=half(tmp_path))
    assert null_depth(audio / 2, stems["vocals"]) < -120


@pytest.mark.parametrize("rate", [44100, 48000])
def test_declared_latency_holds(tmp_path: Path, rate: int):
    separator = load_separator(half(tmp_path), sample_rate=rate, n_channels=2)
    fed = out = 0
    for _ in range(3 * separator.latency // 500):
        out += separator.feed(noise(2, 500))["vocals"].shape[1]
        fed += 500
        assert out >= fed + 1 - separator.latency
    assert out > 0


def test_block_sizes_change_nothing_with_masks_of_windows(tmp_path: Path):
    """Spleeter's form, at a rate of its own: mask 0.8 everywhere, the treble included."""
    path = windows.spleeter(tmp_path / "s.onnx", {"vocals": 2, "accompaniment": 1})
    audio = noise(2, 90_000)
    results = [
        run(load_separator(path, sample_rate=44100, n_channels=2), audio, size)
        for size in (90_000, 777)
    ]
    assert null_depth(results[0]["vocals"], results[1]["vocals"]) < -110
    assert null_depth(0.8 * audio, results[0]["vocals"]) < -100


def test_a_mask_of_windows_is_read_like_any_mask(tmp_path: Path):
    path = windows.spleeter(tmp_path / "s.onnx", {"vocals": 2, "accompaniment": 1})
    audio = noise(2, 20_000)
    squared = separate(audio, sample_rate=44100, model=path, strength=2.0)["vocals"]
    assert null_depth(0.64 * audio, squared) < -100
    binary = separate(audio, sample_rate=44100, model=path, mask="binary")["vocals"]
    assert null_depth(audio, binary) < -100


@pytest.mark.parametrize(
    "settings", [{"mask": "binary"}, {"strength": 2.0}, {"gate": True}], ids=str
)
def test_a_network_of_sound_has_no_mask_to_read(tmp_path: Path, settings: dict):
    with pytest.raises(InputError, match="gives sound and no masks"):
        load_separator(half(tmp_path), sample_rate=44100, n_channels=2, **settings)


def test_an_ensemble_is_the_weighted_mean_of_its_members(tmp_path: Path):
    path = windows.spleeter(tmp_path / "s.onnx", {"vocals": 2, "accompaniment": 1})  # 0.8
    both = windows.ensemble(tmp_path, {str(path): 3.0, str(half(tmp_path)): 1.0})
    audio = noise(2, 90_000)
    stems = separate(audio, sample_rate=44100, model=both)
    mean = (3 * 0.8 * audio + 0.5 * audio) / 4
    assert null_depth(mean, stems["vocals"]) < -100
    assert np.abs(sum(stems.values()) - audio).max() < 2e-7
    separator = load_separator(both, sample_rate=44100, n_channels=2)
    members = [
        load_separator(m, sample_rate=44100, n_channels=2).latency for m in (path, half(tmp_path))
    ]
    assert separator.latency == max(members)
    again = run(separator, audio, 3333)
    assert null_depth(stems["vocals"], again["vocals"]) < -110
    assert find(both).n_bytes == path.stat().st_size + half(tmp_path).stat().st_size


def test_ensembles_that_cannot_be_are_refused(tmp_path: Path):
    drums = windows.waves(tmp_path / "drums.onnx", delay=0)
    with pytest.raises(ModelError, match="no vocals"):
        separate(
            noise(2, 9), sample_rate=44100, model=windows.ensemble(tmp_path, {str(drums): 1.0})
        )
    ears = replace(find("vocals").card, name="ears", stems=(), residual="")
    save(tmp_path, ears, find("vocals").path.read_bytes())
    for name in (
        str(tmp_path / "ears.onnx"),
        str(windows.ensemble(tmp_path, {str(half(tmp_path)): 1.0})),
    ):
        (tmp_path / "outer").mkdir(exist_ok=True)
        outer = windows.ensemble(tmp_path / "outer", {name: 1.0})
        with pytest.raises(ModelError, match="name networks"):
            separate(noise(2, 9), sample_rate=44100, model=outer)
    values = json.loads(windows.ensemble(tmp_path, {"vocals": 1.0}).read_text())
    values["members"][0]["weight"] = 0
    (tmp_path / "both.json").write_text(json.dumps(values))
    with pytest.raises(ModelError, match="weight 0"):
        find(tmp_path / "both.json")
