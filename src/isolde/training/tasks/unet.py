"""The task of U-Nets: the error of the masked sound.

Their windows are those of 44,100 Hz; at 22,050 Hz half as many samples have the same bins.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from isolde.core.config import build
from isolde.core.errors import InputError
from isolde.core.signal.features import Features
from isolde.core.signal.spectrum import Grid
from isolde.core.stage import Complex64, Float32
from isolde.datasets.mixing.library import Entry
from isolde.models.catalogue import find
from isolde.models.window.form import Window
from isolde.networks.onnx.read_unet import read_unets
from isolde.networks.onnx.unet import unet_graph
from isolde.networks.unet import UNetPair, UNetShape, UNetShared, shares_of, unet_masker
from isolde.training.mixing.timeline import PAIR, QUARTET
from isolde.training.precision import in_precision
from isolde.training.tasks.base import Examples, SpectraBatch
from isolde.training.tasks.spectral import EMPTY, bin_weights, energy_of, log_error, share_of
from isolde.training.tasks.validation import usdr

SAMPLE_RATE = 22_050
CPU = torch.device("cpu")

Unets = UNetPair | UNetShared


def shape_of(name: str) -> UNetShape:
    """Read the shape of a model's networks from its card.

    Args:
        name: Name or path of the model.

    Raises:
        InputError: Its card's recipe has no shape of U-Nets.
        ModelError: There is no such model.
    """
    held = find(name).card.recipe.get("task", {}).get("shape", {})
    return build(UNetShape, held, where=f"the recipe of model '{name}'")


@lru_cache(maxsize=4)
def unets_of(name: str, device: torch.device = CPU) -> Unets:
    """Read the networks of a model, to learn from them or make them smaller.

    Args:
        name: Name or path of the model.
        device: Where they compute; on a GPU in bfloat16, as networks train there.

    Raises:
        InputError: Its card's recipe has no shape of U-Nets.
        ModelError: There is no such model, or its graph has no U-Nets.
    """
    masker = read_unets(find(name).path, shape_of(name))
    masker.eval().to(device)
    if device.type == "cuda":
        masker.forward = in_precision(masker.forward, device)  # type: ignore[method-assign]
    return masker


def after(vocals: Tensor, shares: Tensor) -> Tensor:
    """Logits of masks that sum to one, of two networks in a row.

    Args:
        vocals: Logits (n, 1, ...) of the vocals' mask, by the first.
        shares: Logits (n, masks, ...) of the shares of what it leaves, by the second, the vocals'
            first: what it still finds of them is added.
    """
    rest = functional.logsigmoid(-vocals) + shares.log_softmax(1)
    both = torch.logaddexp(functional.logsigmoid(vocals), rest[:, :1])
    return torch.cat([both, rest[:, 1:]], 1)


@dataclass(frozen=True)
class UNetTask:
    """U-Nets that learn the masks of a stereo mixture.

    Attributes:
        shape: Shape of each network, with the number of masks.
        window: Number of frames that a separator gives the network at once.
        cross_entropy: Weight of the cross-entropy against the best real mask, in which louder
            bins count more, beside the error's energy over the stem's in tens of dB.
        teacher: Name or path of a model of U-Nets, whose estimates are learnt from beside the
            stems (Hinton, Vinyals, Dean, "Distilling the knowledge in a neural network", 2015);
            empty: none.
        taught: Weight of what its estimates say, from 0 to 1; the rest is the stems'.
        follows: Name or path of a model of U-Nets that takes the vocals first: these networks hear
            what its mask leaves, and share that out; empty: none.
    """

    kind: ClassVar[str] = "unet"
    goes_first: ClassVar[bool] = False
    score: ClassVar[str] = "vocals uSDR in dB"
    synthesis: ClassVar[str] = "long"
    look_ahead: ClassVar[int] = 0
    past: ClassVar[int] = 0
    features: ClassVar[Features] = Features(signal="stereo")

    shape: UNetShape = field(default_factory=UNetShape)
    window: int = 512
    cross_entropy: float = 0.2
    teacher: str = ""
    taught: float = 0.5
    follows: str = ""

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        if self.window < 1 or self.window % self.shape.multiple:
            raise InputError(
                f"window is {self.window} frames: give a multiple of {self.shape.multiple}"
            )
        if self.shape.masks not in (0, 1, len(QUARTET)):
            raise InputError(f"masks is {self.shape.masks}: give 0, 1 or {len(QUARTET)}")
        if not 0 <= self.taught <= 1:
            raise InputError(f"taught is {self.taught}: give 0 to 1")
        if self.teacher and self.shape.masks > 1:
            raise InputError(f"teacher '{self.teacher}' knows one voice: give masks 0 or 1")
        if self.follows and self.shape.masks <= 1:
            raise InputError(
                f"follows is '{self.follows}', which takes the vocals: give masks {len(QUARTET)}"
            )
        if self.cross_entropy < 0:
            raise InputError(f"cross_entropy is {self.cross_entropy}: give 0 or more")

    def check_models(self) -> None:
        """Refuse a model to learn from, or to follow, that gives other masks than are needed.

        Raises:
            InputError: It gives several masks, or those of other bins.
            ModelError: There is no such model.
        """
        for key in ("teacher", "follows"):
            name = getattr(self, key)
            shape = shape_of(name) if name else self.shape
            if name and (shape.masks > 1 or shape.n_bins != self.shape.n_bins):
                raise InputError(
                    f"{key} '{name}' has masks {shape.masks} and n_bins {shape.n_bins}: take a "
                    f"model of the vocals alone, with n_bins {self.shape.n_bins}"
                )

    @property
    def grid(self) -> Grid:
        """Grid of the spectra."""
        n_fft = 2 * self.shape.n_bins
        return Grid(SAMPLE_RATE, n_fft, n_fft // 4, self.synthesis)

    @property
    def parts(self) -> tuple[str, ...]:
        """The stems that its examples are mixed of."""
        return PAIR if self.shape.masks <= 1 else QUARTET

    @property
    def stems(self) -> tuple[str, ...]:
        """Stems of the masks."""
        return self.parts[:-1]

    @property
    def residual(self) -> str:
        """The stem that is the mixture less those of the masks."""
        return self.parts[-1]

    @property
    def form(self) -> Window:
        """The window that a separator gives the graph, at 44,100 Hz."""
        n_fft = 4 * self.shape.n_bins
        return Window(
            form="magnitudes",
            outputs=self.parts,
            size=self.window,
            sample_rate=2 * SAMPLE_RATE,
            n_fft=n_fft,
            hop=n_fft // 4,
            n_bins=self.shape.n_bins,
            multiple=self.shape.multiple,
        )

    @property
    def serving(self) -> Mapping[str, Any]:
        """Values of its model's card."""
        form = self.form
        return {"kind": "window", "window": form, "grid": form.grid, "follows": self.follows}

    def check_frames(self, frames: int) -> None:
        """Refuse examples whose number of frames the networks cannot halve often enough.

        Raises:
            InputError: It is no multiple of what the shape says.
        """
        if frames % self.shape.multiple:
            raise InputError(f"frames is {frames}: give a multiple of {self.shape.multiple}")

    def build(self) -> Unets:
        """Make new networks, whose random weights follow torch's seed."""
        return unet_masker(self.shape)

    def prepare(self, network: Unets, examples: Examples) -> None:
        """Leave the networks as they are: their input has no statistics."""

    def batch(
        self, examples: Examples, indices: Sequence[int], *, frames: int, step: int
    ) -> SpectraBatch:
        """Make some examples of `frames` frames, a multiple of what the shape says."""
        return SpectraBatch(examples.labelled(indices, frames)[0])

    def logits(self, network: Any, mixture: Tensor) -> Tensor:
        """Compute logits (n, masks, 2, n_frames, n_bins) of spectra (n, 2, n_frames, n_bins).

        The bin at half the sample rate, which the networks do not see, has its neighbour's.
        """
        heard = mixture[..., : self.shape.n_bins].abs()
        if self.follows:
            with torch.no_grad():
                vocals = unets_of(self.follows, mixture.device)(heard).float()
            seen = after(vocals, network(heard * (-vocals[:, 0]).sigmoid()).float())
        else:
            seen = network(heard).float()
        return torch.cat([seen, seen[..., -1:]], -1)

    def loss(self, network: Any, batch: SpectraBatch, *, step: int) -> Tensor:
        """Compute the loss against the stems, and against a teacher's estimates."""
        heard = batch.spectra.sum(1)
        logits = self.logits(network, heard)
        answered = slice(heard.shape[2] - logits.shape[3], None)
        mixture = heard[:, None, :, answered]
        loss = self._wrong(logits, batch.spectra[:, : logits.shape[1], :, answered], mixture)
        if self.teacher:
            with torch.no_grad():
                said = UNetTask.logits(self, unets_of(self.teacher, heard.device), heard)
                estimates = said[:, :, :, answered].sigmoid() * mixture
            loss = loss.lerp(self._wrong(logits, estimates, mixture), self.taught)
        return loss

    def _wrong(self, logits: Tensor, stems: Tensor, mixture: Tensor) -> Tensor:
        """Compute the loss of masks against some stems."""
        energy = partial(energy_of, grid=self.grid)
        loss = log_error(shares_of(logits) * mixture, stems, mixture, energy=energy)
        if not self.cross_entropy:
            return loss
        target = share_of(stems, mixture)
        if self.shape.masks > 1:
            target = target / target.sum(1, keepdim=True).clamp_min(EMPTY)
            wrong = -(target * logits.log_softmax(1)).sum(1)
        else:
            wrong = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
            wrong = wrong[:, 0]
        return loss + self.cross_entropy * (wrong * bin_weights(mixture[:, 0])).mean()

    def graph(self, network: Unets) -> bytes:
        """Write the ONNX graph."""
        return unet_graph(network, self.shape, self.parts)

    def validate(self, network: Unets, songs: Sequence[Entry], *, step: int) -> tuple[float, float]:
        """Measure the median and the mean uSDR of the vocals over songs, in dB."""
        return usdr(partial(self.masks, network), songs, grid=self.grid)

    def masks(self, network: Unets, spectra: Complex64) -> Float32:
        """Mask a whole song's vocals, window by window.

        Args:
            network: Networks in evaluation mode.
            spectra: Spectra of the mixture, (2, n, n_bins).

        Returns:
            Mask (2, n, n_bins).
        """
        n = spectra.shape[1]
        padded = np.pad(spectra, ((0, 0), (0, -n % self.shape.multiple), (0, 0)))
        parts = []
        with torch.no_grad():
            for first in range(0, padded.shape[1], self.window):
                part = torch.from_numpy(padded[None, :, first : first + self.window])
                parts.append(shares_of(self.logits(network, part))[0, 0].numpy())
        masks: Float32 = np.concatenate(parts, 1)[:, :n]
        return masks
