"""The one idea: whatever takes blocks and owes is a stage, whole and in one form."""

import ast
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from isolde.core.errors import InputError
from isolde.core.stage import (
    LOUDEST,
    Stage,
    check_block,
    check_progress,
    check_threads,
    checked_form,
    silence_faults,
)

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "isolde"
PROMISED = {name for name in vars(Stage) if not name.startswith("_")}
NO_SAMPLES_OUT = {"Segmenter"}
"""Takes frames and gives finished segments, which have no sample that could trail another."""


def members(body: list[ast.stmt]) -> set[str]:
    """Methods, properties and class attributes, and what `__init__` sets."""
    found: set[str] = set()
    for node in body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
            if node.name == "__init__":
                targets = [s for s in ast.walk(node) if isinstance(s, ast.Attribute)]
                found |= {t.attr for t in targets if isinstance(t.ctx, ast.Store)}
        elif isinstance(node, ast.Assign):
            found |= {t.id for t in node.targets if isinstance(t, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found


def stage_faults(source: str) -> Iterator[str]:
    """Stages that lack a part, or whose `feed` needs more than a block, or `flush` anything."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ClassDef) or node.name in NO_SAMPLES_OUT:
            continue
        has = members(node.body)
        if not {"feed", "latency"} <= has and not {"feed", "flush", "reset"} <= has:
            continue
        yield from (f"{node.name} has no {name}" for name in sorted(PROMISED - has))
        for method in node.body:
            if isinstance(method, ast.FunctionDef) and method.name in ("feed", "flush", "reset"):
                given = [*method.args.posonlyargs, *method.args.args][1:]
                needed = len(given) - len(method.args.defaults)
                if needed != (method.name == "feed"):
                    yield f"{node.name}.{method.name} needs {needed} arguments"


def test_every_stage_is_a_whole_one():
    sources = [path.read_text("utf-8") for path in sorted(PACKAGE.rglob("*.py"))]
    stages = [source for source in sources if "def feed(" in source and "def flush(" in source]
    assert len(stages) > 20, "the idea has moved: look for it by its new names"
    assert [fault for source in sources for fault in stage_faults(source)] == []


WHOLE = """
class A:
    latency = 3
    def feed(self, block, /): ...
    def flush(self): ...
    def reset(self): ...
"""


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("latency = 3", "delay = 3", "A has no latency"),
        ("def flush(self)", "def finish(self)", "A has no flush"),
        ("def reset(self)", "def clear(self)", "A has no reset"),
        ("block, /", "block, gain", "A.feed needs 2 arguments"),
        ("flush(self)", "flush(self, n)", "A.flush needs 1 arguments"),
    ],
)
def test_half_a_stage_is_a_fault(old: str, new: str, fault: str):
    assert list(stage_faults(WHOLE)) == []
    assert list(stage_faults(WHOLE.replace(old, new))) == [fault]


def test_a_block_up_to_the_loudest_sound_fits():
    for kind in (np.float16, np.float32, np.float64):
        check_block(np.ones((2, 3), kind), n_channels=2, finite="mixture")
        check_block(np.zeros((2, 0), kind), n_channels=2, finite="mixture")
    check_block(np.full((1, 3), -LOUDEST), n_channels=1, finite="mixture")


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ([[0.0, 0.1]], "samples of type list"),
        (None, "samples of type NoneType"),
        (np.full((1, 4), 30000, np.int16), "type int16 is no audio.*of these integers x / 32768$"),
        (
            np.zeros((4, 1), np.float32),
            r"\(4, 1\) does not fit.*, which this one is as x.T$",
        ),
        (np.zeros((1, 4), np.complex64), "type complex64 is no audio"),
        (np.zeros(4, np.float32), r"shape \(4,\) does not fit: give \(1, n_samples\)"),
        (np.array([[0, np.nan]], np.float32), "the voice holds NaN"),
        (np.array([[0, -np.inf]], np.float32), "the voice holds NaN"),
        (np.array([[0, -1.1 * LOUDEST]]), r"or values beyond 1e\+15: replace"),
        (np.array([[0, 1e300]]), r"or values beyond 1e\+15: replace"),
    ],
)
def test_a_block_that_does_not_fit_is_refused_in_a_line(block: object, message: str):
    with pytest.raises(InputError, match=message) as told:
        check_block(block, n_channels=1, finite="voice")
    assert "\n" not in str(told.value)


def test_what_cannot_be_sound_becomes_silence_and_is_counted():
    block = np.array([[0.5, np.nan, np.inf, -np.inf], [1e30, -1e30, LOUDEST, -1]], np.float32)
    assert silence_faults(block) == 5
    assert block.tolist() == [[0.5, 0, 0, 0], [0, 0, np.float32(LOUDEST), -1]]
    assert silence_faults(block) == 0
    assert silence_faults(np.zeros((2, 0), np.float32)) == 0


def test_a_form_is_whole_numbers_that_sound_can_have():
    assert checked_form(np.int64(44100), np.uint8(2)) == (44100, 2)
    assert [type(x) for x in checked_form(np.int64(44100), 2)] == [int, int]


@pytest.mark.parametrize(
    ("rate", "n_channels", "message"),
    [
        ("a", 2, "sample_rate is 'a': give it as a whole number of Hz"),
        (44100.0, 2, "sample_rate is 44100.0"),
        (True, 2, "sample_rate is True"),
        (44100, 2.5, "n_channels is 2.5: give it as a whole number"),
        (44100, None, "n_channels is None"),
        (999, 2, "a sample rate of 999 Hz is too low"),
        (2**63, 2, "a sample rate of 9223372036854775808 Hz is too high: give 10000000 Hz"),
        (44100, 0, "0 channels hold no music"),
    ],
)
def test_another_form_is_refused(rate: object, n_channels: object, message: str):
    with pytest.raises(InputError, match=message):
        checked_form(rate, n_channels)


def test_where_sound_is_only_stored_the_lowest_rate_is_another():
    assert checked_form(8, 1, lowest=1) == (8, 1)
    with pytest.raises(InputError, match="0 Hz is too low: give 1 Hz or more"):
        checked_form(0, 1, lowest=1)


@pytest.mark.parametrize(
    ("threads", "progress", "message"),
    [
        (1.5, None, "threads is 1.5: give a whole number"),
        ("a", None, "threads is 'a': give a whole number"),
        (True, None, "threads is True"),
        (-1, None, "-1 threads: give 1 or more"),
        (1, 5, "progress is 5: give a function"),
    ],
)
def test_work_that_cannot_be_is_refused(threads: object, progress: object, message: str):
    check_threads(np.int64(0))
    check_progress(print)
    with pytest.raises(InputError, match=message):
        check_threads(threads)
        check_progress(progress)
