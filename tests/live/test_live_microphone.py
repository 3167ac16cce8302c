"""The recipe of docs/guide/live.md: a player, `isolde live`, and a microphone to record."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers.live import ENVIRONMENT, RATE, small_model
from isolde.audio.demo import read_demo

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks" / "live"))
from null_sinks import NullSinks, missing  # noqa: E402

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "none")


def recipe() -> tuple[list[list[str]], dict[str, str], list[str]]:
    """The page's `pactl` commands, and the variables and words of its `isolde live`."""
    page = (ROOT / "docs" / "guide" / "live.md").read_text("utf-8")
    (block,) = re.findall(r"```sh\n(pactl.*?)```", page, re.DOTALL)
    *modules, live = [shlex.split(line) for line in block.splitlines()]
    start = live.index("isolde")
    return modules, dict(word.split("=", 1) for word in live[:start]), live[start + 1 :]


@pytest.mark.slow
def test_a_player_is_heard_at_the_microphone_through_isolde(tmp_path):
    modules, variables, words = recipe()
    assert len(modules) == 3 and words[0] == "live"
    stems, _ = read_demo()
    mixture = sum(stems.values())
    with NullSinks() as sinks:
        for module in modules:
            subprocess.run(module, env=sinks.environment, check=True, capture_output=True)
        environment = {**sinks.environment, **variables, "PYTHONPATH": ENVIRONMENT["PYTHONPATH"]}
        model = small_model(tmp_path)
        live = [sys.executable, "-m", "isolde", *words, "--model", model, "--play", "mix"]
        listen = ["parec", "--device=isolde_mic", "--raw", "--format=float32le", f"--rate={RATE}"]
        with (
            (tmp_path / "heard.raw").open("wb") as target,
            subprocess.Popen(
                [*live, "--rate", str(RATE), "--stop-after", "6", "--device-latency", "0.2"],
                env=environment,
                stderr=subprocess.PIPE,
            ) as process,
        ):
            recorder = subprocess.Popen(
                [*listen, "--channels=2"], env=sinks.environment, stdout=target
            )
            assert process.stderr.readline().startswith(b"latency ")  # it runs
            sinks.play(mixture, sink="isolde_in")
            assert process.wait(60) == 0, process.stderr.read()
            recorder.terminate()
            recorder.wait(10)
    flat = np.fromfile(tmp_path / "heard.raw", "<f4")
    heard = flat[: flat.size // 2 * 2].reshape(-1, 2).mean(1)
    played = mixture.mean(0)[: 2 * RATE]
    n = 1 << int(np.ceil(np.log2(heard.size + played.size)))
    product = np.fft.irfft(np.fft.rfft(heard, n) * np.conj(np.fft.rfft(played, n)), n)
    at = int(np.argmax(product[: heard.size]))
    # A busy machine drops blocks, and what follows comes later: look around for each piece.
    size, found = RATE // 10, 0
    for start in range(0, played.size - size, size):
        piece = played[start : start + size]
        near = heard[max(0, at + start - RATE // 2) : at + start + RATE // 2]
        energy = np.convolve(near**2, np.ones(size), "valid") + 1e-9
        match = np.correlate(near, piece, "valid") / np.sqrt(energy * np.sum(piece**2))
        found += match.max() > 0.999
    assert found >= 12  # of 20: the mixture itself, sample for sample
