"""Small graphs of each form of window network, whose answers are known."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from isolde.models.card import Card, Member

Shape = Sequence[int | str]


def write_graph(
    path: Path,
    inputs: dict[str, Shape],
    outputs: dict[str, Shape],
    nodes: list[tuple[str, list[str], str]],
    constants: dict[str, np.ndarray] | None = None,
) -> Path:
    """An ONNX file of nodes (kind, inputs, output)."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    def named(values: dict[str, Shape]) -> list:
        return [helper.make_tensor_value_info(k, TensorProto.FLOAT, v) for k, v in values.items()]

    graph = helper.make_graph(
        [helper.make_node(kind, sources, [target]) for kind, sources, target in nodes],
        "small",
        named(inputs),
        named(outputs),
        [numpy_helper.from_array(v, k) for k, v in (constants or {}).items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(made.SerializeToString())
    return path


def factor(value: float) -> dict[str, np.ndarray]:
    """A constant named `factor`."""
    return {"factor": np.array([value], np.float32)}


def mdx_net(path: Path, *, gain: float = 1.0, n_bins: int = 512, n_frames: int = 32) -> Path:
    """An MDX-Net whose stem is the mixture times `gain`."""
    shape = ["batch", 4, n_bins, n_frames]
    nodes = [("Mul", ["input", "factor"], "output")]
    return write_graph(path, {"input": shape}, {"output": shape}, nodes, factor(gain))


def spleeter(path: Path, gains: dict[str, float], *, n_bins: int = 1024) -> Path:
    """Spleeter's form: each stem's magnitudes are the mixture's times a gain."""
    shape = ["batch", 2, 64, n_bins]
    nodes = [("Mul", ["magnitudes", f"gain_{stem}"], stem) for stem in gains]
    constants = {f"gain_{stem}": np.array([g], np.float32) for stem, g in gains.items()}
    return write_graph(path, {"magnitudes": shape}, dict.fromkeys(gains, shape), nodes, constants)


def open_unmix(path: Path, *, gain: float, n_bins: int = 2049) -> Path:
    """Open-Unmix's form: one stem, bins before frames, any number of frames."""
    shape = ["batch", 2, n_bins, "frames"]
    nodes = [("Mul", ["x", "factor"], "y")]
    return write_graph(path, {"x": shape}, {"y": shape}, nodes, factor(gain))


def ht_demucs(path: Path, *, size: int = 16_384) -> Path:
    """HT-Demucs's form: drums and bass half the wave each, vocals the spectrum, other nothing."""
    n_frames = -(-size // 1024)
    nodes = [
        ("Unsqueeze", ["mix", "one"], "wave"),
        ("Mul", ["wave", "waves_gain"], "waves"),
        ("Unsqueeze", ["spectrum", "one"], "lines"),
        ("Mul", ["lines", "spectra_gain"], "spectra"),
    ]
    constants = {
        "one": np.array([1], np.int64),
        "waves_gain": np.array([0.5, 0.5, 0, 0], np.float32).reshape(1, 4, 1, 1),
        "spectra_gain": np.array([0, 0, 0, 1], np.float32).reshape(1, 4, 1, 1, 1),
    }
    return write_graph(
        path,
        {"mix": [1, 2, size], "spectrum": [1, 4, 2048, n_frames]},
        {"spectra": [1, 4, 4, 2048, n_frames], "waves": [1, 4, 2, size]},
        nodes,
        constants,
    )


def waves(path: Path, *, delay: int, size: int = 8192, gain: float = 1.0) -> Path:
    """Samples in, samples out: the mixture times `gain`, `delay` samples late in the window."""
    nodes = [
        ("Pad", ["mix", "pads"], "padded"),
        ("Slice", ["padded", "zero", "size", "axis"], "late"),
        ("Mul", ["late", "factor"], "stem"),
    ]
    constants = {
        "pads": np.array([0, 0, delay, 0, 0, 0], np.int64),
        "zero": np.array([0], np.int64),
        "size": np.array([size], np.int64),
        "axis": np.array([2], np.int64),
        **factor(gain),
    }
    shape = [1, 2, size]
    return write_graph(path, {"mix": shape}, {"stem": shape}, nodes, constants)


def ensemble(folder: Path, members: dict[str, float]) -> Path:
    """The card of an ensemble of models."""
    card = Card(
        name="both",
        summary="",
        stems=("vocals",),
        residual="accompaniment",
        licence="MIT",
        kind="ensemble",
        members=tuple(Member(name, weight) for name, weight in members.items()),
    )
    path = folder / "both.json"
    path.write_text(card.to_json())
    return path
