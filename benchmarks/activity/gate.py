"""What the gate does to the vocals: `python gate.py DATA CACHE [MODEL] [SONGS]`.

Dev songs whose true voice pauses now and then (as in `make.py`), and the same as they are. uSDR is
10 log10(|s|^2 / |s - e|^2) over a song; "quiet" is the level of the vocal estimate against the
mixture's in the frames in which the true voice is muted, a median over songs. The songs are every
second of dev: the gate's numbers were chosen on the others.
"""

import sys
from pathlib import Path

import numpy as np
from make import HOP, muted

from isolde.activity import GatedMasker, GateRule
from isolde.datasets.mixing.library import FULL_SCALE, Library
from isolde.datasets.voicing import labelled
from isolde.evaluation.metrics.ratios import usdr
from isolde.models.catalogue import find
from isolde.models.masker import make_masker
from isolde.separation.stages.separator import Separator


def main() -> None:
    """Print a row for each floor."""
    data, cache = Path(sys.argv[1]), Path(sys.argv[2])
    model = sys.argv[3] if len(sys.argv) > 3 else "vocals-large"
    songs = int(sys.argv[4]) if len(sys.argv) > 4 else 12
    entries = Library([data / "musdb18-7-dev"], cache).entries
    held = entries[1::2]
    entries = labelled(held[:: max(1, len(held) // songs)][:songs])
    rng = np.random.default_rng(11)
    found = find(model)
    print("| floor dB | pauses: uSDR | accompaniment | quiet dB | no pauses: uSDR |")
    print("|---|---|---|---|---|")
    cases = [(e, *muted(e, rng)) for e in entries]
    for floor in (0.0, -20.0, -30.0):
        rows = []
        for entry, paused, _sounds in cases:
            n = paused.shape[1]
            backing = entry.accompaniment[:, :n].astype(np.float32) / FULL_SCALE
            row = []
            for mixture in (
                paused.astype(np.float32),
                backing + entry.vocals[:, :n].astype(np.float32) / FULL_SCALE,
            ):
                masker = make_masker(found, n_channels=2)
                if floor:
                    masker = GatedMasker(masker, rule=GateRule(floor_db=floor))
                separator = Separator.with_masks(masker, sample_rate=22050, n_channels=2)
                parts = [separator.feed(mixture), separator.flush()]
                e = np.concatenate([p["vocals"] for p in parts], axis=1)
                voice = mixture - backing
                row.append(usdr(voice, e))
                if len(row) == 1:
                    row.append(usdr(backing, mixture - e))
                    power = (voice**2).sum(0)[: n // HOP * HOP].reshape(-1, HOP).sum(1)
                    silent = np.repeat(power < 1e-7, HOP)
                    m = e.shape[1] // HOP * HOP
                    quiet = np.sum(e[:, :m][:, silent] ** 2) / np.sum(
                        mixture[:, :m][:, silent] ** 2
                    )
                    row.append(10 * np.log10(quiet + 1e-12) if silent.any() else np.nan)
            rows.append(row)
        a = np.nanmedian(np.array(rows), axis=0)
        print(
            f"| {floor or 'no gate'} | {a[0]:.2f} | {a[1]:.2f} | {a[2]:.1f} | {a[3]:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
