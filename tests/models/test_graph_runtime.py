"""What running a graph does to the machine: threads, files, and nothing to its maker."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from isolde.models.catalogue import find


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads by /proc")
def test_a_graph_has_no_more_threads_than_there_are_cores():
    before = len(os.listdir("/proc/self/task"))
    session = find("article").session(threads=10_000)
    assert len(os.listdir("/proc/self/task")) <= before + (os.cpu_count() or 1)
    del session


def test_a_run_tells_nobody_and_leaves_no_file_outside_of_its_output(tmp_path: Path):
    """ONNX Runtime would keep a number of this computer, and what it has not yet sent."""
    homes = {name: str(tmp_path) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME")}
    env = {k: v for k, v in os.environ.items() if "TELEMETRY" not in k and k != "CI"}
    code = (
        "from isolde.models.catalogue import find; import os; find('article').session(); "
        "print(os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**env, **homes}, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout.strip()) == (0, "1"), done.stderr
    assert list(tmp_path.rglob("*")) == []
