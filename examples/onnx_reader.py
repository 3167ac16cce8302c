"""Separate stereo music with a network of isolde's, by numpy and ONNX Runtime; isolde is not used.

    ffmpeg -i song.mp3 -f f32le -ac 2 -ar 44100 - |
        python onnx_reader.py vocals-live.json > stems.f32
    ffmpeg -f f32le -ac 2 -ar 44100 -i stems.f32 stems.wav

Samples in are float32 at 44,100 Hz; out come the card's stems and the residual, one after another.
"""

import json
import math
import os
import sys

import numpy as np

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # ONNX Runtime tells its maker of every run else
import onnxruntime


def windows_of(n_fft: int, synthesis: str) -> tuple[np.ndarray, np.ndarray]:
    """Windows of the analysis and, over a frame's last samples, of the synthesis."""

    def hann(n: int) -> np.ndarray:
        return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)

    if synthesis == "long":
        return hann(n_fft), hann(n_fft)
    fast, slow = n_fft // 4, n_fft - n_fft // 4
    rise = np.sin(np.pi / 2 * np.arange(slow) / slow) ** 2
    analysis = np.append(rise, np.cos(np.pi / 2 * np.arange(fast) / fast))
    return analysis, hann(2 * fast) / analysis[-2 * fast :]


def separate(audio: np.ndarray, rate: int, card: dict, session: onnxruntime.InferenceSession):
    """Stems (n_stems, 2, n) of audio (2, n) at the card's sample rate or twice that."""
    grid, stems, signal = card["grid"], card["stems"], card["features"]["signal"]
    twice = rate / grid["sample_rate"]
    if signal not in ("stereo", "pair") or twice not in (1, 2):
        sys.exit(f"{card['name']} hears '{signal}' at {grid['sample_rate']} Hz: no case for this")
    n_fft, hop = int(twice * grid["n_fft"]), int(twice * grid["hop"])
    n_bins = grid["n_fft"] // 2 + 1  # that the network hears
    analysis, synthesis = windows_of(n_fft, grid["synthesis"])
    reach, scale = len(synthesis) // 2, 2 / analysis.sum()
    n_frames = 1 + math.ceil(audio.shape[1] / hop)  # frame t is centred on sample t * hop
    padded = np.pad(audio, ((0, 0), (n_fft - reach, hop + reach)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft, axis=1)[:, ::hop]
    spectra = np.fft.rfft(frames[:, :n_frames] * analysis) * scale

    heard, lowest = spectra[:, :, :n_bins].copy(), math.ceil(card["lowest_hz"] * n_fft / rate)
    if stems == ["vocals"]:
        heard[:, :, :lowest] = 0
    powers = (np.abs(heard) ** 2).sum(axis=2).mean(axis=0) / 3
    soon = 256 / 22050 / -math.log(0.6)
    seconds = (soon, card.get("level_seconds", soon))
    follow, rise = (1 - math.exp(-hop / rate / time) for time in seconds)
    fall = math.exp(-hop / rate / 5)
    newest, smooth, level = powers[0], powers[0], 0.0
    for t, power in enumerate(powers):
        newest += follow * (power - newest)
        smooth = max(smooth + rise * (power - smooth), newest / 10**0.6)
        level = max(smooth, fall * level, 1e-10)
        heard[:, t] *= 10 ** (card["level_db"] / 20) / math.sqrt(level)

    left, right = heard[:, :, :-1]
    if signal == "pair":
        features = np.abs(np.concatenate([left, right], axis=-1))
    else:
        four = np.stack([left, right, (left + right) / 2, (left - right) / 2], axis=-1)
        features = np.log(1 + card["features"]["scale"] * np.abs(four)).reshape(n_frames, -1)
    step, ahead = card.get("step", 1), card["look_ahead"]
    before = card["past"] + -card["past"] % step
    silence = ((before, ahead + -(n_frames + ahead) % step), (0, 0))
    features = np.pad(features, silence)[None].astype(np.float32)
    states = [i for i in session.get_inputs() if i.name != "frames"]
    state = {i.name: np.zeros((1, *i.shape[1:]), np.float32) for i in states}
    outputs, answers = ["mask", *(f"next_{name}" for name in state)], []
    for at in range(0, features.shape[1], 64 * step):  # or any other multiple of the step
        part = features[:, at : at + 64 * step]
        answer, *after = session.run(outputs, {"frames": part, **state})
        answers.append(answer[0])
        state = dict(zip(state, after, strict=True))
    mask = np.concatenate(answers)[before + ahead :][:n_frames]
    mask = mask.reshape(n_frames, len(stems), 2, n_bins).transpose(1, 2, 0, 3)

    treble = mask[..., math.ceil(8000 * n_fft / rate) :].mean(axis=-1, keepdims=True)
    mask = np.append(mask, np.repeat(treble, n_fft // 2 + 1 - n_bins, axis=-1), axis=-1)
    if "vocals" in stems:
        mask[stems.index("vocals"), ..., :lowest] = 0
    parts = np.fft.irfft(spectra * mask / scale)[..., -2 * reach :] * synthesis
    total = np.zeros((len(stems), 2, n_frames * hop + 2 * reach))
    weight = np.full(total.shape[-1], 1e-12)
    for t in range(n_frames):
        total[..., t * hop : t * hop + 2 * reach] += parts[:, :, t]
        weight[t * hop : t * hop + 2 * reach] += analysis[-2 * reach :] * synthesis
    return (total / weight)[..., reach : reach + audio.shape[1]]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python onnx_reader.py CARD.json < MIXTURE.f32 > STEMS.f32")
    with open(sys.argv[1], encoding="utf-8") as file:
        card = json.load(file)
    session = onnxruntime.InferenceSession(sys.argv[1].replace(".json", ".onnx"))
    mixture = np.frombuffer(sys.stdin.buffer.read(), "<f4").reshape(-1, 2).T
    estimates = separate(mixture, 44100, card, session)
    for stem in (*estimates, mixture - estimates.sum(axis=0)):
        sys.stdout.buffer.write(stem.T.astype("<f4").tobytes())
