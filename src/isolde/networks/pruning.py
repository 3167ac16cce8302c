"""Prune a U-Net to a smaller one, to train further; it trains nothing.

Channels that the others nearly make up for are left out, and what follows takes the least-squares
estimate of them from those that stay (He, Zhang, Sun, "Channel pruning for accelerating very deep
neural networks", ICCV 2017). The innermost answer, which nothing bends, is projected onto its
principal components instead.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from isolde.core.errors import InputError
from isolde.networks.residual import Residual
from isolde.networks.unet import Down, UNet, UNetShape, Up

RIDGE = 1e-4
"""Of the mean power of a channel, added to its own when others are estimated from it."""
APART = 0.1
"""Deviation by which the channels of further masks differ from the first one's, of its weights."""

Moments = list[Tensor]
"""Mean products (c, c) of the channels of each layer's answer."""


def prune(network: UNet, shape: UNetShape, heard: Iterable[Tensor]) -> UNet:
    """Make a smaller network that answers as the larger one does, as far as it can.

    Args:
        network: Larger network, with one answer.
        shape: Shape of the smaller one; the logits of other masks than the first begin as 0.
        heard: Magnitudes (n, 2, n_frames, n_bins) of some music, as the networks take them.

    Raises:
        InputError: The smaller shape has other layers, or more channels; or either network has
            residual blocks.
    """
    if shape.residual or any(isinstance(module, Residual) for module in network.modules()):
        raise InputError("residual blocks cannot be made smaller: take networks without them")
    wide = tuple(down.conv.out_channels for down in _downs(network))
    if len(shape.features) != len(wide) or any(
        new > old for new, old in zip(shape.features, wide, strict=True)
    ):
        raise InputError(f"features are {shape.features}: give {len(wide)}, of at most {wide}")
    small = UNet(shape).eval()
    with torch.no_grad():
        _Pruner(network.eval(), small, _statistics(network, heard)).run()
    return small


@dataclass(frozen=True)
class _Statistics:
    """Moments of the skip connections, of the way down and of the way up."""

    joined: Moments
    down: Moments
    up: Moments


def _statistics(network: UNet, heard: Iterable[Tensor]) -> _Statistics:
    """The sums of moments while a network hears some music."""
    downs, ups = _downs(network), _ups(network)
    sums: dict[nn.Module, Moments] = {}

    def note(layer: nn.Module, _: object, answer: Tensor | tuple[Tensor, ...]) -> None:
        found = [_moments(x) for x in (answer if isinstance(answer, tuple) else (answer,))]
        before = sums.get(layer)
        sums[layer] = [a + b for a, b in zip(before, found, strict=True)] if before else found

    hooks = [layer.register_forward_hook(note) for layer in (*downs, *ups)]
    for magnitudes in heard:
        network(magnitudes)
    for hook in hooks:
        hook.remove()
    joined, down = ([sums[layer][i] for layer in downs] for i in (0, 1))
    return _Statistics(joined, down, [sums[layer][0] for layer in ups])


class _Pruner:
    """Fills a smaller network, layer by layer."""

    def __init__(self, large: UNet, small: UNet, moments: _Statistics) -> None:
        self.large, self.small, self.moments = large, small, moments

    def run(self) -> None:
        """Fill every layer. `heard`: the larger one's channels (rows) from those that stay."""
        heard, joins = self._down()
        ups = _ups(self.large)
        for i, (old, new) in enumerate(zip(ups, _ups(self.small), strict=True)):
            weight = torch.einsum("cohw,ck->kohw", old.conv.weight, heard)
            if i == len(ups) - 1:
                self._answer(weight, old, new)
                return
            kept = _chosen([(self.moments.up[i], self._use(i + 1)[-_size(old) :])], _size(new))
            new.conv.weight.copy_(weight[:, kept])
            _copy(old.conv, new.conv, ("bias",), kept)
            _copy(old.norm, new.norm, NORM, kept)
            heard = cast(
                Tensor,
                torch.block_diag(joins.pop(), _estimate(self.moments.up[i], kept)),  # type: ignore[no-untyped-call]
            )

    def _down(self) -> tuple[Tensor, list[Tensor]]:
        """Fill the layers down; what goes up, and what the joins take, from what stays of it."""
        layers = _downs(self.large)
        joins: list[Tensor] = []
        heard = torch.eye(layers[0].conv.in_channels)
        for i, (old, new) in enumerate(zip(layers, _downs(self.small), strict=True)):
            weight = torch.einsum("ochw,ck->okhw", old.conv.weight, heard)
            if old.norm is None:
                basis = _components(self.moments.joined[i], _kernels(self.large), _size(new))
                new.conv.weight.copy_(torch.einsum("ochw,ok->kchw", weight, basis))
                _bias(new.conv).copy_(_bias(old.conv) @ basis)
                return basis, joins
            use = layers[i + 1].conv.weight.square().sum((0, 2, 3))
            joined_use = self._use(len(layers) - 1 - i)[: _size(old)]
            kept = _chosen(
                [(self.moments.down[i], use), (self.moments.joined[i], joined_use)], _size(new)
            )
            new.conv.weight.copy_(weight[kept])
            _copy(old.conv, new.conv, ("bias",), kept)
            _copy(old.norm, new.norm, NORM, kept)
            heard = _estimate(self.moments.down[i], kept)
            joins.append(_estimate(self.moments.joined[i], kept))
        raise AssertionError("the last layer down has no normalisation")

    def _use(self, up: int) -> Tensor:
        """How much a layer up makes of each channel that it hears."""
        return _ups(self.large)[up].conv.weight.square().sum((1, 2, 3))

    def _answer(self, weight: Tensor, old: Up, new: Up) -> None:
        """Fill the layers that answer: further masks have channels near the first one's."""
        more = _size(new) - 1
        apart = APART * weight.std() * torch.randn(len(weight), more, *weight.shape[2:])
        new.conv.weight.copy_(torch.cat([weight, weight + apart], 1))
        first = torch.zeros(_size(new), dtype=torch.long)
        _copy(old.conv, new.conv, ("bias",), first)
        _copy(old.norm, new.norm, NORM, first)
        last, n = self.small.last, self.large.last.out_channels
        for part in (last.weight, _bias(last)):
            part.zero_()
        last.weight[:n, :1] = self.large.last.weight
        _bias(last)[:n] = _bias(self.large.last)


NORM = ("weight", "bias", "running_mean", "running_var")


def _downs(network: UNet) -> list[Down]:
    return [layer for layer in network.down if isinstance(layer, Down)]


def _ups(network: UNet) -> list[Up]:
    return [layer for layer in network.up if isinstance(layer, Up)]


def _kernels(network: UNet) -> Tensor:
    """(c, m): what the first layer up does with each channel of the innermost answer."""
    return _ups(network)[0].conv.weight.flatten(1)


def _size(layer: Down | Up) -> int:
    """How many channels a layer answers with."""
    return layer.conv.out_channels


def _bias(conv: nn.Module) -> Tensor:
    return cast(Tensor, conv.bias)


def _copy(old: nn.Module | None, new: nn.Module | None, names: Sequence[str], kept: Tensor) -> None:
    """Copy what each channel has for the channels that stay."""
    for name in names:
        getattr(new, name).copy_(getattr(old, name)[kept])


def _moments(x: Tensor) -> Tensor:
    """Mean products of the channels of (b, c, t, f)."""
    flat = x.transpose(0, 1).flatten(1).double()
    return flat @ flat.T / flat.shape[1]


def _chosen(wanted: Sequence[tuple[Tensor, Tensor]], n: int) -> Tensor:
    """The n channels that say most of all, one after the other.

    Args:
        wanted: Moments of the channels, and what the layer that hears them makes of each.
        n: Number of channels to choose.
    """
    rest = torch.zeros_like(wanted[0][0])
    for moments, use in wanted:
        scale = use.double().sqrt()
        scaled = moments * scale * scale[:, None]
        rest += scaled / scaled.trace().clamp_min(1e-30)
    kept: list[int] = []
    for _ in range(n):
        power = rest.diagonal().clamp_min(1e-30)
        told = rest.square().sum(0) / power  # of all channels, by this one
        told[kept] = -1
        best = int(told.argmax())
        kept.append(best)
        rest = rest - torch.outer(rest[:, best], rest[best]) / power[best]
    return torch.tensor(sorted(kept))


def _estimate(moments: Tensor, kept: Tensor) -> Tensor:
    """(c, n): every channel from those that stay."""
    own = moments[kept][:, kept]
    one = torch.eye(len(kept), dtype=own.dtype)
    ridge = RIDGE * own.diagonal().mean() * one
    found: Tensor = torch.linalg.solve(own + ridge, moments[kept]).T
    found[kept] = one
    return found.float()


def _components(moments: Tensor, kernels: Tensor, n: int) -> Tensor:
    """(c, n): an orthonormal basis of what matters most to kernels (c, m) that hear c channels."""
    values, vectors = torch.linalg.eigh(moments)
    root = vectors * values.clamp_min(1e-12).sqrt()
    left, _, _ = torch.linalg.svd(root.T @ kernels.double(), full_matrices=False)
    basis: Tensor = torch.linalg.qr(root @ left[:, :n])[0]
    return basis.float()
