"""Overlapping windows: weights that sum to 1, the declared latency, any blocks, constant memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.blocks import outputs_of
from helpers.sounds import noise
from isolde.core.errors import InputError
from isolde.core.stage import Float32
from isolde.models.window.windows import Windows


class Recorder:
    """Gives what it gets, `delay` frames late, and counts."""

    def __init__(self, delay: int = 0) -> None:
        self.delay, self.calls, self.lengths = delay, 0, set[int]()

    def __call__(self, window: Float32) -> Float32:
        self.calls += 1
        self.lengths.add(window.shape[1])
        return np.roll(window, self.delay, axis=1)[None]


def windows(process, *, size: int, step: int, n_channels: int = 1, **more: int) -> Windows:
    empty = np.zeros((1, n_channels, 0), np.float32)
    return Windows(process, size=size, step=step, empty=empty, **more)


def run(stage: Windows, audio: Float32, sizes: list[int]) -> Float32:
    return np.concatenate(outputs_of(stage, audio, sizes), axis=2)[0]


@pytest.mark.parametrize(
    ("size", "step", "before", "after"),
    [(40, 30, 0, 0), (40, 20, 7, 7), (40, 40, 3, 3), (16, 16, 40, 8), (16, 12, 0, 5)],
)
@pytest.mark.parametrize("n", [0, 1, 29, 40, 41, 70, 71, 100, 333])
def test_the_weights_sum_to_one(size: int, step: int, before: int, after: int, n: int):
    """What changes nothing comes back, whatever the length."""
    audio = noise(2, n)
    stage = windows(Recorder(), size=size, step=step, before=before, after=after, n_channels=2)
    assert run(stage, audio, [17]) == pytest.approx(audio, abs=1e-7)


@settings(max_examples=25)
@given(
    sizes=st.lists(st.integers(0, 90), min_size=1, max_size=5).filter(any),
    n=st.integers(0, 400),
    heard=st.tuples(st.integers(0, 9), st.integers(0, 9)),
)
def test_block_sizes_change_nothing(sizes: list[int], n: int, heard: tuple[int, int]):
    audio, (before, after) = noise(1, n), heard
    results = [
        run(windows(Recorder(3), size=40, step=30, before=before, after=after), audio, s)
        for s in (sizes, [400])
    ]
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("after", [0, 5])
def test_declared_latency_is_the_true_one(after: int):
    stage = windows(Recorder(), size=40, step=30, before=9, after=after)
    out = worst = 0
    for fed in range(1, 500):
        out += stage.feed(np.zeros((1, 1), np.float32)).shape[2]
        worst = max(worst, fed + 1 - out)  # answer `out` is still to come when `fed` are in
    assert worst == stage.latency == 40 + after


def test_a_crossfade_is_a_straight_line_between_two_answers():
    """Window k answers k everywhere: the overlap rises from one number to the next."""
    calls = iter(range(100))
    stage = windows(lambda w: np.full((1, *w.shape), next(calls), np.float32), size=8, step=6)
    given = run(stage, np.zeros((1, 20), np.float32), [20])[0]
    assert given[:6] == pytest.approx(0)
    assert given[6:8] == pytest.approx([0.25, 0.75])
    assert given[8:12] == pytest.approx(1)
    assert given[12:14] == pytest.approx([1.25, 1.75])


def test_the_last_window_ends_with_the_stream_and_a_short_stream_is_filled_with_silence():
    seen: list[Float32] = []

    def process(window: Float32) -> Float32:
        seen.append(window.copy())
        return window[None]

    audio = np.arange(1.0, 51.0, dtype=np.float32)[None]
    run(windows(process, size=40, step=30), audio, [50])
    assert [w[0, 0] for w in seen] == [1, 11] and seen[-1][0, -1] == 50
    seen.clear()
    run(windows(process, size=40, step=30, before=2, after=2), audio[:, :10], [10])
    assert seen[0].shape == (1, 44)
    assert np.flatnonzero(seen[0]).tolist() == [*range(2, 12)]


def test_a_short_stream_is_filled_with_its_beginning_where_windows_may_be_shorter():
    seen: list[Float32] = []

    def process(window: Float32) -> Float32:
        seen.append(window.copy())
        return window[None]

    audio = np.arange(1.0, 21.0, dtype=np.float32)[None]
    stage = windows(process, size=40, step=30, multiple=8)
    for n, wanted in ((20, [*range(1, 21), 1, 2, 3, 4]), (3, [1, 2, 3, 1, 2, 3, 1, 2])):
        assert run(stage, audio[:, :n], [7])[0] == pytest.approx(audio[0, :n])
        stage.reset()
        assert seen.pop()[0].tolist() == wanted
    long = np.arange(1.0, 51.0, dtype=np.float32)[None]
    run(stage, long, [50])
    assert [w[0, 0] for w in seen] == [1, 11] and seen[-1][0, -1] == 50


@pytest.mark.parametrize(("n", "lengths"), [(0, []), (1, [8]), (8, [8]), (33, [40]), (41, [40])])
def test_a_short_stream_has_a_window_no_longer_than_need_be(n: int, lengths: list[int]):
    process, audio = Recorder(), noise(2, n)
    stage = windows(process, size=40, step=30, n_channels=2, multiple=8)
    assert run(stage, audio, [7]) == pytest.approx(audio, abs=1e-7)
    assert sorted(process.lengths) == lengths


def test_what_is_held_does_not_grow():
    stage = windows(Recorder(), size=40, step=30, before=5, after=5)
    held = 0
    for _ in range(300):
        stage.feed(np.zeros((1, 25), np.float32))
        held = max(held, sum(part.shape[1] for part in stage._parts))
    assert held <= 2 * (40 + 10) + 25


def test_reset_begins_anew():
    stage = windows(Recorder(2), size=40, step=30)
    first = run(stage, noise(1, 100), [30])
    stage.reset()
    stage.feed(noise(1, 77, seed=1))
    stage.reset()
    np.testing.assert_array_equal(run(stage, noise(1, 100), [30]), first)


@pytest.mark.parametrize(
    ("size", "step", "before"), [(40, 41, 0), (40, 19, 0), (40, 0, 0), (4, 4, -1)]
)
def test_windows_that_leave_gaps_are_refused(size: int, step: int, before: int):
    with pytest.raises(InputError, match="step of half a window"):
        windows(Recorder(), size=size, step=step, before=before)
