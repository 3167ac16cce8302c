"""Which models one can listen to live; the others are refused with the names of those."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers import windows
from helpers.sounds import noise, null_depth
from isolde.core.errors import InputError
from isolde.live.plan import LATEST, make_plan
from isolde.live.worker.process import load
from isolde.models.card_files import card_for
from isolde.models.catalogue import find, save
from isolde.models.overview import overview
from isolde.models.window.recognition import Hints
from isolde.separation.load import load_separator
from isolde.separation.settings import SeparationSettings


def test_a_u_net_hears_short_windows_in_a_live_session():
    """The least that its graph takes: 64 frames, of which it answers for 16 and hears 8 ahead."""
    song, live = find("vocals").card.window, find("vocals").live.card.window
    assert song.before + song.after == 0 and song.live == live
    assert (live.before, live.size, live.after, live.step) == (40, 16, 8, 16)
    assert live.latency == 4096 + 23 * 1024
    plan = make_plan(sample_rate=44100, n_channels=2)
    assert plan.settings.model == "vocals" and plan.settings.live
    assert 0.55 < plan.lag / 44100 < 0.63 and plan.delay / 44100 < 0.8
    assert 0.18 < plan.depth * plan.block_seconds < 0.19  # half the time between two windows


def test_the_separator_of_a_live_session_is_the_offline_one_with_short_windows():
    """The same settings give the same stems, whatever the blocks, at the latency that is said."""
    audio = 0.1 * noise(2, 70_000)
    offline = load_separator("vocals", sample_rate=44100, n_channels=2, live=True)
    expected = offline.whole([audio])
    separator, _ = load(make_plan(sample_rate=44100, n_channels=2))
    out, fed = [], 0
    for at in range(0, audio.shape[1], 1024):
        block = audio[:, at : at + 1024]
        out.append(separator.feed(block))
        fed += block.shape[1]
        assert sum(part["vocals"].shape[1] for part in out) >= fed + 1 - separator.latency
    out.append(separator.flush())
    for stem in expected:
        heard = np.concatenate([part[stem] for part in out], axis=1)
        assert null_depth(expected[stem], heard) < -110


def test_declared_latency_of_short_windows_is_the_true_one(tmp_path: Path):
    """What sounds a window's last answered frame later than declared changes nothing before."""
    path = windows.spleeter(tmp_path / "s.onnx", {"vocals": 2, "accompaniment": 1})  # 0.8
    separator = load_separator(path, sample_rate=44100, n_channels=1, live=True)
    assert separator.latency == 4096 + 23 * 1024
    out = worst = 0
    for fed in range(256, 90_000, 256):
        out += separator.feed(noise(1, 256))["vocals"].shape[1]
        worst = max(worst, fed + 1 - out)
    assert separator.latency - 256 <= worst <= separator.latency


def test_a_model_that_is_too_late_is_refused_with_those_that_are_not(tmp_path: Path):
    path = windows.mdx_net(tmp_path / "vocals.onnx", n_bins=1025, n_frames=256)
    card = card_for(path, Hints(n_fft=4096, stems=("vocals",)))
    late = save(tmp_path, replace(card, name="late"), path.read_bytes()).path
    with pytest.raises(InputError, match=r"'late' answers [\d.]+ s late") as caught:
        make_plan(SeparationSettings(str(late)), sample_rate=44100, n_channels=2)
    said = str(caught.value)
    named = said.partition("take one of ")[2].split(", ")
    quick = {row.name for row in overview() if row.stems and row.latency <= LATEST}
    assert set(named) == quick >= {"vocals", "vocals-live"} and "\n" not in said


@pytest.mark.parametrize("rate", [44100, 48000])
def test_every_model_in_time_has_a_plan_of_its_latency(rate: int):
    for row in overview():
        if row.stems and row.latency <= LATEST:
            plan = make_plan(SeparationSettings(row.name), sample_rate=rate, n_channels=2)
            assert plan.lag / rate < row.latency + 0.12
