"""How good a network is, heard through its mask on whole songs; it never trains."""

from collections.abc import Iterable

import numpy as np
import torch

from isolde.datasets.library import FULL_SCALE, Entry
from isolde.features import Features
from isolde.masks import readout
from isolde.networks.article import WindowNetwork
from isolde.networks.sliding import plan, slide
from isolde.spectrum import GRID_22, analyse, synthesise
from isolde.stages import Complex64, Float32


def mask_of(
    network: WindowNetwork,
    features: Features,
    spectra: Complex64,
    *,
    look_ahead: int = 12,
    exact: bool = True,
) -> Float32:
    """The network's mask for whole songs, silence before and after: (1 or n_channels, n, 513)."""
    steps = plan(network.shape.n_frames, exact=exact)
    past = steps.lead + network.shape.n_frames - 1 - look_ahead
    padded = np.pad(spectra, ((0, 0), (past, steps.span - past), (0, 0)))
    with torch.no_grad():
        raw = slide(network, torch.from_numpy(features(padded)), exact=exact)
    return features.on_bins(torch.sigmoid(raw).numpy())


def song_usdr(
    network: WindowNetwork,
    features: Features,
    entry: Entry,
    *,
    look_ahead: int = 12,
    kind: str = "soft",
    exact: bool = True,
) -> float:
    """USDR of the vocals of one song in dB: 10 log10 of the voice's energy over the error's."""
    assert entry.vocals is not None and entry.accompaniment is not None
    vocals = entry.vocals.astype(np.float32) / np.float32(FULL_SCALE)
    mixture = vocals + entry.accompaniment.astype(np.float32) / np.float32(FULL_SCALE)
    spectra = analyse(mixture, GRID_22)
    mask = mask_of(network, features, spectra, look_ahead=look_ahead, exact=exact)
    mask = readout(mask, kind)
    estimate = synthesise(spectra * mask, GRID_22, mixture.shape[1])
    error = float(np.sum((vocals - estimate) ** 2)) + 1e-9
    return float(10 * np.log10(float(np.sum(vocals**2)) / error + 1e-9))


def validate(
    network: WindowNetwork,
    features: Features,
    entries: Iterable[Entry],
    *,
    look_ahead: int = 12,
    kind: str = "soft",
    exact: bool = True,
) -> tuple[float, float]:
    """Median and mean uSDR over songs, in dB."""
    scores = [
        song_usdr(network, features, entry, look_ahead=look_ahead, kind=kind, exact=exact)
        for entry in entries
    ]
    return float(np.median(scores)), float(np.mean(scores))
