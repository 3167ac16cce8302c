"""Many blocks through the loop and the pipeline, without devices or a network: nothing may grow.

In a process of its own, so that nothing else allocates meanwhile. What is counted is what the
system gave (pages), for arrays of zeros are handed over page by page, which no Python tool sees.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
BLOCKS = 20000
"""Four minutes of sound at one frame a block."""

CODE = """
import gc, json, sys
from pathlib import Path
import numpy as np
from isolde.live.worker.engine import WorkerReport
from isolde.live.stream.loop import Loop
from isolde.live.stream.pipeline import Pipeline
from isolde.live.plan import make_plan
from isolde.live.stream.ring import SharedMemory
from isolde.live.worker.process import News, Order, lay_tapes, memory_size


class Engine:
    '''A worker that is at once done with every hop, and whose stems are the mixture.'''

    def __init__(self, plan):
        self.plan = plan
        self.mixture, self.stems = lay_tapes(SharedMemory(memory_size(plan)), plan)
        self.reports = [WorkerReport(News.READY, 0, 0, 0.0, 0.0)]
        self.block = np.zeros((self.mixture.n_rows, plan.block), np.float32)

    def order(self, kind, number):
        assert kind is Order.PUSH
        end = int(number)
        if end > self.plan.lag:
            start = self.stems.written
            self.mixture.read(start, self.block)
            self.stems.write(np.concatenate([self.block] * len(self.plan.stems)))
        self.reports.append(WorkerReport(News.DONE, self.stems.written, end, 0.001, 0.5))

    def news(self, timeout=0.0):
        reports, self.reports = self.reports, []
        return reports


class Ports:
    '''Devices that are always ready.'''

    latency, queued = (0.01, 0.01), (512, 2048)

    def __init__(self, plan):
        self.block = np.full((plan.n_channels, plan.block), 0.1, np.float32)

    def read(self):
        return self.block.copy(), False

    def write(self, block):
        return False


def size():
    gc.collect()
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    pages = sum(int(s.split()[1]) for s in lines if s.startswith("Anonymous:"))
    return pages, sys.getallocatedblocks(), len(gc.get_objects())


plan = make_plan(sample_rate=44100, n_channels=2, block=512, seconds=1.0)
pipeline = Pipeline(plan, Engine(plan), follow=True)
loop = Loop(plan, pipeline, follows=True)
loop.ports = Ports(plan)
sizes = []
for n in (2000, 2000, int(sys.argv[1]) - 4000):
    for _ in range(n):
        loop.step()
    pipeline.load.percentiles(last=1024)  # as the meters do
    sizes.append(size())
grown = [b - a for a, b in zip(*sizes[1:])]  # the first look itself takes some pages
heard = pipeline.mixer.on_stems and pipeline.counts.late == 0
print(json.dumps({"heard": heard, "grown": grown, "blocks": pipeline.load.n}))
"""


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="Linux tells pages")
def test_many_blocks_leave_nothing_behind():
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(BLOCKS)], env=ENVIRONMENT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["heard"] and told["blocks"] == BLOCKS  # stems went all the way
    kilobytes, blocks, objects = told["grown"]
    # 8 bytes a block would be 128 kB, an object kept for each block 16,000 of them.
    assert kilobytes < 64 and blocks < 500 and objects < 500, told
