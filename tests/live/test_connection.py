"""A session's devices when they are opened and when they come back; no device is needed."""

import threading
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest

from helpers.live import RATE, plan_for, small_model
from isolde.core.errors import AudioError
from isolde.live.io import open as opening
from isolde.live.io.devices import Device

GONE = AudioError("no such device")


def device(index: int, name: str) -> Device:
    return Device(index, name, "ALSA", 2, 2, RATE, "")


@dataclass
class FakePorts:
    """Ports that count what goes through them; the output declares 80 ms."""

    source: Device | None
    target: Device
    sample_rate: int
    n_channels: int
    block: int
    latency: object
    n_read: int = 0
    written: list[np.ndarray] = field(default_factory=list)
    room: int = RATE
    closed: bool = False

    def __post_init__(self) -> None:
        self.latency = (0.0, 0.08)

    def read(self) -> None:
        self.n_read += self.block

    def write(self, block: np.ndarray) -> None:
        self.written.append(block)

    def close(self) -> bool:
        self.closed = True
        return True


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    return plan_for(small_model(tmp_path_factory.mktemp("model")))


@pytest.fixture
def found(monkeypatch) -> list[object]:
    """What a search for a device finds, one after the other; an error is raised."""
    answers: list[object] = []

    def find(name: str, way: str) -> Device:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        assert answer.name == name
        return answer

    monkeypatch.setattr(opening, "Ports", FakePorts)
    monkeypatch.setattr(opening, "_REOPEN_SECONDS", 0.001)
    monkeypatch.setattr(opening.devices, "refresh", lambda: None)
    monkeypatch.setattr(opening.devices, "find", find)
    return answers


def connection(plan, *, capture: bool = True, patience: float = 30.0) -> opening.Connection:
    source = device(1, "microphone") if capture else None
    return opening.Connection(
        plan, source=source, target=device(2, "headphones"), latency="low", patience=patience
    )


def test_devices_that_come_back_under_other_numbers_are_found_by_their_names(plan, found):
    found += [GONE, device(5, "microphone"), GONE, device(5, "microphone"), device(6, "headphones")]
    ports = connection(plan).reopen(threading.Event())
    assert found == []
    assert (ports.source.index, ports.target.index) == (5, 6)


def test_nothing_is_looked_for_when_the_session_has_ended_or_patience_has(plan, found):
    found += [GONE] * 10_000
    stop = threading.Event()
    assert connection(plan, patience=0.02).reopen(stop) is None
    left = len(found)
    stop.set()
    assert connection(plan).reopen(stop) is None
    assert 0 < left == len(found)


def test_what_is_captured_first_is_thrown_away_and_silence_is_in_store(plan, found):
    ports = connection(plan).open()
    assert ports.n_read >= 0.1 * RATE
    store = np.concatenate(ports.written, axis=1)
    assert not store.any() and store.shape[0] == plan.n_channels
    assert 0.02 * RATE < store.shape[1] <= max(0.035 * RATE, 2 * plan.block) + plan.block


def test_devices_that_go_at_the_beginning_are_closed(plan, found, monkeypatch):
    opened = []

    def read(ports) -> None:
        opened.append(ports)
        raise GONE

    monkeypatch.setattr(FakePorts, "read", read)
    with pytest.raises(AudioError, match="no such device"):
        connection(plan).open()
    assert [ports.closed for ports in opened] == [True]


def test_a_stream_that_does_not_start_is_closed(monkeypatch):
    calls = []

    def start() -> None:
        raise ValueError("no")

    stream = SimpleNamespace(start=start, close=lambda: calls.append("close"))
    library = SimpleNamespace(PortAudioError=OSError, OutputStream=lambda **_: stream)
    monkeypatch.setattr(opening.devices, "portaudio", lambda: library)
    form = {"sample_rate": RATE, "n_channels": 2, "block": 512}
    with pytest.raises(AudioError, match="'headphones' cannot be opened"):
        opening.devices.Ports(source=None, target=device(2, "headphones"), **form)
    assert calls == ["close"]


def test_a_library_that_cannot_list_its_devices_is_an_error_of_sound(monkeypatch):
    """Else a session that waits for its devices would end, not wait."""

    class FaultError(Exception):
        """PortAudio's own."""

    def fail() -> None:
        raise FaultError("PortAudio not initialized [PaErrorCode -10000]")

    library = SimpleNamespace(PortAudioError=FaultError, query_hostapis=fail, query_devices=fail)
    monkeypatch.setattr(opening.devices, "portaudio", lambda: library)
    with pytest.raises(AudioError, match=r"cannot list the devices \(PortAudio not initialized"):
        opening.devices.list_devices()


def test_a_file_is_played_without_silence_before_it(plan, found):
    ports = connection(plan, capture=False).open()
    assert (ports.n_read, ports.written) == (0, [])
