"""Measure how fast isolde is, as ratios within one run: python benchmarks/speed.py.

1. The network over the same frames in the same engine on one thread: every window on its own
   against the shared form, and one frame a call.
2. For each model a whole song of stereo 44.1 kHz, from samples to stems, on one thread: audio per
   CPU second; the same as a command; and CPU seconds of the command until one second is written.
3. A peer on the same song on one thread, beside each command: Spleeter 2 stems, by
   benchmarks/peers/spleeter-itself, when it is set up there.

Alternating rounds, medians: machines are noisy, and a ratio of neighbours is not.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
from shared import RATE, song, used

ROUNDS = 5
PEER = Path(__file__).parent / "peers" / "spleeter-itself"
WINDOW_FRAMES = 192
STREAM_FRAMES = 2048


def cpu_seconds(job: Callable[[], object]) -> float:
    """CPU seconds of this process for a job."""
    began = time.process_time()
    job()
    return time.process_time() - began


def network_rates() -> dict[str, float]:
    """Frames per CPU second of the mask network on one thread."""
    import onnxruntime
    import torch

    from isolde.models.graph import Graph
    from isolde.networks.article import MASK, WindowNetwork
    from isolde.networks.onnx.windows import stateful_graph, window_graph

    torch.manual_seed(0)
    network = WindowNetwork(MASK).eval()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    windows = onnxruntime.InferenceSession(window_graph(network), options, ["CPUExecutionProvider"])
    graph = Graph(stateful_graph(network))
    frames = np.random.default_rng(0).normal(size=(1, STREAM_FRAMES, 513)).astype(np.float32)
    views = np.lib.stride_tricks.sliding_window_view(frames[0], 25, axis=0).transpose(0, 2, 1)

    def naive() -> None:
        for start in range(0, WINDOW_FRAMES, 32):
            part = np.ascontiguousarray(views[start : start + 32])
            windows.run(None, {"windows": part})

    def one_by_one() -> None:
        state = graph.state(1)
        for i in range(WINDOW_FRAMES):
            _, state = graph(frames[:, i : i + 1], state)

    jobs: dict[str, tuple[Callable[[], object], int]] = {
        "naive": (naive, WINDOW_FRAMES),
        "shared": (lambda: graph(frames, graph.state(1)), STREAM_FRAMES),
        "shared, 1 frame a call": (one_by_one, WINDOW_FRAMES),
    }
    rates: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(ROUNDS):
        for name, (job, n) in jobs.items():
            rates[name].append(n / cpu_seconds(job))
    ratio = median(s / n for s, n in zip(rates["shared"], rates["naive"], strict=True))
    return {**{k: median(v) for k, v in rates.items()}, "shared / naive": ratio}


def model_rates(model: str, audio: np.ndarray, folder: Path) -> dict[str, float]:
    """Speeds of a model with a song; it and its first second lie in a folder as wav."""
    from isolde.separation.load import separate

    seconds = audio.shape[1] / RATE
    rates = [
        seconds / cpu_seconds(lambda: separate(audio, sample_rate=RATE, model=model, threads=1))
        for _ in range(ROUNDS)
    ]
    isolde = [sys.executable, "-m", "isolde", "separate", "--threads", "1", "--overwrite"]
    isolde += ["--model", model, "-o", str(folder)]
    starts = [used([*isolde, str(folder / "second.wav")])[0] for _ in range(ROUNDS)]
    python = PEER / ".venv" / "bin" / "python"
    peer = [str(python), str(PEER / "separate.py"), str(folder / "song.wav"), str(folder / "peer")]
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(3):
        ours.append(used([*isolde, str(folder / "song.wav")])[0])
        if python.exists():
            theirs.append(used(peer)[0])
    found = {
        "song in memory, audio s per CPU s": median(rates),
        "command, audio s per CPU s": median(seconds / m for m in ours),
        "command, CPU s to the first written second": median(starts),
    }
    if theirs:
        found["Spleeter's command, audio s per CPU s"] = median(seconds / t for t in theirs)
        found["isolde / Spleeter"] = median(t / m for m, t in zip(ours, theirs, strict=True))
    return found


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="vocals-large,vocals,stems")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the song")
    options = parser.parse_args()
    from isolde.audio import write

    found: dict[str, object] = {"network, frames per CPU s": network_rates()}
    audio = song(options.seconds)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "song.wav", audio, RATE)
        write(folder / "second.wav", audio[:, :RATE], RATE)
        for model in options.models.split(","):
            found[model] = model_rates(model, audio, folder)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
