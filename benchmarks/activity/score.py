"""The table: `python score.py SETS OUT [MODEL]`: ours and every peer's scores against the labels.

accuracy   share of frames at the threshold 0.5 (ours), or at the threshold that is best on these
           very labels (peers: a favour)
AUC        chance that a frame with voice scores above one without, all frames of a set pooled
cut        accuracy of our segments (default rule) instead of single frames
interval   95 % bootstrap over songs of our accuracy

Below it for each set: how far the nearest start (end) of ours is from each true one in a song.
"""

import sys
import time
from pathlib import Path

import numpy as np

from isolde.activity import find_activity
from isolde.activity.segments import Segment, frames_of
from isolde.audio import read
from isolde.evaluation.metrics.detection import area_under_roc

FRAME = 256 / 22050
"""Seconds from one label to the next."""


def best_accuracy(scores: np.ndarray, labels: np.ndarray) -> float:
    """At the best threshold."""
    order = np.argsort(scores, kind="stable")
    right = np.concatenate([[labels.sum()], labels.sum() + np.cumsum(1 - 2 * labels[order])])
    return float(right.max() / len(labels))


def distances(labels: list[np.ndarray], found: list[tuple[Segment, ...]], start: bool) -> str:
    """How far our nearest edge lies from each true one, in seconds."""
    apart = []
    for truth, segments in zip(labels, found, strict=True):
        ours = np.array([s.start if start else s.end for s in segments] or [np.inf])
        edges = np.flatnonzero(np.diff(truth.astype(int)) == (1 if start else -1)) + 0.5
        apart += [np.abs(ours - edge * FRAME).min() for edge in edges]
    near = " ".join(f"{100 * np.mean(np.array(apart) < t):.0f} %" for t in (0.05, 0.1, 0.2))
    return f"{len(apart)}, median {np.median(apart):.3f} s, within 0.05, 0.1, 0.2 s {near}"


def main() -> None:
    """Print the table."""
    sets, out = Path(sys.argv[1]), Path(sys.argv[2])
    model = sys.argv[3] if len(sys.argv) > 3 else "vocals-large"
    rng = np.random.default_rng(0)
    print("| set | songs | voice | detector | accuracy | interval | AUC | cut |")
    print("|---|---|---|---|---|---|---|---|")
    seconds, spent, edges = 0.0, 0.0, []
    for folder in sorted(p for p in sets.iterdir() if p.is_dir()):
        paths = sorted(folder.glob("*.wav"))
        labels = [np.load(p.with_suffix(".npy")) for p in paths]
        ours, cuts, cut_up = [], [], []
        for path, truth in zip(paths, labels, strict=True):
            audio, rate = read(path)
            began = time.process_time()
            found = find_activity(audio, sample_rate=rate, model=model)
            spent += time.process_time() - began
            seconds += found.seconds
            times = np.arange(len(found.probabilities)) * found.frame_seconds
            at = np.arange(len(truth)) * FRAME
            ours.append(np.interp(at, times, found.probabilities))
            cuts.append(frames_of(found.segments, len(truth), FRAME))
            cut_up.append(found.segments)
        truth = np.concatenate(labels)
        right = np.array([((p > 0.5) == t).sum() for p, t in zip(ours, labels, strict=True)])
        sizes = np.array([len(t) for t in labels])
        draws = rng.integers(len(sizes), size=(2000, len(sizes)))
        low, high = np.percentile(right[draws].sum(1) / sizes[draws].sum(1), [2.5, 97.5])
        cut = float((np.concatenate(cuts) == truth).mean())
        begin = f"| {folder.name} | {len(paths)} | {100 * truth.mean():.0f} % |"
        p = np.concatenate(ours)
        print(
            f"{begin} isolde | {100 * right.sum() / sizes.sum():.1f} | {100 * low:.1f}-"
            f"{100 * high:.1f} | {area_under_roc(truth, p):.3f} | {100 * cut:.1f} |",
            flush=True,
        )
        for peer in ("silero", "webrtc", "energy"):
            files = [out / peer / folder.name / f"{q.stem}.npy" for q in paths]
            if all(f.is_file() for f in files):
                p = np.concatenate(
                    [np.load(f)[: len(t)] for f, t in zip(files, labels, strict=True)]
                )
                print(
                    f"{begin} {peer} | {100 * best_accuracy(p, truth):.1f} | | "
                    f"{area_under_roc(truth, p):.3f} | |"
                )
        for what in ("starts", "ends"):
            edges.append(f"{folder.name} {what}: {distances(labels, cut_up, what == 'starts')}")
        always = max(truth.mean(), 1 - truth.mean())
        print(f"{begin} always the commoner | {100 * always:.1f} | | 0.500 | |", flush=True)
    print("", *edges, sep="\n")
    print(f"\nisolde: {seconds / spent:.1f} s of audio per CPU second")


if __name__ == "__main__":
    main()
