"""What running a graph does to the machine: threads, files, and nothing to its maker."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import windows
from isolde.core.errors import ModelError
from isolde.models import graph
from isolde.models.catalogue import find


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads by /proc")
def test_a_graph_has_no_more_threads_than_there_are_cores():
    before = len(os.listdir("/proc/self/task"))
    session = find("article").session(threads=10_000)
    assert len(os.listdir("/proc/self/task")) <= before + (os.cpu_count() or 1)
    del session


@pytest.mark.slow
@pytest.mark.parametrize("uses", [
    "from isolde.models.catalogue import find; find('article').session()",
    "import isolde; isolde.list_models(); import onnxruntime",
])  # fmt: skip
def test_a_run_tells_nobody_and_leaves_no_file_outside_of_its_output(tmp_path: Path, uses: str):
    """ONNX Runtime would keep a number of this computer, and what it has not yet sent."""
    homes = {name: str(tmp_path) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME")}
    env = {k: v for k, v in os.environ.items() if "TELEMETRY" not in k and k != "CI"}
    command = [sys.executable, "-c", uses]
    done = subprocess.run(command, env={**env, **homes}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.rglob("*")) == []


def test_telemetry_goes_off_where_a_program_had_imported_the_runtime_first(
    monkeypatch: pytest.MonkeyPatch,
):
    told: list[str] = []
    monkeypatch.setattr("onnxruntime.disable_telemetry_events", lambda: told.append("off"))
    graph._onnxruntime.cache_clear()
    find("article").session()
    assert told == ["off"]


@pytest.mark.parametrize(
    ("inputs", "mask"),
    [
        ({"frames": ["batch", "n", "width"]}, ["batch", "n", 513]),
        ({"frames": ["batch", 513]}, ["batch", 513]),
        ({"frames": ["batch", "n", 513], "state": ["batch", "size"]}, ["batch", "n", 513]),
    ],
)
def test_a_graph_of_unknown_sizes_is_refused_in_one_line(
    tmp_path: Path, inputs: dict[str, windows.Shape], mask: windows.Shape
):
    nodes = [("Sigmoid", ["frames"], "mask")]
    nodes += [("Identity", [name], f"next_{name}") for name in inputs if name != "frames"]
    outputs = {"mask": mask, **{f"next_{k}": v for k, v in inputs.items() if k != "frames"}}
    path = windows.write_graph(tmp_path / "net.onnx", inputs, outputs, nodes)
    with pytest.raises(ModelError, match="leaves sizes free"):
        graph.Graph(path)
