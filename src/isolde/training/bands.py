"""How the band network learns: stereo examples, what its masks leave wrong, and whole songs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from isolde.datasets.library import FULL_SCALE, Entry
from isolde.datasets.remix import Mixer
from isolde.features import Features
from isolde.networks.bands import BandNetwork
from isolde.spectrum import GRID_22, N_MODEL_BINS, analyse, synthesise
from isolde.stages import Complex64, Float32

SETTLING = 8
"""Answers at the beginning of a stretch that do not count: nothing came before them."""


@dataclass(frozen=True)
class BandBatch:
    """One step's examples; the squared error of any real mask follows from the last three.

    Attributes:
        features: (n, n_frames, 2048).
        mixture: power of each answer's bins, (n, answers, 2, 513).
        cross: real part of mixture* times voice.
        voice: the voice's power.
    """

    features: Tensor
    mixture: Tensor
    cross: Tensor
    voice: Tensor


def band_batch(
    features: Features, mixer: Mixer, indices: Sequence[int], *, frames: int, look_ahead: int
) -> BandBatch:
    """Examples `indices` of a mixer, each with `frames` answers that count."""
    n_frames = SETTLING + frames + look_ahead
    rows: list[list[Float32]] = [[], [], [], []]
    for index in indices:
        vocals, accompaniment, _ = mixer.stereo(index, n_frames)
        mixture = vocals + accompaniment
        v, x = (s[:, SETTLING : SETTLING + frames].transpose(1, 0, 2) for s in (vocals, mixture))
        values = features(mixture)[0], _power(x), (x.conj() * v).real, _power(v)
        for row, value in zip(rows, values, strict=True):
            row.append(value)
    return BandBatch(*(torch.from_numpy(np.stack(row)) for row in rows))


def _power(spectra: Complex64) -> Float32:
    return spectra.real**2 + spectra.imag**2


def band_loss(
    network: BandNetwork, batch: BandBatch, *, bce: float, snr: float, weight_power: float
) -> Tensor:
    """What the masks leave wrong, in one number; 0 is perfect for the `bce` part only.

    Args:
        network: in training mode.
        batch: its examples.
        bce: weight of the cross-entropy against the phase-sensitive mask, in which an error in a
            bin counts |X|^weight_power.
        snr: weight of the error's energy over the voice's, in tens of dB, per example; both count
            at least a hundredth of the mixture, so that silence can be learnt and not overlearnt.
        weight_power: see `bce`.
    """
    raw: Tensor = network(batch.features)[:, SETTLING:]
    loss = raw.new_zeros(())
    if bce:
        target = (batch.cross / batch.mixture.clamp_min(1e-12)).clamp(0, 1)
        weight = batch.mixture ** (weight_power / 2)
        weight = weight / (weight.mean(dim=(1, 2, 3), keepdim=True) + 1e-9)
        error = functional.binary_cross_entropy_with_logits(raw, target, reduction="none")
        loss = loss + bce * (error * weight).mean()
    if snr:
        mask = torch.sigmoid(raw)
        left = (mask * mask * batch.mixture - 2 * mask * batch.cross + batch.voice).sum((1, 2, 3))
        floor = 0.01 * batch.mixture.sum((1, 2, 3)) + 1e-9
        ratio = (left + floor) / (batch.voice.sum((1, 2, 3)) + floor)
        loss = loss + snr * torch.log10(ratio).mean()
    return loss


def band_masks(network: BandNetwork, features: Features, spectra: Complex64) -> Float32:
    """The network's masks (masks, n_channels, n_frames, 513) for a whole song's (.., 513) spectra.

    Before and after the song is silence, as a separator feeds it.
    """
    ahead = network.shape.look_ahead
    padded = np.pad(spectra, ((0, 0), (SETTLING, ahead), (0, 0)))
    with torch.no_grad():
        raw = network(torch.from_numpy(features(padded)))[:, SETTLING:]
    pairs, n, _, bins = raw.shape
    masks = torch.sigmoid(raw).view(pairs, n, network.shape.masks, 2, bins).permute(2, 0, 3, 1, 4)
    found: Float32 = masks.flatten(1, 2)[:, : len(spectra)].numpy()
    return found


def band_scores(
    network: BandNetwork, features: Features, entries: Iterable[Entry]
) -> tuple[float, float]:
    """Median and mean uSDR of the vocals over songs, in dB."""
    scores = []
    for entry in entries:
        assert entry.vocals is not None and entry.accompaniment is not None
        vocals = entry.vocals.astype(np.float32) / np.float32(FULL_SCALE)
        mixture = vocals + entry.accompaniment.astype(np.float32) / np.float32(FULL_SCALE)
        spectra = analyse(mixture, GRID_22)
        mask = band_masks(network, features, spectra[:, :, :N_MODEL_BINS])[0]
        estimate = synthesise(spectra * mask, GRID_22, mixture.shape[1])
        error = float(np.sum((vocals - estimate) ** 2)) + 1e-9
        scores.append(float(10 * np.log10(float(np.sum(vocals**2)) / error + 1e-9)))
    return float(np.median(scores)), float(np.mean(scores))
