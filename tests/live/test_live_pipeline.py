"""A live session without devices: through the real worker process, with and without its answers."""

import errno
import io
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections import deque
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from helpers.live import ENVIRONMENT, LOOK_AHEAD, PATIENCE, RATE, plan_for, run, small_model
from helpers.sounds import noise, null_depth
from isolde.audio import info, read, write
from isolde.core.errors import AudioError, InputError, ModelError
from isolde.live.io.feeder import Feeder
from isolde.live.io.pipes import Filter, pipe_wav
from isolde.live.io.recorder import Recorder
from isolde.live.worker.engine import Engine
from isolde.live.worker.process import load
from isolde.separation.load import load_separator, separate


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return small_model(tmp_path_factory.mktemp("model"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "frames, depth, synthesis", [(1, 0, "long"), (1, 0, "short"), (1, 1, "long"), (4, 2, "long")]
)
def test_live_is_offline_shifted_by_the_declared_delay(model, started, frames, depth, synthesis):
    audio = noise(2, 2 * RATE)
    plan = plan_for(model, block=512 * frames, depth=depth, synthesis=synthesis)
    pipeline = started(plan)
    heard = run(pipeline, audio)[:, plan.delay :]
    n = heard.shape[1]
    assert n > 1.9 * RATE
    begun = plan.ramp + plan.block  # fading in from the mixture
    separator = load_separator(model, sample_rate=RATE, n_channels=2, synthesis=synthesis)
    offline = separator.whole(audio)["vocals"]
    offline = np.pad(offline, ((0, 0), (0, 4 * plan.block)))[:, :n]
    # The same arithmetic in other portions: float32 rounding only.
    inside = slice(begun, min(n, audio.shape[1]) - plan.delay)
    assert null_depth(offline[:, inside], heard[:, inside]) < -120
    assert pipeline.counts.late == pipeline.counts.lost == 0
    assert pipeline.load.n > 0 and 0 < pipeline.activity < 1


@pytest.mark.parametrize("synthesis", ["long", "short"])
def test_the_plan_declares_no_more_than_is_needed(model, synthesis):
    """Fed whole blocks, the stems come after exactly `lag`: a sample less would not do."""
    for block in (128, 512, 768, 2048):
        plan = plan_for(model, block=block, synthesis=synthesis)
        separator, _ = load(plan)
        given = taken = worst = 0
        while given < 4 * plan.lag:
            taken += separator.feed(np.zeros((2, block), np.float32))["vocals"].shape[1]
            given += block
            worst = max(worst, given - taken if taken else 0)
        assert worst == plan.lag
    # Grid 2048/512, two frames of look-ahead: 185.8 ms would be twelve.
    window = {"long": 2048, "short": 1024}[synthesis]
    assert plan_for(model, block=512, synthesis=synthesis).lag == window + LOOK_AHEAD * 512 - 512


@pytest.mark.slow
@pytest.mark.parametrize("rate, n_channels", [(48000, 1), (22050, 2), (8000, 3)])
def test_other_rates_and_channels_go_through_the_same_delay(model, started, rate, n_channels):
    plan = plan_for(model, sample_rate=rate, n_channels=n_channels)
    pipeline = started(plan)
    audio = noise(n_channels, rate)
    pipeline.mixer.solo("mix")
    pipeline.mixer.settle()
    heard = run(pipeline, audio)[:, plan.delay :]
    # vocals + accompaniment is the mixture, whatever the model thinks
    assert null_depth(audio[:, : heard.shape[1]], heard[:, : audio.shape[1]]) < -120
    assert pipeline.counts.late == 0


def test_late_stems_fade_to_the_mixture_in_time_and_back(model, started):
    """The worker is held by a signal: what is heard turns into the mixture, without a click."""
    if not hasattr(signal, "SIGSTOP"):
        pytest.skip("this system has no SIGSTOP")
    t = np.arange(2 * RATE) / RATE
    audio = np.stack([0.5 * np.sin(2 * np.pi * 220 * t)] * 2).astype(np.float32)
    plan = plan_for(model)
    pipeline = started(plan)
    pipeline.mixer.solo("accompaniment")
    pipeline.mixer.settle()
    block, heard = plan.block, []
    pid = pipeline.engine.pid
    try:
        for k in range(audio.shape[1] // block):
            if k == 60:
                os.kill(pid, signal.SIGSTOP)
            if k == 100:
                os.kill(pid, signal.SIGCONT)
            pipeline.push(audio[:, k * block : (k + 1) * block])
            heard.append(pipeline.pull(block, patience=0 if 60 <= k < 100 else PATIENCE))
    finally:
        os.kill(pid, signal.SIGCONT)
    out = np.concatenate(heard, 1)[:, plan.delay :]
    n = out.shape[1]
    offline = separate(audio, sample_rate=RATE, model=model)["accompaniment"][:, :n]
    # (The answer to block 59 may or may not have come when the worker was stopped.)
    held = slice(65 * block - plan.delay, 99 * block - plan.delay)
    np.testing.assert_allclose(out[:, held], audio[:, held], atol=1e-6)
    for inside in (slice(RATE // 10, 59 * block - plan.delay), slice(110 * block, n - plan.delay)):
        assert null_depth(offline[:, inside], out[:, inside]) < -90
    assert pipeline.counts.dropouts == 1 and 38 <= pipeline.counts.late <= 40
    # No click: no step beyond the sine's own and the cross-fade's.
    own = 0.5 * 2 * np.pi * 220 / RATE
    beyond = np.abs(np.diff(out[0, RATE // 10 :])).max()
    assert beyond < own + 0.5 / plan.reserve + 0.01


def test_the_record_is_complete_even_where_playing_was_late(model, started, tmp_path):
    audio = noise(2, RATE)
    plan = plan_for(model)
    pipeline = started(plan)
    recorder = Recorder(tmp_path / "out", pipeline, mixture=True)
    run(pipeline, audio, patience=0.0)  # as fast as it goes: nearly all is late
    assert pipeline.counts.late > 20
    pipeline.finish()
    recorder.played.append((pipeline.position, pipeline.engine.mixture.written))
    recorder.close(patience=60)
    assert recorder.n_lost == 0
    mixture, _ = read(tmp_path / "out" / "mixture.wav")
    np.testing.assert_array_equal(mixture[:, :RATE], audio)
    offline = separate(mixture, sample_rate=RATE, model=model)
    for stem, wanted in offline.items():
        got, rate = read(tmp_path / "out" / f"{stem}.wav")
        assert rate == RATE and got.shape == wanted.shape
        assert null_depth(wanted, got) < -120


def test_a_record_keeps_the_stems_before_a_seek(model, started, tmp_path):
    """And a stem that is played fades out at the seek; the mixture is not played in its place."""
    first, second = noise(2, RATE), noise(2, RATE // 2)
    plan = plan_for(model)
    pipeline = started(plan, follow=False)
    recorder = Recorder(tmp_path / "out", pipeline, mixture=False)
    pipeline.push(first)
    for _ in range(40):
        pipeline.pull(plan.block, patience=PATIENCE)
    sought = pipeline.position + plan.block  # the block that fades out is the last of the song
    written = pipeline.engine.mixture.written
    pipeline.begin_anew()
    deadline = time.monotonic() + PATIENCE
    while pipeline.engine.stems.written < written and time.monotonic() < deadline:
        time.sleep(0.01)  # the worker has begun the new stream before the next block is pulled
    faded = pipeline.pull(plan.block)
    pipeline.push(second)
    pipeline.finish()
    while not pipeline.ended:
        pipeline.pull(plan.block, patience=PATIENCE)
    recorder.close()
    assert recorder.n_lost == 0
    parts = [separate(x, sample_rate=RATE, model=model) for x in (first, second)]
    ramp = 1 - np.arange(1, plan.block + 1, dtype=np.float32) / plan.block
    assert null_depth(ramp * parts[0]["vocals"][:, sought - plan.block : sought], faded) < -90
    for stem in plan.stems:
        got, _ = read(tmp_path / "out" / f"{stem}.wav")
        wanted = np.concatenate([parts[0][stem][:, :sought], parts[1][stem]], axis=1)
        assert got.shape == wanted.shape and null_depth(wanted, got) < -110


def test_two_seeks_at_once_play_and_record_nothing_twice(model, started):
    plan = plan_for(model)
    pipeline = started(plan, follow=False)
    pipeline.played = deque()
    pipeline.push(noise(2, RATE))
    for _ in range(20):
        pipeline.pull(plan.block, patience=PATIENCE)
    for _ in range(3):
        pipeline.begin_anew()
        pipeline.pull(plan.block)
    pipeline.push(noise(2, RATE // 2))
    pipeline.finish()
    while not pipeline.ended:
        pipeline.pull(plan.block, patience=PATIENCE)
    ranges = list(pipeline.played)
    assert all(a[1] <= b[0] for a, b in pairwise(ranges))
    assert ranges[-1][1] == RATE + RATE // 2 and pipeline.counts.lost == 0


def test_a_seek_just_before_the_end_plays_and_records_nothing_of_the_new_stream_twice(
    model, started
):
    plan = plan_for(model)
    pipeline = started(plan, follow=False)
    pipeline.played = deque()
    end = 20 * plan.block + 100
    pipeline.push(noise(2, end))
    pipeline.finish()
    for _ in range(20):
        pipeline.pull(plan.block, patience=PATIENCE)
    pipeline.begin_anew()
    pipeline.push(noise(2, RATE // 2))  # the feeder is quicker than the device
    assert not pipeline.pull(plan.block)[:, 100:].any()
    pipeline.finish()
    while not pipeline.ended:
        pipeline.pull(plan.block, patience=PATIENCE)
    ranges = list(pipeline.played)
    assert all(a[1] <= b[0] for a, b in pairwise(ranges))
    assert (20 * plan.block, end) in ranges and ranges[-1][1] == end + RATE // 2


def test_after_a_seek_the_end_of_the_stream_before_is_no_reason_not_to_wait(model, started):
    plan = plan_for(model)
    pipeline = started(plan, follow=False)
    pipeline.push(noise(2, RATE))
    pipeline.finish()
    deadline = time.monotonic() + PATIENCE
    while pipeline.engine.stems.written < RATE and time.monotonic() < deadline:
        time.sleep(0.01)
    pipeline.begin_anew()
    pipeline.pull(plan.block)  # it fades out
    pipeline.push(noise(2, RATE))
    pipeline.finish()
    pipeline.pull(plan.block, patience=PATIENCE)
    pipeline.pull(plan.block, patience=PATIENCE)
    assert pipeline.mixer.on_stems


def test_a_recording_that_fails_says_so_at_once_and_leaves_nothing(model, started, tmp_path):
    pipeline, told = started(plan_for(model), follow=False), []
    recorder = Recorder(tmp_path / "out", pipeline, mixture=False, note=told.append)

    def fail(parts) -> None:
        raise AudioError("the disk is full")

    recorder._files.write = fail
    pipeline.push(noise(2, RATE))
    deadline = time.monotonic() + PATIENCE
    while not told and time.monotonic() < deadline:
        pipeline.pull(pipeline.plan.block, patience=1.0)
    assert told == ["the recording has stopped: the disk is full"] and pipeline.played is None
    with pytest.raises(AudioError, match="disk is full"):
        recorder.close()
    assert not (tmp_path / "out").exists()


def test_a_record_whose_worker_hangs_is_complete_after_the_patience(model, started, tmp_path):
    """With silence for what never came; and nothing is waited for that nobody played."""
    if not hasattr(signal, "SIGSTOP"):
        pytest.skip("this system has no SIGSTOP")
    pipeline = started(plan_for(model))
    empty = Recorder(tmp_path / "empty", pipeline, mixture=True)
    empty.played.append((0, 0))
    began = time.monotonic()
    empty.close()
    assert time.monotonic() - began < 5
    recorder = Recorder(tmp_path / "out", pipeline, mixture=True)
    os.kill(pipeline.engine.pid, signal.SIGSTOP)
    try:
        pipeline.push(noise(2, 20_000))
        recorder.played.append((0, 20_000))
        recorder.close(patience=0.5)
    finally:
        os.kill(pipeline.engine.pid, signal.SIGCONT)
    assert recorder.n_samples == 20_000 >= recorder.n_lost > 0
    lengths = {info(path).n_samples for path in (tmp_path / "out").iterdir()}
    assert lengths == {20_000}


def test_a_file_plays_from_its_first_sample_and_ends_with_its_last(model, started):
    audio = noise(2, RATE + 77)
    plan = plan_for(model, block=2048)
    pipeline = started(plan, follow=False)
    pipeline.push(audio)
    pipeline.finish()
    heard = []
    while not pipeline.ended:
        heard.append(pipeline.pull(plan.block, patience=PATIENCE))
    out = np.concatenate(heard, 1)
    offline = separate(audio, sample_rate=RATE, model=model)["vocals"]
    begun = plan.ramp
    n = audio.shape[1]
    assert null_depth(offline[:, begun:], out[:, begun:n]) < -120
    assert not out[:, n:].any() and out.shape[1] - n < plan.block
    assert pipeline.counts.starved == 0


def test_a_source_that_runs_dry_is_silence_and_counted_and_nothing_is_skipped(model, started):
    audio = noise(2, RATE, peak=0.3)
    plan = plan_for(model)
    pipeline = started(plan, follow=False)
    pipeline.mixer.solo("mix")
    half = RATE // 2
    heard = []
    pipeline.push(audio[:, :half])
    for _ in range(60):
        heard.append(pipeline.pull(plan.block, patience=2.0))
    assert pipeline.counts.starved == 1
    assert not heard[-1].any()
    pipeline.push(audio[:, half:])
    pipeline.finish()
    while not pipeline.ended:
        heard.append(pipeline.pull(plan.block, patience=PATIENCE))
    out = np.concatenate(heard, 1)[0]
    # The tail is the tail of the song: the pause has moved it, and lost none of it.
    tail = audio[0, -RATE // 4 :]
    shifts = np.correlate(out, tail, "valid")
    at = int(np.argmax(shifts))
    assert null_depth(tail, out[at : at + tail.size]) < -100


def test_what_fades_out_when_a_source_runs_dry_is_in_the_record_too(model, started):
    plan = plan_for(model)
    pipeline = started(plan, follow=False)
    pipeline.played = deque()
    for _ in range(3):
        pipeline.push(noise(2, RATE // 2))
        for _ in range(60):
            pipeline.pull(plan.block, patience=2.0)
    pipeline.finish()
    while not pipeline.ended:
        pipeline.pull(plan.block, patience=2.0)
    assert pipeline.counts.starved == 3
    starts, stops = zip(*pipeline.played, strict=True)
    assert (starts[0], *stops) == (*starts, 3 * (RATE // 2))  # without gaps, and to the end


def test_a_pause_before_anything_is_there_leaves_nothing_out(model, started):
    plan = plan_for(model)
    pipeline = started(plan, follow=False)
    pipeline.mixer.solo("mix")
    pipeline.mixer.settle()
    pipeline.paused = True
    quiet = [pipeline.pull(plan.block) for _ in range(4)]
    pipeline.push(noise(2, RATE))
    quiet += [pipeline.pull(plan.block) for _ in range(4)]
    assert not np.concatenate(quiet).any()
    assert pipeline.position == pipeline.counts.lost == 0
    pipeline.paused = False
    assert pipeline.pull(plan.block).any() and pipeline.position == plan.block


@pytest.mark.parametrize("rate", [1000, 4000])
def test_a_song_of_the_lowest_rates_is_played_to_its_end(model, started, tmp_path, rate):
    n = 9 * rate
    write(tmp_path / "x.wav", noise(2, n), rate, subtype="FLOAT")
    plan = plan_for(model, sample_rate=rate)
    pipeline = started(plan, follow=False)
    feeder = Feeder(tmp_path / "x.wav", pipeline, start=0.0)
    feeder.start()
    deadline = time.monotonic() + 30
    while not pipeline.ended and time.monotonic() < deadline:
        pipeline.pull(plan.block)
        time.sleep(0.002)
    feeder.close()
    assert pipeline.ended and pipeline.position == n


def test_in_a_pause_the_position_is_what_was_sought(model, started, tmp_path):
    write(tmp_path / "x.wav", noise(2, 4 * RATE), RATE)
    plan = plan_for(model)
    pipeline = started(plan, follow=False)
    feeder = Feeder(tmp_path / "x.wav", pipeline, start=0.0)
    feeder.start()
    deadline = time.monotonic() + 30
    while pipeline.position < RATE // 4 and time.monotonic() < deadline:
        pipeline.pull(plan.block)
        time.sleep(0.002)
    pipeline.paused = True
    for _ in range(10):
        pipeline.pull(plan.block)
    for seconds in (3.0, 2.0):
        feeder.seek(seconds)
        while pipeline.position + feeder.offset != seconds * RATE and time.monotonic() < deadline:
            pipeline.pull(plan.block)
            time.sleep(0.002)
        assert pipeline.position + feeder.offset == seconds * RATE
    feeder.close()


def play(pipeline, feeder, seconds=30.0):
    """Pull until the song has ended."""
    deadline = time.monotonic() + seconds
    while not pipeline.ended and time.monotonic() < deadline:
        pipeline.pull(pipeline.plan.block)
        time.sleep(0.001)
    assert pipeline.ended


def test_the_time_after_a_seek_is_the_one_that_was_sought_from_the_first_moment(
    model, started, tmp_path
):
    """So that a key that is pressed five times moves by five steps."""
    write(tmp_path / "x.wav", noise(2, 4 * RATE), RATE)
    pipeline = started(plan_for(model), follow=False)
    feeder = Feeder(tmp_path / "x.wav", pipeline, start=0.5)
    assert feeder.seconds == 0.5
    feeder.start()
    for seconds in (1.5, 2.5, 3.5):
        feeder.seek(seconds)
        for _ in range(20):
            assert feeder.seconds == pytest.approx(seconds, abs=1e-4)
            time.sleep(0.005)
    play(pipeline, feeder)
    assert feeder.seconds == pytest.approx(4.0, abs=1e-3)
    feeder.close()


def test_a_seek_beyond_the_end_of_a_song_that_claims_more_ends_it(model, started, tmp_path):
    write(tmp_path / "whole.mp3", noise(2, 8 * RATE), RATE)
    data = (tmp_path / "whole.mp3").read_bytes()
    (tmp_path / "cut.mp3").write_bytes(data[: len(data) // 2])
    pipeline = started(plan_for(model), follow=False)
    feeder = Feeder(tmp_path / "cut.mp3", pipeline, start=0.0)
    feeder.start()
    feeder.seek(7.0)
    play(pipeline, feeder)
    assert feeder.error is None
    feeder.close()


def test_a_named_pipe_is_played_and_cannot_be_sought_in(model, started, tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    write(tmp_path / "x.wav", noise(2, RATE), RATE)
    os.mkfifo(tmp_path / "pipe")
    data = (tmp_path / "x.wav").read_bytes()
    threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(data,), daemon=True).start()
    pipeline = started(plan_for(model), follow=False)
    feeder = Feeder(tmp_path / "pipe", pipeline, start=0.0)
    assert not feeder.can_seek
    feeder.start()
    play(pipeline, feeder)
    assert pipeline.position == RATE
    feeder.close()


def test_a_fault_while_reading_ends_the_song_with_its_error(model, started, tmp_path, monkeypatch):
    write(tmp_path / "x.wav", noise(2, RATE), RATE)
    pipeline = started(plan_for(model), follow=False)
    feeder = Feeder(tmp_path / "x.wav", pipeline, start=0.0)

    def fail(block) -> None:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(pipeline, "push", fail)
    feeder.start()
    play(pipeline, feeder)
    assert isinstance(feeder.error, ZeroDivisionError)
    feeder.close()


def test_seek_leaves_nothing_of_the_past_and_does_not_click(model, started):
    n = RATE
    t = np.arange(2 * n) / RATE
    low = np.stack([0.4 * np.sin(2 * np.pi * 150 * t[:n])] * 2).astype(np.float32)
    high = np.stack([0.4 * np.sin(2 * np.pi * 300 * t)] * 2).astype(np.float32)
    plan = plan_for(model)
    pipeline = started(plan, follow=False)
    pipeline.mixer.solo("mix")
    pipeline.push(low)
    heard = [pipeline.pull(plan.block, patience=PATIENCE) for _ in range(20)]
    pipeline.begin_anew()
    assert pipeline.room(1000) == 1000
    pipeline.push(high)
    pipeline.finish()
    while not pipeline.ended:
        heard.append(pipeline.pull(plan.block, patience=PATIENCE))
    out = np.concatenate(heard, 1)[0]
    after = 24 * plan.block
    assert len(out) - after < high.shape[1]
    spectrum = np.abs(np.fft.rfft(out[after : after + n] * np.hanning(n)))
    assert spectrum[300] > 1000 * spectrum[150]
    assert np.abs(np.diff(out)).max() < 0.4 * 2 * np.pi * 300 / RATE + 0.4 / plan.block * 2
    assert pipeline.counts.late == 0


def test_leaving_a_block_out_moves_the_sound_ahead_without_a_click(model, started):
    t = np.arange(RATE) / RATE
    audio = np.stack([0.5 * np.sin(2 * np.pi * 220 * t)] * 2).astype(np.float32)
    plan = plan_for(model)
    pipeline = started(plan)
    pipeline.mixer.solo("mix")
    block, heard, pushed = plan.block, [], 0
    while pushed + 2 * block <= audio.shape[1]:
        if len(heard) == 40:
            pipeline.push(audio[:, pushed : pushed + block])
            pushed += block
            pipeline.skip(block)
        pipeline.push(audio[:, pushed : pushed + block])
        pushed += block
        heard.append(pipeline.pull(block, patience=PATIENCE))
        # The plan's delay holds before and after.
        assert pipeline.position == pushed - plan.delay
    assert pipeline.counts.slips == 1 and pipeline.counts.late == 0
    out = np.concatenate(heard, 1)[0]
    after = out[45 * block :]
    k = (45 + 1) * block - plan.delay
    np.testing.assert_allclose(after, audio[0, k : k + after.size], atol=1e-6)
    beyond = np.abs(np.diff(out[RATE // 5 :])).max()
    assert beyond < 0.5 * 2 * np.pi * 220 / RATE + 0.5 / block * 1.1


def test_a_worker_that_was_lapped_says_so_and_goes_on(model, started):
    plan = plan_for(model, seconds=1.0)
    pipeline = started(plan)
    os.kill(pipeline.engine.pid, signal.SIGSTOP)
    audio = noise(2, 4 * RATE)
    block = plan.block
    for at in range(0, 3 * RATE, block):
        pipeline.push(audio[:, at : at + block])
        pipeline.pull(block)
    os.kill(pipeline.engine.pid, signal.SIGCONT)
    deadline = time.monotonic() + PATIENCE
    while not pipeline.counts.lost and time.monotonic() < deadline:
        pipeline.collect(0.1)
    assert pipeline.counts.lost >= 1
    heard = []
    for at in range(3 * RATE // block * block, 4 * RATE - block, block):
        pipeline.push(audio[:, at : at + block])
        heard.append(pipeline.pull(block, patience=2.0))
    assert pipeline.mixer.on_stems  # recovered


def test_a_worker_that_dies_is_an_error_and_not_a_hang(model, started):
    pipeline = started(plan_for(model))
    os.kill(pipeline.engine.pid, signal.SIGTERM)
    with pytest.raises(ModelError, match="process has ended"):
        for _ in range(100):
            pipeline.push(np.zeros((2, 512), np.float32))
            pipeline.pull(512, patience=0.2)


def test_a_damaged_model_is_one_line_from_the_other_process(model, tmp_path):
    for suffix in (".onnx", ".json"):
        (tmp_path / f"bad{suffix}").write_bytes(Path(model).with_suffix(suffix).read_bytes())
    (tmp_path / "bad.onnx").write_bytes(b"nonsense")
    engine = Engine(plan_for(tmp_path / "bad.onnx"))
    try:
        with pytest.raises(ModelError, match="checksum is not the card's"):
            while True:
                engine.news(1.0)
    finally:
        engine.close()


def test_the_worker_says_what_is_wrong_in_any_folder(model, tmp_path, monkeypatch):
    """In one whose name is not UTF-8, and in one whose modules have the names of Python's."""
    try:
        folder = tmp_path / os.fsdecode(b"\xff")
        folder.mkdir()
    except OSError:
        pytest.skip("this system's names are all UTF-8")
    for suffix in (".onnx", ".json"):
        (folder / f"bad{suffix}").write_bytes(Path(model).with_suffix(suffix).read_bytes())
    (folder / "bad.onnx").write_bytes(b"nonsense")
    (folder / "struct.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(folder)
    engine = Engine(plan_for(folder / "bad.onnx"))
    try:
        with pytest.raises(ModelError, match="checksum is not the card's"):
            while True:
                engine.news(1.0)
    finally:
        engine.close()


def test_the_worker_ends_when_we_do(model):
    code = (
        "import sys, time; from isolde.live.plan import make_plan; "
        "from isolde.separation import SeparationSettings; "
        "from isolde.live.worker.engine import Engine; "
        "plan = make_plan(SeparationSettings(sys.argv[1]), sample_rate=44100, n_channels=1); "
        "e = Engine(plan)\nwhile not e.news(1.0): pass\n"
        "print(e.pid, e._memory.path, flush=True); time.sleep(60)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, model], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
    )
    assert child.stdout is not None
    pid, path = child.stdout.readline().split()
    assert not os.path.exists(path)  # its name is gone as soon as both have it
    child.kill()
    child.wait()
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            state = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0]
        except OSError:
            break
        if state == "Z":
            break
        time.sleep(0.1)
    else:
        raise AssertionError(f"worker {pid} outlives its parent")


def test_strength_changes_while_it_runs_and_ends_as_offline(model, started):
    audio = noise(2, 2 * RATE)
    pipeline = started(plan_for(model))
    pipeline.set_strength(2.0)
    heard = run(pipeline, audio)[:, pipeline.plan.delay :]
    offline = separate(audio, sample_rate=RATE, model=model, strength=2.0)["vocals"]
    inside = slice(RATE // 2, 2 * RATE - pipeline.plan.delay)
    assert null_depth(offline[:, inside], heard[:, inside]) < -120
    with pytest.raises(InputError, match="strength 0"):
        pipeline.set_strength(0)


@pytest.mark.slow
def test_memory_stays_flat(model, started):
    """Half a minute of sound, as fast as it goes, and the worker has grown by less than 2 MB."""
    if not os.path.exists("/proc/self/statm"):
        pytest.skip("this system has no /proc")
    pipeline = started(plan_for(model, block=2048, seconds=4.0))
    block = noise(2, 2048)

    def resident(pid):
        pages = int(open(f"/proc/{pid}/statm").read().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    sizes = []
    for k in range(640):
        pipeline.push(block)
        pipeline.pull(2048, patience=PATIENCE)
        if k in (200, 639):  # the tapes have been round once by 200
            sizes.append((resident(os.getpid()), resident(pipeline.engine.pid)))
    for before, after in zip(*sizes, strict=True):
        assert after - before < 2.0


# --- pipes -------------------------------------------------------------------------------------


def test_a_wav_pipe_is_the_offline_stem_in_the_same_format(model, tmp_path):
    audio = noise(2, RATE + 5)
    source, target = io.BytesIO(), io.BytesIO()
    write(source, audio, RATE, subtype="FLOAT")
    source.seek(0)
    made = pipe_wav(
        lambda rate, n: Filter(plan_for(model, sample_rate=rate, n_channels=n), record=tmp_path),
        source,
        target,
    )
    assert made.status().position == pytest.approx(audio.shape[1] / RATE)
    target.seek(0)
    got, rate = read(target)
    offline = separate(audio, sample_rate=RATE, model=model)
    assert rate == RATE and got.shape == audio.shape
    assert null_depth(offline["vocals"], got) < -120
    recorded, _ = read(tmp_path / "accompaniment.wav")
    assert null_depth(offline["accompaniment"], recorded) < -120


def test_a_pipe_and_a_song_tell_what_is_wrong_with_the_sound(model, started, tmp_path):
    audio = noise(2, 5000)
    audio[0, 100] = np.nan
    soundfile.write(tmp_path / "x.wav", audio.T, RATE, subtype="FLOAT")
    with (tmp_path / "x.wav").open("rb") as source:
        made = pipe_wav(lambda *_: Filter(plan_for(model)), source, io.BytesIO())
    assert [note for note in made.notes if "1 samples are NaN" in note]
    told: list[str] = []
    pipeline = started(plan_for(model), follow=False)
    feeder = Feeder(tmp_path / "x.wav", pipeline, start=0.0, note=told.append)
    feeder.start()
    deadline = time.monotonic() + 30
    while not told and time.monotonic() < deadline:
        time.sleep(0.02)
    feeder.close()
    assert len(told) == 1 and "1 samples are NaN" in told[0]


@pytest.mark.parametrize(
    ("error", "kept"), [(KeyboardInterrupt, True), (BrokenPipeError, True), (AudioError, False)]
)
def test_the_record_of_a_pipe_is_complete_at_ctrl_c(model, tmp_path, error, kept: bool):
    def blocks():
        for _ in range(20):
            yield noise(2, 4096)
        raise error

    with pytest.raises(error), Filter(plan_for(model), record=tmp_path / "stems") as made:
        for _ in made.run(blocks()):
            pass
    assert (tmp_path / "stems").exists() == kept
    if kept:
        lengths = {info(path).n_samples for path in (tmp_path / "stems").iterdir()}
        assert len(lengths) == 1 and lengths.pop() > 19 * 4096 - made.plan.lag


def test_the_record_of_a_wav_pipe_is_complete_when_nobody_reads_its_output(model, tmp_path):
    class Left(io.BytesIO):
        """A pipe whose reader leaves after 100,000 bytes."""

        def write(self, data) -> int:
            if self.tell() > 100_000:
                raise BrokenPipeError(errno.EPIPE, "Broken pipe")
            return super().write(data)

    source = io.BytesIO()
    write(source, noise(2, 3 * RATE), RATE)
    source.seek(0)
    with pytest.raises(AudioError, match="the program that reads the pipe has ended"):
        pipe_wav(lambda *_: Filter(plan_for(model), record=tmp_path / "stems"), source, Left())
    lengths = {info(path).n_samples for path in (tmp_path / "stems").iterdir()}
    assert len(lengths) == 1 and 20_000 < lengths.pop() < 3 * RATE


@pytest.mark.parametrize("block", [512, 2048])
def test_a_wav_pipe_reads_the_blocks_of_the_plan(model, block: int, monkeypatch):
    sizes = []
    feed = Filter.feed
    monkeypatch.setattr(
        Filter, "feed", lambda made, x: (sizes.append(x.shape[1]), feed(made, x))[1]
    )
    source = io.BytesIO()
    write(source, noise(2, 3 * block + 1), RATE)
    source.seek(0)
    pipe_wav(lambda *_: Filter(plan_for(model, block=block)), source, io.BytesIO())
    assert sizes == [block, block, block, 1]


def test_a_pipe_tells_what_is_wrong_with_its_samples_and_channels(model):
    sent = noise(2, 3 * RATE)
    sent[1] = -sent[0]  # wired the wrong way round
    sent[0, :3] = np.nan, np.inf, -1e30
    made = Filter(plan_for(model))
    given = np.concatenate(list(made.run(iter([sent]))), axis=1)
    assert given.shape == sent.shape and np.isfinite(given).all()
    wired, faulty = made.notes
    assert "channel" in wired and "the stream: 3 samples are NaN" in faulty


def test_a_wav_pipe_begins_at_its_start(model):
    audio = noise(2, 2 * RATE)
    heard = []
    for start, sent in ((0.5, audio), (0.0, audio[:, RATE // 2 :])):
        source, target = io.BytesIO(), io.BytesIO()
        write(source, sent, RATE, subtype="FLOAT")
        source.seek(0)
        pipe_wav(lambda rate, n: Filter(plan_for(model)), source, target, start=start)
        target.seek(0)
        heard.append(read(target)[0])
    np.testing.assert_array_equal(*heard)


@pytest.mark.slow
@pytest.mark.parametrize("raw", [False, True])
def test_the_command_leaves_out_what_is_before_the_start_and_behind_the_end(model, raw):
    sent = io.BytesIO()
    audio = noise(1, 2 * RATE)
    if raw:
        sent.write((audio.T * 32767).astype("<i2").tobytes())
    else:
        write(sent, audio, RATE, subtype="PCM_16")
    command = [sys.executable, "-m", "isolde", "live", "-", "--model", model, "--start", "1.5"]
    command += ["--stop-after", "0.25"]
    done = subprocess.run(
        [*command, *(["--raw", "s16le", "--channels", "1"] if raw else [])],
        input=sent.getvalue(),
        capture_output=True,
        timeout=120,
        env=ENVIRONMENT,
    )
    assert done.returncode == 0, done.stderr.decode()
    n = len(done.stdout) // 2 if raw else read(io.BytesIO(done.stdout))[0].shape[1]
    assert n == RATE // 4


@pytest.mark.slow
def test_the_command_is_a_filter_between_pipes(model):
    audio = noise(1, 3 * RATE)
    raw = (audio.T * 32767).astype("<i2").tobytes()
    command = [sys.executable, "-m", "isolde", "live", "-", "--model", model]
    done = subprocess.run(
        [*command, "--raw", "s16le", "--channels", "1", "--play", "mix"],
        input=raw,
        capture_output=True,
        timeout=120,
        env=ENVIRONMENT,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert len(done.stdout) == len(raw)
    got, sent = (np.frombuffer(b, "<i2").astype(int) for b in (done.stdout, raw))
    assert np.abs(got - sent).max() <= 1  # rounding to 16 bits
    bad = subprocess.run(
        command, input=b"not audio", capture_output=True, timeout=120, env=ENVIRONMENT
    )
    assert bad.returncode == 2 and len(bad.stderr.decode().strip().splitlines()) == 1


def test_a_pipe_gives_each_block_as_soon_as_it_can(model):
    """One writes and reads in turn: what has come out trails by the declared lag, no more."""
    command = [sys.executable, "-m", "isolde", "live", "-", "--model", model, "--raw", "f32le"]
    child = subprocess.Popen(
        [*command, "--channels", "1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=ENVIRONMENT,
    )
    assert child.stdin is not None and child.stdout is not None
    block, lag = 512, plan_for(model).lag
    zeros = struct.pack("<512f", *[0.0] * block)
    given = taken = 0
    for _ in range(40):
        child.stdin.write(zeros)
        child.stdin.flush()
        given += block
        if given - taken > lag:  # this must not block for ever
            got = child.stdout.read(4 * (given - taken - lag))
            assert got, "the filter has ended"
            taken += len(got) // 4
    child.stdin.close()
    taken += len(child.stdout.read()) // 4
    assert taken == given and child.wait(30) == 0


def test_a_record_that_exists_is_refused_before_any_sound(model, tmp_path):
    (tmp_path / "vocals.wav").write_bytes(b"precious")
    with pytest.raises(AudioError, match="exists"):
        Filter(plan_for(model), record=tmp_path)
    assert (tmp_path / "vocals.wav").read_bytes() == b"precious"
    assert not (tmp_path / "accompaniment.wav").exists()
    (tmp_path / "vocals.wav").rename(tmp_path / "accompaniment.wav")  # the second that is opened
    with pytest.raises(AudioError, match="exists"):
        Filter(plan_for(model), record=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["accompaniment.wav"]
    made = Filter(plan_for(model), record=tmp_path, overwrite=True)
    for _ in made.run(iter([noise(2, 1000)])):
        pass
    made.close()
    assert info(tmp_path / "vocals.wav").n_samples == 1000


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("words", [("--play", "drums"), ("--control", "-1")])
def test_a_filter_that_cannot_begin_leaves_nothing_of_its_record(model, tmp_path, words, raw):
    write(tmp_path / "x.wav", noise(2, 1000), RATE)
    command = [sys.executable, "-m", "isolde", "live", "-", "--model", model, *words]
    command += ["--record", str(tmp_path / "stems"), *(["--raw", "s16le"] if raw else [])]
    with (tmp_path / "x.wav").open("rb") as song:
        done = subprocess.run(command, env=ENVIRONMENT, stdin=song, capture_output=True, timeout=60)
    assert done.returncode == 2 and done.stderr.startswith(b"isolde: ") and not done.stdout
    assert not (tmp_path / "stems").exists()


def test_plans_out_of_range_say_what_to_give(model):
    for settings, match in (
        ({"block": 4}, "a block of 4 samples: give 16 samples to half a second"),
        ({"frames": 100}, "a block of 100 frames, which are 51200 samples"),
        ({"depth": 99}, "0 to 16"),
        ({"sample_rate": 100}, "1000 Hz"),
    ):
        with pytest.raises(InputError, match=match):
            plan_for(model, **settings)
