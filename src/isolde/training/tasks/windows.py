"""The task of window networks: examples, error, whole songs; no loop, no optimiser."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from isolde.core.errors import InputError
from isolde.core.signal.features import Features
from isolde.core.signal.masks import binary_mask, phase_sensitive_mask, ratio_mask
from isolde.core.signal.mel import to_mel
from isolde.core.signal.spectrum import GRID_22, Grid, grid_for
from isolde.core.stage import Complex64, Float32
from isolde.datasets.mixing.library import Entry
from isolde.networks.article import MASK, WindowNetwork, WindowShape
from isolde.networks.onnx.windows import stateful_graph
from isolde.networks.sliding import plan, slide
from isolde.training.mixing.timeline import PAIR
from isolde.training.tasks.base import STATISTICS_FIRST, Examples
from isolde.training.tasks.validation import accuracy, usdr

STATISTICS_EXAMPLES = 256
STATISTICS_FRAMES = 32
AT_ONCE = 32
EMPTY = 1e-9

TARGETS = ("power", "magnitude", "phase", "binary", "regression", "activity")


@dataclass(frozen=True)
class WindowBatch:
    """Features (n, n_frames, 513), and for each answer its target and the weight of its errors."""

    features: Tensor
    target: Tensor
    weight: Tensor


@dataclass(frozen=True)
class WindowTask:
    """A window network, evaluated in the shared form, that learns a mask or an activity.

    Attributes:
        shape: Shape of the network.
        features: Features of the mixture.
        target: "power", "magnitude", "phase" or "binary": the ideal mask to learn; "regression":
            the voice's own magnitudes, scaled as the features are; or "activity":
            whether the voice sounds (the first output, every frame counts alike) and, where the
            network has more outputs, the power mask beside it, which teaches the trunk 513 things
            a frame instead of one and is cut off for use.
        error: "bce" or "mse" between the read mask and the target; for a regression "mse".
        weight_power: Power p: an error in a bin counts |X|^p.
        dropout: Dropout after the first pool, the second pool, the first dense layer.
        look_ahead: Frames after the one that the answer is for; 12 is the middle.
        interior_steps: Steps at the beginning in the cheaper form without edges (see
            `sliding.plan`).
        synthesis: "long", or "short" for spectra as separators with half the latency have them.
    """

    kind: ClassVar[str] = "window"
    goes_first: ClassVar[bool] = False
    parts: ClassVar[tuple[str, ...]] = PAIR
    serving: ClassVar[Mapping[str, Any]] = {}

    shape: WindowShape = MASK
    features: Features = field(default_factory=Features)
    target: str = "phase"
    error: str = "bce"
    weight_power: float = 0.8
    dropout: tuple[float, float, float] = (0.0, 0.0, 0.0)
    look_ahead: int = 12
    interior_steps: int = 0
    synthesis: str = "long"

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        if self.target not in TARGETS:
            raise InputError(f"target '{self.target}' is unknown: take one of {', '.join(TARGETS)}")
        outputs = (1, 1 + self.shape.n_bins) if self.target == "activity" else (self.shape.n_bins,)
        if self.shape.outputs not in outputs:
            raise InputError(
                f"target '{self.target}' does not fit a network with {self.shape.outputs} outputs"
            )
        if self.shape.n_bins != self.grid.n_bins:
            raise InputError(f"n_bins is {self.shape.n_bins}: give {self.grid.n_bins}")
        if self.error not in ("bce", "mse"):
            raise InputError(f"error '{self.error}' is unknown: take bce or mse")
        if self.target == "regression" and self.error != "mse":
            raise InputError(f"error '{self.error}' does not fit magnitudes: take mse")
        if not 0 <= self.look_ahead < self.shape.n_frames:
            raise InputError(f"look_ahead {self.look_ahead} is not within the window")
        for name in ("interior_steps", "weight_power"):
            if not getattr(self, name) >= 0:
                raise InputError(f"{name} is {getattr(self, name)}: give 0 or more")
        if not all(0 <= rate < 1 for rate in self.dropout):
            raise InputError(f"dropout {self.dropout}: give rates from 0 to below 1")

    @property
    def grid(self) -> Grid:
        """Grid of the spectra."""
        return grid_for(GRID_22.sample_rate, self.synthesis)

    @property
    def score(self) -> str:
        """Name and unit of what `validate` returns."""
        return "frames right" if self.target == "activity" else "vocals uSDR in dB"

    @property
    def stems(self) -> tuple[str, ...]:
        """Stems of the masks."""
        return () if self.target == "activity" else ("vocals",)

    @property
    def residual(self) -> str:
        """The stem that is the mixture less those of the masks."""
        return "" if self.target == "activity" else "accompaniment"

    @property
    def past(self) -> int:
        """Frames of the window before the one that the answer is for."""
        return self.shape.n_frames - 1 - self.look_ahead

    def exact(self, step: int) -> bool:
        """Tell whether a step is in the exact form."""
        return step >= self.interior_steps

    def build(self) -> WindowNetwork:
        """Make a new network; its random weights follow torch's seed."""
        return WindowNetwork(self.shape, dropout=self.dropout)

    def prepare(self, network: WindowNetwork, examples: Examples) -> None:
        """Set mean and deviation of each bin, from examples that training never draws."""
        frames = []
        for first in range(STATISTICS_FIRST, STATISTICS_FIRST + STATISTICS_EXAMPLES, AT_ONCE):
            spectra, _ = examples.labelled(range(first, first + AT_ONCE), STATISTICS_FRAMES)
            mixture = _mono(spectra).sum(dim=1).abs().flatten(0, 1)
            frames.append(self.features.compressed(mixture.numpy()))
        values = np.concatenate(frames)
        network.mean.copy_(torch.from_numpy(values.mean(axis=0)))
        network.std.copy_(torch.from_numpy(values.std(axis=0) + 1e-3))

    def ideal(self, vocals: Complex64, accompaniment: Complex64) -> Float32:
        """Compute the mask to learn, (n, 513)."""
        if self.target == "phase":
            return phase_sensitive_mask(vocals, vocals + accompaniment)
        v, a = np.abs(vocals), np.abs(accompaniment)
        if self.target == "binary":
            return binary_mask(v, a)
        return ratio_mask(v, a, power=1 if self.target == "magnitude" else 2)

    def batch(
        self, examples: Examples, indices: Sequence[int], *, frames: int, step: int
    ) -> WindowBatch:
        """Make some examples, always the same for the same indices and form."""
        steps = plan(self.shape.n_frames, exact=self.exact(step))
        first = steps.lead + self.past
        answers = slice(first, first + frames)
        rows: list[tuple[Float32, Float32, Float32]] = []
        spectra, activity = examples.labelled(indices, frames + steps.span)
        for (vocals, accompaniment), sounds in zip(_mono(spectra).numpy(), activity, strict=True):
            mixture = np.abs(vocals + accompaniment)
            target, weight = self._wanted(
                vocals[answers], accompaniment[answers], sounds[answers], mixture[answers]
            )
            rows.append((self.features.compressed(mixture), target, weight))
        return WindowBatch(*(torch.from_numpy(np.stack(x)) for x in zip(*rows, strict=True)))

    def _wanted(
        self, vocals: Complex64, accompaniment: Complex64, sounds: Any, mixture: Float32
    ) -> tuple[Float32, Float32]:
        """Targets (n, outputs) and the weights of their errors."""
        sounding = sounds[:, None].astype(np.float32)
        if self.shape.outputs == 1:
            return sounding, np.ones_like(sounding)
        weight = mixture ** np.float32(self.weight_power)
        if self.target == "regression":
            weight = weight @ to_mel(GRID_22.n_bins).T if self.features.mel else weight
            return self.features.compressed(np.abs(vocals)), weight / (weight.mean() + EMPTY)
        mask = self.ideal(vocals, accompaniment)
        if self.features.mel:
            mask, weight = to_network_axis(mask, weight)
            if self.target == "binary":
                mask = (mask > 0.5).astype(np.float32)
        weight /= weight.mean() + EMPTY
        if self.target == "activity":  # its one output counts as much as all bins together
            mask = np.concatenate([sounding, mask], axis=1)
            weight = np.concatenate([np.full_like(sounding, weight.shape[1]), weight], axis=1)
        return mask, weight

    def loss(self, network: WindowNetwork, batch: WindowBatch, *, step: int) -> Tensor:
        """Compute the weighted mean error of the network's raw outputs."""
        return self.error_of(slide(network, batch.features, exact=self.exact(step)), batch)

    def error_of(self, raw: Tensor, batch: WindowBatch) -> Tensor:
        """Compute the weighted mean error of raw outputs (n, answers, outputs)."""
        if self.target == "regression":
            error = (raw - batch.target) ** 2
        elif self.error == "bce":
            error = functional.binary_cross_entropy_with_logits(raw, batch.target, reduction="none")
        else:
            error = (torch.sigmoid(raw) - batch.target) ** 2
        return (error * batch.weight).mean()

    def validate(
        self, network: WindowNetwork, songs: Sequence[Entry], *, step: int, kind: str = "soft"
    ) -> tuple[float, float]:
        """Measure the uSDR of the vocals in dB, or the share of frames right: median and mean."""
        exact = step > self.interior_steps
        if self.target == "activity":
            return accuracy(partial(self.activity, network, exact=exact), songs)
        return usdr(partial(self.masks, network, exact=exact), songs, kind=kind, grid=self.grid)

    def masks(self, network: WindowNetwork, spectra: Complex64, *, exact: bool = True) -> Float32:
        """Give the network's mask for a whole song, silence before and after.

        Magnitudes become the mask that makes them of the mixture's, up to 1.

        Args:
            network: Network in evaluation mode.
            spectra: Spectra of the mixture, (n_channels, n, 513).
            exact: Whether the network runs in its exact form.

        Returns:
            (1 or n_channels, n, 513).
        """
        raw = self._raw(network, spectra, exact)[..., -self.shape.n_bins :]
        if self.target == "regression":
            mixture = torch.from_numpy(self.features(spectra))
            ratio = torch.expm1(raw.clamp_min(0)) / torch.expm1(mixture).clamp_min(EMPTY)
            return self.features.on_bins(ratio.clamp(0, 1).numpy())
        return self.features.on_bins(torch.sigmoid(raw).numpy())

    def activity(
        self, network: WindowNetwork, spectra: Complex64, *, exact: bool = True
    ) -> Float32:
        """Give the probability that the voice sounds, (n,), from the arguments of `masks`."""
        read: Float32 = torch.sigmoid(self._raw(network, spectra, exact)[..., 0]).mean(0).numpy()
        return read

    def _raw(self, network: WindowNetwork, spectra: Complex64, exact: bool) -> Tensor:
        steps = plan(self.shape.n_frames, exact=exact)
        past = steps.lead + self.past
        padded = np.pad(spectra, ((0, 0), (past, steps.span - past), (0, 0)))
        with torch.no_grad():
            return slide(network, torch.from_numpy(self.features(padded)), exact=exact)

    def graph(self, network: WindowNetwork) -> bytes:
        """Write the ONNX graph in the exact shared form; of an activity network one output alone.

        Raises:
            InputError: It is a regression, whose answers are no masks.
        """
        if self.target == "regression":
            raise InputError("a magnitude regression gives no mask: train `mask` to separate")
        if self.target == "activity" and self.shape.outputs > 1:
            state = network.state_dict()
            first = {k: v[:1] for k, v in state.items() if k.startswith("output.")}
            network = WindowNetwork(replace(self.shape, outputs=1))
            network.load_state_dict({**state, **first})
        return stateful_graph(network.eval())


def _mono(spectra: Tensor) -> Tensor:
    """One channel of examples (b, n_stems, channels, n_frames, n_bins), which one is chance."""
    return spectra[:, :, 0].cpu()


def to_network_axis(mask: Float32, weight: Float32) -> tuple[Float32, Float32]:
    """Bring a mask and its weights to Mel points: the weighted mean over the bins there."""
    rows = to_mel(GRID_22.n_bins).T
    on_mel = weight @ rows
    return (mask * weight) @ rows / np.maximum(on_mel, EMPTY), on_mel
