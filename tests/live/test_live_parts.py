"""Tapes, mixer, meters, commands, raw PCM: the parts of a live session that need no clock."""

import errno
import io
import itertools
import json
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.live import ENVIRONMENT
from isolde.core.errors import AudioError, InputError
from isolde.core.signal.spectrum import GRID_22
from isolde.live.control import console
from isolde.live.control.controls import Controls
from isolde.live.control.keys import Keys, command_for, help_for
from isolde.live.control.socket import ControlSocket
from isolde.live.io.devices import Device
from isolde.live.io.feeder import adapt
from isolde.live.io.open import check_channels
from isolde.live.io.pipes import read_raw, write_raw
from isolde.live.stream import ring
from isolde.live.stream.meters import Counts, Level, Status, Times
from isolde.live.stream.mixer import LiveMixer, Ramp
from isolde.live.stream.ring import SharedMemory, Tape
from isolde.live.worker.monitor import TunableMasker
from isolde.live.worker.priority import NICE, high_priority, raise_priority

RATE = 44100


def tape(capacity=64, n_rows=2):
    memory = SharedMemory(Tape.size(n_rows, capacity))
    return Tape(memory, 0, n_rows=n_rows, capacity=capacity), memory


@given(st.lists(st.integers(0, 16), max_size=40))
def test_a_tape_gives_back_what_was_written_until_it_is_overwritten(sizes):
    t, memory = tape()
    whole = np.arange(2 * sum(sizes), dtype=np.float32).reshape(2, -1) + 1
    at = 0
    for n in sizes:
        t.write(whole[:, at : at + n])
        at += n
    out = np.empty((2, at - t.oldest), np.float32)
    assert t.read(t.oldest, out)
    np.testing.assert_array_equal(out, whole[:, t.oldest :])
    assert at - t.oldest >= min(at, 64 - t.largest_write)  # this much is promised
    assert not t.read(at, np.empty((2, 1), np.float32))  # not written yet
    if t.oldest:
        assert not t.read(t.oldest - 1, np.empty((2, 1), np.float32))  # gone
    t.release()
    memory.close()


def test_before_a_tapes_begin_there_is_silence_and_a_jump_leaves_a_gap():
    t, memory = tape()
    t.write(np.ones((2, 8), np.float32))
    out = np.full((2, 6), 9, np.float32)
    assert t.read(-2, out)
    np.testing.assert_array_equal(out, [[0, 0, 1, 1, 1, 1]] * 2)
    t.jump(20)
    assert not t.read(4, out) and not t.read(14, out)
    assert t.read(2, out) and (out == 1).all()  # what stands before the gap is still there
    t.jump(22)  # nothing was written: the gap grows
    assert t.read(2, out) and not t.read(20, np.empty((2, 1), np.float32))
    t.write(np.full((2, 6), 2, np.float32))
    assert t.read(22, out) and (out == 2).all() and t.read(2, out)
    t.jump(40)
    assert t.read(22, out) and not t.read(2, out)
    with pytest.raises(InputError, match="at most 16 samples"):
        t.write(np.zeros((2, 17), np.float32))
    t.release()
    memory.close()


def test_two_maps_of_one_memory_are_the_same_samples_and_leave_nothing_behind():
    memory = SharedMemory(Tape.size(1, 32))
    there = SharedMemory(Tape.size(1, 32), memory.path)
    a, b = (Tape(m, 0, n_rows=1, capacity=32) for m in (memory, there))
    a.write(np.arange(5, dtype=np.float32)[None])
    out = np.zeros((1, 5), np.float32)
    assert b.read(0, out) and out[0].tolist() == [0, 1, 2, 3, 4]
    path = memory.path
    for t, m in ((b, there), (a, memory)):
        t.release()
        m.close()
    assert not path.exists()


@given(st.lists(st.integers(1, 50), min_size=1, max_size=20), st.integers(1, 200))
def test_a_ramp_is_a_straight_line_whatever_the_blocks(sizes, samples):
    ramp = Ramp([0.0], samples=samples)
    ramp.to([1.0])
    parts = []
    for n in sizes:
        values = ramp.take(n)
        parts.append(np.broadcast_to(values, (1, n)))
    got = np.concatenate(parts, 1)[0]
    wanted = np.minimum(np.arange(1, got.size + 1) / samples, 1)
    np.testing.assert_allclose(got, wanted, atol=1e-6)  # float32
    assert ramp.settled == (got.size >= samples)


def mixed(mixer, stems, blocks, **state):
    """Run (S*C, n) stems, whose sum is the mixture, through a mixer in blocks."""
    c = stems.shape[0] // len(mixer.stems)
    out, at = [], 0
    for n in blocks:
        part = stems[:, at : at + n]
        mixture = part.reshape(-1, c, n).sum(0)
        out.append(mixer.process(part, mixture, here=n, present=True, **state))
        at += n
    return np.concatenate(out, 1)


def two_stems(n=4000):
    t = np.arange(n) / RATE
    return np.stack([0.4 * np.sin(2 * np.pi * 200 * t), 0.4 * np.cos(2 * np.pi * 90 * t)]).astype(
        np.float32
    )


def test_settled_gains_give_each_stem_exactly_and_mix_is_the_mixture():
    stems = two_stems()
    for what, wanted in (("v", stems[:1]), ("a", stems[1:]), ("mix", stems.sum(0)[None])):
        mixer = LiveMixer(("v", "a"), 1, ramp=100)
        mixer.begin()
        mixer.solo(what)
        mixer.settle()
        np.testing.assert_array_equal(mixed(mixer, stems, [512] * 7), wanted[:, : 512 * 7])
    mixer.wet = 0.0
    mixer.settle()
    np.testing.assert_allclose(
        mixed(mixer, stems, [512] * 7), stems.sum(0)[None, : 512 * 7], atol=1e-7
    )


@given(
    st.lists(
        st.sampled_from(["v", "a", "mix", "mute", "unmute", "dry", "wet", "late", "there"]),
        min_size=3,
        max_size=12,
    )
)
def test_no_switch_clicks(actions):
    """Whatever is switched, the output never steps by more than the ramps and the signals do."""
    block, ramp, fade = 512, 882, 133
    stems = two_stems(block * len(actions))
    mixer = LiveMixer(("v", "a"), 1, ramp=ramp)
    out, present = [], True
    for k, action in enumerate(actions):
        if action in ("late", "there"):
            present = action == "there"
        elif action in ("mute", "unmute"):
            mixer.muted = action == "mute"
        elif action in ("dry", "wet"):
            mixer.wet = float(action == "wet")
        else:
            mixer.solo(action)
        part = stems[:, k * block : (k + 1) * block].copy()
        was = mixer.on_stems or not mixer._present.settled
        here = block if present else fade * was
        part[:, here:] = 0
        mixture = stems[:, k * block : (k + 1) * block].sum(0)[None]
        out.append(mixer.process(part, mixture, here=here, present=present, fade=fade))
    step = np.abs(np.diff(np.concatenate(out, 1)[0])).max()
    signal = np.abs(np.diff(stems.sum(0))).max() + np.abs(np.diff(stems, axis=1)).max()
    # Products of ramps (gains, wet, present, master): each moves at most 1 in its length.
    assert step < signal + 1.6 * (3 / ramp + 1 / fade)


def test_mixer_refuses_what_it_does_not_have():
    mixer = LiveMixer(("v", "a"), 1, ramp=10)
    with pytest.raises(InputError, match="mix, v, a"):
        mixer.solo("drums")
    with pytest.raises(InputError, match="gain of 5"):
        mixer.set_gains({"v": 5})
    with pytest.raises(InputError, match="dry/wet 2"):
        mixer.wet = 2


class Flat:
    stems, residual, latency = ("v",), "a", 0
    grid, n_bins = GRID_22, 513

    def feed(self, spectra):
        return np.full((1, 1, spectra.shape[1], 513), 0.25, np.float32)

    def flush(self):
        return np.zeros((1, 1, 0, 513), np.float32)

    def reset(self):
        pass


def test_strength_is_a_power_of_the_mask_that_comes_in_over_some_frames():
    masker = TunableMasker(Flat())
    frame = np.zeros((1, 1, 513), np.complex64)
    assert masker.feed(frame)[0, 0, 0, 0] == np.float32(0.25)
    masker.strength = 2.0
    values = [float(masker.feed(frame)[0, 0, 0, 0]) for _ in range(20)]
    assert values[-1] == 0.0625
    assert all(a >= b for a, b in itertools.pairwise(values))
    assert len(set(values)) == 8  # frames of the ramp, the last of which stays
    assert masker.feed(np.zeros((1, 30, 513), np.complex64)).shape == (1, 1, 30, 513)
    assert masker.activity == 0.25
    with pytest.raises(InputError, match="strength 0"):
        masker.strength = 0


def test_meters_measure_a_sine_and_percentiles():
    level = Level(RATE)
    tone = np.sin(2 * np.pi * 441 * np.arange(RATE * 2) / RATE).astype(np.float32)[None]
    for at in range(0, tone.shape[1], 512):
        level.add(tone[:, at : at + 512])
    assert abs(level.rms_db + 3.01) < 0.05 and abs(level.peak_db) < 0.01
    times = Times(kept=100)
    for value in range(250):
        times.add(value)
    assert times.percentiles() == (199.5, 244.05, 248.01)  # of 150..249, the last hundred
    assert times.percentiles(last=1) == (249, 249, 249)


def controls(**more):
    told = []
    mixer = LiveMixer(("vocals", "drums"), 1, ramp=1)
    status = Status(
        position=10.0,
        state="playing",
        on_stems=True,
        gains=mixer.gains,
        wet=1.0,
        muted=False,
        strength=1.0,
        peak_db=0.0,
        rms_db=0.0,
        activity=0.0,
        load=(0.0, 0.0, 0.0),
        latency_ms=1.0,
        counts=Counts(),
    )
    made = Controls(
        mixer=mixer,
        set_strength=lambda v: told.append(("strength", v)),
        status=lambda: status,
        stop=lambda: told.append("stop"),
        **{k: (lambda v, k=k: told.append((k, v))) for k in more},
    )
    return made, told


def test_commands_reach_what_they_name():
    d, told = controls(seek=1, pause=1)
    for line in ("drums", "wet 0.5", "strength 2", "mute", "seek +5", "seek 3", "pause", "stop"):
        assert d.do(line) == "ok"
    assert d.mixer.gains == {"vocals": 0.0, "drums": 1.0}
    assert d.mixer.wet == 0.5 and d.mixer.muted
    assert told == [("strength", 2.0), ("seek", 15.0), ("seek", 3.0), ("pause", True), "stop"]
    assert json.loads(d.do("status"))["counts"]["late"] == 0
    for line in ("", "sing", "wet", "wet high", "wet 2", "mute maybe", "gain bass 1", "strength x"):
        assert d.answer(line).startswith("error: ")


def test_a_device_cannot_be_sought_in():
    d, _ = controls()
    with pytest.raises(InputError, match="does not come from a file"):
        d.do("seek 5")
    d, _ = controls(seek=1, pause=1)
    for line in ("seek", "seek 1 2", "pause on off"):
        assert d.answer(line).startswith(f"error: '{line}' is no command")


def test_keys_stand_for_commands_that_are_known():
    d, _ = controls(seek=1, pause=1)
    for key in "vm12x ,.q[]+-":
        line = command_for(key, stems=d.mixer.stems, wet=1.0, strength=1.0)
        assert d.do(line) == "ok", key
    for key in "za":  # no key, and a stem that is not there
        assert command_for(key, stems=d.mixer.stems, wet=1.0, strength=1.0) is None
    assert help_for(d.mixer.stems).startswith("v vocals  1 vocals  2 drums  m mix  ")


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        ([], "vocals"),
        (["mix"], "mix"),
        (["gain vocals 0"], "nothing"),
        (["gain drums 0.5", "wet 0.9"], "vocals + drums 0.50, wet 0.9"),
    ],
)
def test_the_line_of_meters_names_what_is_heard(lines, shown: str):
    d, _ = controls()
    for line in lines:
        d.do(line)
    status = replace(d.status(), gains=d.mixer.gains, wet=d.mixer.wet)
    assert console.describe_mix(status) == shown
    assert console.describe_mix(replace(status, strength=1.25)) == f"{shown}, strength 1.25"


def test_a_narrow_terminal_shows_first_what_is_not_as_usual():
    d, _ = controls()
    odd = replace(d.status(), state="paused", on_stems=False, muted=True)
    for word in ("paused", "MUTED", "MIXTURE"):
        assert word in console.meters(odd)[:79]


def test_the_control_socket_answers_lines_and_hangs_up_on_strangers():
    d, told = controls(seek=1)
    control = ControlSocket(d)
    with socket.create_connection(("127.0.0.1", control.port), 5) as caller:
        lines = caller.makefile("rw")
        for sent, answer in (
            ("drums", "ok\n"),
            ("nonsense", "error: "),
            ("nonsense " * 600, "error: "),  # one line, one answer
            ("seek 2", "ok\n"),
        ):
            lines.write(sent + "\n")
            lines.flush()
            assert lines.readline().startswith(answer)
    assert told == [("seek", 2.0)]
    with socket.create_connection(("127.0.0.1", control.port), 5) as caller:
        caller.sendall(b"POST / HTTP/1.1\r\n\r\nstop\n")
        answer = b""
        while part := caller.recv(4096):
            answer += part
        assert answer.startswith(b"error: ") and answer.count(b"\n") == 1
    assert "stop" not in told
    control.close()


def test_a_closed_control_socket_takes_nobody_and_leaves_its_port():
    control = ControlSocket(controls()[0])
    with socket.create_connection(("127.0.0.1", control.port), 5) as caller:
        caller.sendall(b"drums\n")
        assert caller.recv(10) == b"ok\n"  # so it waits for the next one
    control.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", control.port), 5)
    ControlSocket(controls()[0], port=control.port).close()


def test_every_key_that_was_typed_is_told_and_an_arrow_is_none(monkeypatch):
    pty = pytest.importorskip("pty", reason="this system has no terminals of that kind")
    ours, theirs = pty.openpty()
    told: list[str] = []
    with open(theirs) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        keys = Keys(told.append)
        assert keys.active
        os.write(ours, b"va\x1b[A\x1bOP\x1b[1;5D1\xc3\xa4x")  # at once, as a key that is held is
        deadline = time.monotonic() + 10
        while len(told) < 5 and time.monotonic() < deadline:
            time.sleep(0.01)
        keys.close()
        for thread in [t for t in threading.enumerate() if t.name == "isolde keys"]:
            thread.join(10)
    os.close(ours)
    assert told == ["v", "a", "1", "ä", "x"]


def test_a_job_in_the_background_leaves_the_terminal_alone():
    """Else the system stops it: `isolde live song.mp3 &` would not play."""
    pty = pytest.importorskip("pty", reason="this system has no terminals of that kind")
    code = """
import os, sys
os.dup2(os.open(sys.argv[1], os.O_RDWR), 0)  # the terminal of this session
child = os.fork()
if not child:
    os.setpgid(0, 0)
    from isolde.live.control.keys import Keys
    keys = Keys(print)
    keys.close()
    os._exit(keys.active)
_, status = os.waitpid(child, os.WUNTRACED)
os._exit(9 if os.WIFSTOPPED(status) else os.waitstatus_to_exitcode(status))
"""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", code, os.ttyname(theirs)]
    done = subprocess.run(command, env=ENVIRONMENT, start_new_session=True, timeout=60)
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 0


@pytest.mark.parametrize("name", ["s16le", "s32le", "f32le"])
def test_raw_samples_come_back_bit_for_bit_and_are_limited(name):
    rng = np.random.default_rng(0)
    kind = {"s16le": "<i2", "s32le": "<i4", "f32le": "<f4"}[name]
    if name == "f32le":
        data = rng.uniform(-1, 1, 600).astype(kind).tobytes()
    else:
        values = rng.integers(-(2**15), 2**15, 600)
        data = (values << (16 if name == "s32le" else 0)).astype(kind).tobytes()
    out = io.BytesIO()
    for block in read_raw(io.BytesIO(data), name, n_channels=2, block=128):
        assert block.shape[0] == 2 and np.abs(block).max() <= 1
        write_raw(out, name, block)
    assert out.getvalue() == data
    loud = io.BytesIO()
    write_raw(loud, name, np.array([[2.0, -2.0]], np.float32))
    limit = np.frombuffer(loud.getvalue(), kind)
    assert (np.abs(limit.astype(np.float64)) <= (2 if name == "f32le" else 2**31)).all()
    assert limit[0] > 0 > limit[1]


def test_a_raw_stream_cut_within_a_sample_is_an_error():
    with pytest.raises(AudioError, match="within a sample of 4 bytes"):
        list(read_raw(io.BytesIO(bytes(10)), "s16le", n_channels=2, block=64))


def test_a_raw_stream_begins_after_what_is_skipped():
    sent = np.arange(2000, dtype="<i2")
    for skip in (0, 1, 64, 700):
        source = io.BytesIO(sent.tobytes())
        blocks = list(read_raw(source, "s16le", n_channels=2, block=64, skip=skip))
        got = np.concatenate(blocks, axis=1).T.ravel() * 32768
        np.testing.assert_array_equal(got, sent[2 * skip :])
    with pytest.raises(InputError, match="ends after 1000 samples, before the start at 1001"):
        list(read_raw(io.BytesIO(sent.tobytes()), "s16le", n_channels=2, block=64, skip=1001))


def test_channels_are_averaged_or_copied_and_nothing_else():
    block = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    np.testing.assert_array_equal(adapt(block, 1), [[2.0, 3.0]])
    np.testing.assert_array_equal(adapt(block[:1], 3), [[1.0, 2.0]] * 3)
    with pytest.raises(InputError, match="2 channels do not become 3"):
        adapt(block, 3)


def test_the_number_of_channels_that_is_advised_can_be_had():
    stereo = Device(0, "headphones", "ALSA", 1, 2, RATE, "")
    check_channels(2, stereo, "output")
    with pytest.raises(
        InputError, match=r"output 'headphones' has 2 channels, not 6: .*channels 2"
    ):
        check_channels(6, stereo, "output")
    with pytest.raises(InputError, match=r"input 'headphones' has 1 channels, not 2: .*channels 1"):
        check_channels(2, stereo, "input")
    with pytest.raises(InputError, match="--channels 1"):
        check_channels(6, stereo, "output", instead=1)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread has no nice value")
def test_only_the_thread_that_asks_goes_first_and_what_it_starts():
    """Where it is granted; where it is not, nothing changes and nothing fails."""
    found = {}

    def nice():
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    def note(name):
        found[name] = nice()

    def inside(name, *names):
        thread = threading.Thread(target=note if not names else ask, args=(name, *names))
        thread.start()
        thread.join()

    def ask(name, child):
        found["granted"] = raise_priority()
        note(name)
        inside(child)

    before = nice()
    inside("thread", "child")
    urgent = min(NICE, before) if found["granted"] else before
    assert found["thread"] == found["child"] == urgent
    with high_priority():
        assert nice() == urgent
        inside("started meanwhile")
    assert found["started meanwhile"] == urgent
    assert nice() == before


def test_memory_that_cannot_be_had_is_an_error_and_leaves_nothing(monkeypatch, tmp_path):
    write, room = os.write, [5000]

    def write_what_fits(descriptor, data):
        """As the system does when a disk is nearly full: a part, and then none."""
        n = min(room[0], len(data))
        if not n:
            raise OSError(errno.ENOSPC, "No space left on device")
        room[0] -= n
        return write(descriptor, data[:n])

    monkeypatch.setattr(ring.os, "access", lambda *_: False)
    monkeypatch.setattr(ring.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(ring.os, "write", write_what_fits)
    with pytest.raises(AudioError, match="no shared memory of 8192 bytes"):
        SharedMemory(8192)
    assert not [*tmp_path.iterdir()]
    room[0] = 5000
    small = SharedMemory(5000)
    assert len(small.map) == 5000
    small.close()


def test_shared_memory_leaves_no_name_however_its_process_ends(tmp_path: Path):
    fcntl = pytest.importorskip("fcntl", reason="names of memory are locked on POSIX only")
    code = """
import os, sys, tempfile
from isolde.live.stream import ring

ring.os.access = lambda *_: False  # the folder of temporary files instead of the system's memory
ring.tempfile.tempdir = sys.argv[1]
memory = ring.SharedMemory(4096)
assert memory.path.parent == ring.Path(sys.argv[1])
if sys.argv[2] == "killed":
    os.kill(os.getpid(), 9)
raise KeyboardInterrupt
"""

    def run(how: str) -> int:
        words = [sys.executable, "-c", code, str(tmp_path), how]
        return subprocess.run(words, check=False, capture_output=True, timeout=60).returncode

    assert run("interrupted") != 0
    assert not [*tmp_path.iterdir()]
    run("killed")
    (left,) = tmp_path.iterdir()
    with left.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)  # as if its owner were alive
        os.utime(left, (0, 0))
        run("interrupted")
        assert left.exists()
    run("interrupted")
    assert not left.exists(), "a dead one's goes when the next session begins"
