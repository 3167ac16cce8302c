"""The low-latency way: the short synthesis through the separator, the cards, the plan and live."""

import json
import os
import time
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.blocks import stems_of
from helpers.live import RATE, plan_for, run, small_model
from helpers.maskers import Shelf
from helpers.sounds import noise, null_depth
from isolde.audio import write
from isolde.core.errors import AudioError, InputError, ModelError
from isolde.core.signal.spectrum import GRID_22
from isolde.live.control import console
from isolde.live.control.settings import LiveSettings
from isolde.live.io.devices import Device
from isolde.live.io.feeder import adapt
from isolde.live.stream.loop import Backlog, Loop
from isolde.models import catalogue
from isolde.separation.load import load_separator
from isolde.separation.settings import SeparationSettings
from isolde.separation.stages.separator import Separator

SHORT = SeparationSettings(synthesis="short")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return small_model(tmp_path_factory.mktemp("model"))


def short(masker: Shelf, rate: int = RATE, n_channels: int = 1) -> Separator:
    return Separator.with_masks(masker, sample_rate=rate, n_channels=n_channels, settings=SHORT)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
@pytest.mark.parametrize("n", [0, 1, 255, 512, 5000, 12345])
def test_stems_have_the_mixtures_length_and_sum_to_it(rate: int, n: int):
    audio = noise(2, n)
    stems = stems_of(short(Shelf(), rate, 2), audio, [1000, 1])
    assert all(stem.shape == audio.shape for stem in stems.values())
    # one float32 rounding each of the subtraction and the sum
    assert np.abs(sum(stems.values()) - audio).max(initial=0) < 2e-7


@settings(max_examples=20)
@given(
    n=st.integers(1, 12000),
    sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=4),
    rate=st.sampled_from([22050, 44100]),
)
def test_a_mask_of_ones_is_the_mixture_whatever_the_blocks(n: int, sizes: list[int], rate: int):
    """Perfect reconstruction through the whole separator, treble included."""
    audio = noise(1, n)
    vocals = stems_of(short(Shelf(edge=513), rate), audio, sizes)["vocals"]
    assert vocals.shape == audio.shape
    # float32 rounds at -144 dB of each value; two transforms cost a few bits
    assert null_depth(audio, vocals) < -120


@pytest.mark.parametrize("rate", [22050, 44100])
@pytest.mark.parametrize("look_ahead", [0, 3])
def test_declared_latency_is_the_true_one(rate: int, look_ahead: int):
    """An impulse fed sample by sample is out after `latency` at worst, and there it is needed."""
    worst, separator = 0, short(Shelf(edge=513, latency=look_ahead), rate)
    hop, latency = separator.estimator.grid.hop, separator.latency
    assert 1000 * latency / rate == pytest.approx(23.22 + 11.61 * look_ahead, abs=0.01)
    for place in (0, 1, hop // 2, hop - 1):
        separator.reset()
        k = 4 * hop + place
        head = np.zeros((1, k + latency - hop), np.float32)
        head[0, k] = 1
        out = [separator.feed(head)["vocals"]]
        fed = head.shape[1]
        while sum(block.shape[1] for block in out) <= k:
            out.append(separator.feed(np.zeros((1, 1), np.float32))["vocals"])
            fed += 1
        samples = np.concatenate(out, 1)[0]
        assert np.argmax(samples) == k and samples[k] == pytest.approx(1, abs=1e-5)
        worst = max(worst, fed - k)
    assert worst == latency


def test_a_tone_goes_where_the_mask_says():
    """As with the long synthesis, but its window leaks more: 40 dB instead of 50."""
    seconds = np.arange(RATE) / RATE
    low = 0.4 * np.sin(2 * np.pi * 500 * seconds)[None].astype(np.float32)
    high = 0.4 * np.sin(2 * np.pi * 3200 * seconds)[None].astype(np.float32)
    stems = stems_of(short(Shelf()), low + high, [3000])
    inner = slice(RATE // 10, -RATE // 10)
    assert null_depth(low[:, inner], stems["vocals"][:, inner]) < -40
    assert null_depth(high[:, inner], stems["accompaniment"][:, inner]) < -40


def test_reset_begins_anew():
    separator, audio = short(Shelf()), noise(1, 20000)
    first = stems_of(separator, audio, [999])["vocals"]
    separator.reset()
    np.testing.assert_array_equal(stems_of(separator, audio, [999])["vocals"], first)


def test_an_unknown_synthesis_is_refused():
    with pytest.raises(InputError, match="'brief' is unknown: take long or short"):
        SeparationSettings(synthesis="brief")


# --- cards


def test_old_cards_want_the_long_synthesis_and_still_load(model):
    path = catalogue.find(model).path.with_suffix(".json")
    values = json.loads(path.read_text())
    assert values.pop("grid")["synthesis"] == "long"
    path.write_text(json.dumps(values))
    assert catalogue.find(model).card.grid.synthesis == "long"
    for name in ("vocals", "rules"):
        separator = load_separator(name, sample_rate=RATE, n_channels=1)
        assert separator.estimator.grid.synthesis == "long"


def test_a_card_decides_unless_the_user_does(model, tmp_path):
    found = catalogue.find(model)
    signed = catalogue.save(
        tmp_path,
        replace(found.card, grid=replace(found.card.grid, synthesis="short")),
        found.path.read_bytes(),
    )
    assert catalogue.find(signed.path).card.grid.synthesis == "short"
    wants, other = (
        load_separator(signed.path, sample_rate=RATE, n_channels=2, synthesis=asked)
        for asked in (None, "long")
    )
    assert wants.estimator.grid.synthesis == "short" and other.estimator.grid.synthesis == "long"
    assert other.latency - wants.latency == 1024
    assert plan_for(str(signed.path)).settings.synthesis == "short"
    assert plan_for(str(signed.path), synthesis="long").settings.synthesis == "long"


def rewritten(model, folder, **changes) -> Path:
    """A copy of a model whose card says something else; None takes a field out."""
    found = catalogue.find(model)
    values = {**asdict(found.card), **changes}
    path = folder / "changed.json"
    path.write_text(json.dumps({k: v for k, v in values.items() if v is not None}))
    path.with_suffix(".onnx").write_bytes(found.path.read_bytes())
    return path


@pytest.mark.parametrize(
    "changes",
    [{"grid": {**asdict(GRID_22), "synthesis": "shorter"}}, {"grid": None, "synthesis": "shorter"}],
)
def test_a_card_from_the_future_is_refused(model, tmp_path, changes):
    path = rewritten(model, tmp_path, **changes)
    with pytest.raises(ModelError, match="synthesis 'shorter' is unknown: take long or short"):
        catalogue.find(path)


def test_a_kind_from_the_future_is_refused(model, tmp_path):
    path = rewritten(model, tmp_path, kind="oracle")
    with pytest.raises(ModelError, match="kind 'oracle', which this version does not know"):
        load_separator(path, sample_rate=RATE, n_channels=2)


def test_a_card_from_before_grids_still_loads(model, tmp_path):
    path = rewritten(model, tmp_path, grid=None, kind=None, synthesis="short")
    assert catalogue.find(path).card.grid == replace(GRID_22, synthesis="short")


# --- live


def settings_for(**asked) -> LiveSettings:
    """What the command line gives when nothing is asked for, but for `asked`."""
    nothing = dict.fromkeys(LiveSettings.__dataclass_fields__)
    usual = {"source": "", "low_latency": False}
    low = asked.get("low_latency", False)
    model = asked.pop("model", None) or console.usual_model(low_latency=low)
    usual["separation"] = SeparationSettings(model, synthesis=asked.pop("synthesis", None))
    return LiveSettings(**{**nothing, **usual, **asked})


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"block": 0}, "--block 0: give 1 or more"),
        ({"rate": 0}, "--rate 0: give 1000 Hz or more"),
        ({"rate": 48000}, "--rate has no meaning here, a wav names its own"),
        ({"channels": 1}, "--channels has no meaning here, a wav names its own"),
        ({"depth": 0}, "--depth has no meaning here, a pipe has no device"),
        ({"device_latency": 0.1, "raw": "s16le"}, "--device-latency has no meaning here"),
        ({"input_name": "3"}, "--input has no meaning here, the input is -"),
        ({"input_name": "3", "source": "a.wav"}, "--input has no meaning here, the input is a.wav"),
        ({"raw": "s16le", "source": "a.wav"}, "--raw has no meaning here, raw PCM goes from pipe"),
        ({"raw": "s16le", "output_name": "3"}, "--raw has no meaning here, raw PCM goes from pipe"),
        ({"raw": "u8"}, "--raw u8: give one of s16le, s32le, f32le"),
        ({"channels": 0}, "--channels 0: give 1 or more"),
        ({"channels": -1}, "--channels -1: give 1 or more"),
        ({"device_latency": float("nan")}, "--device-latency nan: give seconds above 0"),
        ({"device_latency": 0.0}, "--device-latency 0: give seconds above 0"),
        ({"stop_after": 0.0}, "--stop-after 0: give more than 0 s"),
        ({"start": -1.0}, "--start -1: give 0 or more"),
        ({"start": 3.0, "source": ""}, "--start 3: .* only with a song or a pipe"),
    ],
)
def test_what_no_session_has_is_refused_with_a_pipe_too(asked, message: str):
    with pytest.raises(InputError, match=message):
        settings_for(**{"source": "-", **asked})


def test_no_sound_goes_to_a_terminal(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(console.sys, "stdout", SimpleNamespace(isatty=lambda: True))
    with pytest.raises(InputError, match="standard output is a terminal"):
        console.run_pipe(settings_for(source="-"))


def test_a_song_of_more_channels_than_the_device_has_can_be_played_as_advised(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    write(tmp_path / "x.wav", noise(6, 1000), RATE)
    target = Device(0, "headphones", "ALSA", 0, 2, RATE, "")
    monkeypatch.setattr(console.devices, "find", lambda *_: target)
    with pytest.raises(InputError, match=r"not 6: give --channels (\d)$") as refused:
        console.run_devices(settings_for(source=str(tmp_path / "x.wav")))
    advised = int(str(refused.value)[-1])
    assert advised <= 2 and adapt(noise(6, 10), advised).shape == (advised, 10)


def test_a_named_pipe_is_opened_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Looking at it first would take its beginning away, or wait for ever."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    os.mkfifo(tmp_path / "pipe")
    asked = {}

    def session(plan, **settings):
        asked.update(settings, plan=plan)
        raise KeyboardInterrupt

    target = Device(0, "headphones", "ALSA", 0, 2, RATE, "")
    monkeypatch.setattr(console.devices, "find", lambda *_: target)
    monkeypatch.setattr(console, "info", lambda path: pytest.fail(f"{path} was looked at"))
    monkeypatch.setattr(console, "Live", session)
    with pytest.raises(KeyboardInterrupt):
        console.run_devices(settings_for(source=str(tmp_path / "pipe")))
    assert asked["source"] == tmp_path / "pipe"
    assert (asked["plan"].sample_rate, asked["plan"].n_channels) == (RATE, 2)


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt, 130), (AudioError, 2)])
def test_ctrl_c_has_its_code_also_when_a_driver_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error, code: int
):
    def fail() -> None:
        raise error("gone")

    def leave(number: int) -> None:
        raise SystemExit(number)

    mixer = SimpleNamespace(solo=lambda _: None, settle=lambda: None)
    session = SimpleNamespace(controls=SimpleNamespace(mixer=mixer), start=fail, stuck=True)
    session.close = lambda: None
    target = Device(0, "headphones", "ALSA", 0, 2, RATE, "")
    monkeypatch.setattr(console.devices, "find", lambda *_: target)
    monkeypatch.setattr(console, "Live", lambda plan, **_: session)
    monkeypatch.setattr(console.os, "_exit", leave)
    write(tmp_path / "x.wav", noise(2, 1000), RATE)
    with pytest.raises(SystemExit) as left:
        console.run_devices(settings_for(source=str(tmp_path / "x.wav"), play="vocals"))
    assert left.value.code == code


def test_low_latency_is_a_model_and_no_block_to_compute_in(model):
    def plan(**asked):
        return console._plan(settings_for(**asked), sample_rate=RATE, n_channels=2, frames=1)

    usual, low = plan(), plan(low_latency=True)
    assert (usual.settings.model, usual.depth, usual.settings.synthesis) == ("vocals", 8, "long")
    assert (low.settings.model, low.depth, low.settings.synthesis) == ("vocals-live", 0, "short")
    other = plan(low_latency=True, model=model, depth=2, synthesis="long")
    assert (other.settings.model, other.depth, other.settings.synthesis) == (model, 2, "long")


def test_the_shipped_low_latency_model_is_under_60_ms():
    """And it keeps a shipped model's promises (tests/test_separator.py asks every one)."""
    card = catalogue.find(catalogue.LOW_LATENCY).card
    separator = load_separator(catalogue.LOW_LATENCY, sample_rate=RATE, n_channels=2)
    assert separator.estimator.grid.synthesis == card.grid.synthesis == "short"
    assert separator.latency / RATE < 0.060
    assert card.metrics["latency, ms"] == pytest.approx(1000 * separator.latency / RATE, abs=0.01)


@pytest.mark.parametrize("depth", [0, 1])
@pytest.mark.parametrize("on_stems", [True, False])
@pytest.mark.parametrize("caught_up", [True, False])
def test_a_worker_that_is_behind_is_not_waited_for(depth, on_stems, caught_up):
    """In overload waiting starves the device; with a depth of 0 it is the way back to stems."""
    plan = plan_for("vocals", block=512, depth=depth)
    mixer = SimpleNamespace(on_stems=on_stems)
    pipeline = SimpleNamespace(mixer=mixer, caught_up=not caught_up)
    pipeline.collect = lambda: setattr(pipeline, "caught_up", caught_up)
    loop = Loop(plan, pipeline, follows=True)
    patience = loop._patience(SimpleNamespace(queued=(0, 1024)))
    if on_stems:  # as long as the output has enough to play
        assert patience == pytest.approx(1024 / RATE - 0.003)
    else:
        assert patience == pytest.approx(0.6 * 512 / RATE if depth == 0 and caught_up else 0)


def test_caught_up_is_all_but_the_newest_block(model, started):
    plan = plan_for(model, block=512, depth=0, synthesis="short")
    pipeline = started(plan)
    run(pipeline, noise(2, RATE // 2))  # patiently, so all stems are there
    assert pipeline.caught_up
    pipeline.push(noise(2, 512))
    pipeline.pull(512)  # not waited for, but it was the newest only
    pipeline.push(noise(2, 512))
    pipeline.available = pipeline.position + plan.reserve - 1
    assert not pipeline.caught_up


class FakePorts:
    """Devices without sound: a block of noise as soon as the worker has done all before it."""

    latency, queued, room = (0.01, 0.01), (0, 0), 4096

    def __init__(self, pipeline, deadline):
        self.pipeline, self.deadline, self.worker_has_time = pipeline, deadline, True

    def read(self):
        engine, plan = self.pipeline.engine, self.pipeline.plan
        while self.worker_has_time and time.monotonic() < self.deadline:
            if engine.stems.written >= engine.mixture.written - plan.lag:
                break
            time.sleep(0.001)
        return noise(plan.n_channels, plan.block), False

    def write(self, block):
        return False


def test_at_depth_0_stems_come_back_when_the_worker_has_time_again(model, started):
    plan = plan_for(model, block=512, depth=0, synthesis="short")
    pipeline = started(plan)
    loop = Loop(plan, pipeline, follows=True)
    deadline = time.monotonic() + 60
    loop.ports = ports = FakePorts(pipeline, deadline)

    def go_on_until(on_stems):
        while pipeline.mixer.on_stems != on_stems and time.monotonic() < deadline:
            loop.step()
        assert pipeline.mixer.on_stems == on_stems

    go_on_until(True)
    ports.worker_has_time = False  # blocks as fast as they can be pushed
    loop._patience = lambda ports: 0.0
    go_on_until(False)
    del loop._patience
    ports.worker_has_time = True
    go_on_until(True)
    assert pipeline.counts.dropouts >= 1 and pipeline.counts.lost == 0


# --- the devices' queues


def test_a_queue_that_has_grown_for_good_is_told_once():
    backlog, told = Backlog(sample_rate=RATE, block=512), []
    assert np.isnan(backlog.samples)
    for step in range(600):
        if backlog.has_grown():
            told.append(step)
        if backlog.is_due():
            backlog.look(4000 if 300 <= step else 1000)
    assert len(told) >= 1 and 300 < told[0] <= 300 + 8 * 7
    assert all(later - earlier >= 8 * 6 for earlier, later in pairwise(told))
    assert backlog.samples == 4000


def test_the_queue_of_devices_that_come_back_is_a_new_one():
    """It may be longer than that of the devices before, for good: nothing is left out for it."""
    pipeline = SimpleNamespace(mixer=None)
    loop = Loop(plan_for("vocals", block=512), pipeline, follows=True)
    for samples in (1000, 4000):
        loop.use(SimpleNamespace(queued=(samples, 0)))
        for _ in range(400):
            assert not loop._backlog.has_grown()
            if loop._backlog.is_due():
                loop._backlog.look(samples)
    assert loop._backlog.samples == 4000


def test_a_queue_that_swings_is_left_alone():
    backlog = Backlog(sample_rate=RATE, block=512)
    for step in range(4000):
        assert not backlog.has_grown()
        if backlog.is_due():
            backlog.look(1000 if step // 8 % 5 == 0 else 3500)
