"""Fused LSTM kernels: right in Triton's interpreter, and never in the way where there is none."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'train'")
from torch import nn  # noqa: E402

from isolde.networks.dual_path import DualPathNetwork, DualPathShape  # noqa: E402
from isolde.networks.fast_lstm import layer as fast  # noqa: E402

SOURCE = str(Path(__file__).resolve().parents[2] / "src")
INTERPRETED = """
import sys, torch
from torch import nn
from isolde.networks.fast_lstm.layer import errors_of
from isolde.networks.fast_lstm import recurrence
recurrence.SHORT = torch.float16  # the interpreter multiplies bfloat16 as if it were integers
torch.set_num_threads(1)
for units, both in ((8, True), (40, False)):
    tiling = recurrence.Tiling(32, 4, 2)
    found = errors_of(nn.LSTM(12, units, bidirectional=both), (tiling, tiling), torch.device("cpu"))
    assert len(found) == (10 if both else 6), found
    assert max(found.values()) < 2e-2, found
    assert min(found.values()) > 1e-5, found  # 16 bits were really used
"""


@pytest.mark.slow
@pytest.mark.skipif(find_spec("triton") is None, reason="needs Triton, which comes with CUDA")
def test_the_kernels_are_an_lstm_forwards_and_backwards():
    """Outputs and every gradient, one way and both, units that fill a tile and that do not."""
    done = subprocess.run(
        [sys.executable, "-c", INTERPRETED],
        env={**os.environ, "PYTHONPATH": SOURCE, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_without_a_gpu_a_network_computes_as_before(monkeypatch):
    network = nn.Sequential(nn.LSTM(8, 16, bidirectional=True))
    x = torch.randn(5, 3, 8)
    before, names = network(x)[0], list(network.state_dict())
    monkeypatch.setattr(fast, "find_spec", lambda _: True)
    assert fast.use_fast_lstm(network) == 1
    assert torch.equal(network(x)[0], before) and list(network.state_dict()) == names
    monkeypatch.setattr(fast, "find_spec", lambda _: None)
    assert fast.use_fast_lstm(nn.LSTM(8, 16)) == 0


def test_what_the_kernels_cannot_compute_they_leave_alone():
    for options in ({"num_layers": 2}, {"bias": False}, {"batch_first": True}, {"proj_size": 4}):
        assert not fast.fusible(nn.LSTM(8, 16, **options))
    assert not fast.fusible(nn.LSTM(8, 20)) and not fast.fusible(nn.LSTM(8, 256))
    assert fast.fusible(nn.LSTM(8, 96))


def test_kernels_that_fail_or_are_wrong_are_not_taken(monkeypatch):
    layer, x = nn.LSTM(8, 16), torch.zeros(2, 3, 8)
    monkeypatch.setattr(fast, "_CHOICES", {})

    def fail(*_):
        raise RuntimeError("no compiler")

    monkeypatch.setattr(fast, "_choose", fail)
    assert fast.choice_for(layer, x) is None
    monkeypatch.setattr(fast, "_CHOICES", {})
    found = (fast.Tiling(16, 4, 2), fast.Tiling(16, 4, 2))
    asked = []
    monkeypatch.setattr(fast, "_choose", lambda *_: asked.append(1) or found)
    assert fast.choice_for(layer, x) == fast.choice_for(layer, x) == found and len(asked) == 1


def test_a_network_in_training_gives_its_memories_no_state():
    """The kernels start from zero, so all its LSTMs may run as one; the stream says the same."""
    stateless = []

    class Told(nn.LSTM):
        def forward(self, x, hx=None):
            stateless.append(hx is None)
            return super().forward(x, hx)

    torch.manual_seed(0)
    shape = DualPathShape("fine", features=8, across=4, hidden=6, delays=(1, 0))
    network = DualPathNetwork(shape, lstm=Told).eval()
    frames = torch.rand(2, 9, 4 * shape.n_bins)
    with torch.no_grad():
        raw, presence = network(frames)
        assert stateless == [True] * 4
        streamed, present, _ = network.stream(frames, network.state(2))
    assert torch.allclose(streamed[:, shape.look_ahead :], raw, atol=1e-5)
    assert torch.allclose(present[:, shape.look_ahead :], presence, atol=1e-5)
