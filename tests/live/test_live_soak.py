"""Twenty seconds of the soak benchmark: three block sizes on null sinks, counted and weighed.

A machine that others use can stand still for a third of a second, and no test can make it be on
time; what must hold everywhere is that sound goes on and nothing grows. Whether a quiet machine is
ever late or skips a block is the benchmark's question (docs/lab/live.md).
"""

import os
import sys
from pathlib import Path

import pytest

from helpers.live import small_model

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks" / "live"))


def test_twenty_seconds_at_three_block_sizes(tmp_path):
    from null_sinks import NullSinks, missing
    from soak import soak

    if reason := missing():
        pytest.skip(reason)
    model = small_model(tmp_path)
    before = dict(os.environ)
    try:
        with NullSinks() as server:
            server.use_here()
            from isolde.live.io import devices

            devices.refresh()
            for frames in (1, 4, 16):
                r = soak(model, frames=frames, seconds=7.0, device_latency=0.1)
                assert r.blocks > 0.5 * 7.0 * 44100 / (512 * frames), r  # it kept going
                assert max(r.grown) < 6.0, r  # MB; a leak of a block of stems each would be 10
                assert r.cpu[0] < 0.6, r  # CPU seconds for a second: the small model needs 0.05
    finally:
        os.environ.clear()
        os.environ.update(before)
