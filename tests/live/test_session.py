"""A session that never begins, and one whose thread fails; no device is needed."""

import time

import pytest

from helpers.live import RATE, plan_for, small_model
from helpers.sounds import noise
from isolde.audio import write
from isolde.live.io.devices import Device
from isolde.live.session import Live

DEVICE = Device(0, "none", "ALSA", 2, 2, RATE, "")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return small_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def song(tmp_path):
    write(tmp_path / "song.wav", noise(2, RATE), RATE)
    return tmp_path / "song.wav"


@pytest.mark.parametrize("captures", [True, False])
def test_a_session_that_never_began_leaves_no_record(model, song, captures: bool):
    record = song.parent / "stems"
    source = DEVICE if captures else song
    live = Live(plan_for(model), source=source, target=DEVICE, record=record)
    began = time.monotonic()
    live.close()
    live.close()
    assert time.monotonic() - began < 5
    assert not record.exists() and live.wait(0)


def test_what_ends_the_audio_thread_is_raised_to_who_waits(model, song, monkeypatch):
    live = Live(plan_for(model), source=song, target=DEVICE)

    def fail() -> None:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(live._devices, "open", lambda: None)
    monkeypatch.setattr(live._loop, "step", fail)
    with live, pytest.raises(ZeroDivisionError, match="a fault of ours"):
        live.wait(30)
