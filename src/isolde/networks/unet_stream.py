"""A U-Net that answers at the newest frame of a stream, without look-ahead and sliding windows.

A U-Net halves time at every step, so that what it says of a frame depends on where its window
begins and ends. Here the window ends at the frame that is asked for, and has no beginning: silence
goes before the song. The answer is the plain U-Net's; what windows share is computed once.

Count the columns of a layer from the window's end: r = 0 is its last one. With kernels of five,
steps of two and padding (1, 2), column r of the next layer hears columns 2r + 2 to 2r - 2 of this
one, zeros where r is negative:

    r = 0   hears 2, 1, 0, -, -
    r = 1   hears 4, 3, 2, 1, 0
    r >= 2  hears no column below 2

So columns 0 and 1 are the window's own, and from 2 on a column is the same whenever it is that far
from the end: column r of layer l at frame t is its column 2 at frame t - (r - 2) 2^l. Each frame
has three columns of each layer to compute: 2, which later frames read again, and 1 and 0. They hear
seven columns of the layer before, of which 6, 5, 4 and 3 are column 2 of earlier frames. On the way
up column s of a doubled layer hears columns (s + 2) / 2 to (s - 2) / 2: columns 2, 1 and 0 hear
nothing but 2, 1 and 0.

What is remembered of a layer is what its column 2 was, less what silence makes it: a state of zeros
is a stream of silence, as before a song.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional

from isolde.core.errors import InputError
from isolde.networks.unet import (
    FIRST_MAGNITUDE,
    KERNEL,
    N_CHANNELS,
    SLOPE,
    STRIDE,
    Down,
    UNet,
    UNetMasker,
    UNetShape,
    Up,
)

PAST = 4
"""Columns of a layer that are remembered: 6, 5, 4 and 3."""
State = dict[str, Tensor]
"""What a stream remembers of each layer, by name; the first axis is that of the streams."""


def check_streams(shape: UNetShape) -> None:
    """Refuse a shape that no stream can have.

    Raises:
        InputError: It is that of two networks, or has residual blocks.
    """
    if not shape.masks:
        raise InputError("masks is 0, two networks: a stream has one, give 1 or more")
    if shape.residual:
        raise InputError("residual is true: the blocks hear what follows, give false")


class UNetStream(UNetMasker):
    """One U-Net with the weights of a `UNetShared`, that answers for the newest frame."""

    def __init__(self, shape: UNetShape) -> None:
        """Make random weights.

        Raises:
            InputError: The shape is that of two networks, or has residual blocks.
        """
        super().__init__()
        check_streams(shape)
        self.shape = shape
        self.net = UNet(shape)
        self.train()

    def state(self, batch: int = 1) -> State:
        """Make the state of `batch` streams of silence."""
        widths = (N_CHANNELS, *self.shape.features[:-1])
        state = {}
        for layer, width in enumerate(widths):
            frames = PAST * STRIDE**layer if layer else PAST + 2
            n_bins = self.shape.n_bins // STRIDE**layer
            state[f"layer_{layer}"] = torch.zeros(batch, frames, width, n_bins)
        return state

    def forward(self, magnitudes: Tensor, *, answers: int | None = None) -> Tensor:
        """Turn magnitudes (b, 2, t, f), silence before them, into logits (b, masks, 2, t, f).

        Args:
            magnitudes: A full-scale sine has 1.
            answers: Number of the last frames that are answered for; None: all.
        """
        state = {k: v.to(magnitudes.device) for k, v in self.state(len(magnitudes)).items()}
        logits, _ = self.stream(magnitudes.transpose(1, 2), state, answers=answers)
        return logits.permute(0, 2, 3, 1, 4)

    def stream(
        self, magnitudes: Tensor, state: State, *, answers: int | None = None
    ) -> tuple[Tensor, State]:
        """Take the next frames of some streams.

        Args:
            magnitudes: Of left and right, (b, n, 2, n_bins); a full-scale sine has 1.
            state: From `state` or the call before.
            answers: Number of the last frames that are answered for; None: all.

        Returns:
            Logits (b, answers, masks, 2, n_bins) of the masks, and the state after the frames.
        """
        n = magnitudes.shape[1]
        first = 0 if answers is None else n - answers
        after: State = {}
        held = torch.cat([state["layer_0"], magnitudes * FIRST_MAGNITUDE], 1)
        after["layer_0"] = held[:, n:]
        shared = [held[:, i : i + n] for i in range(PAST + 1)]  # columns 6 to 2
        own = torch.stack([held[:, i + first : i + n] for i in (PAST + 1, PAST + 2)], 3)
        silence = torch.zeros_like(own[:1, :1, :, :1])
        joined = []
        for layer, down in enumerate(cast("list[Down]", [*self.net.down]), 1):
            last = torch.stack([column[:, first:] for column in shared], 3)
            own = _halved(down, torch.cat([last[:, :, :, 2:], own], 3), ends=True)
            if down.norm is None:
                joined.append(torch.cat([_halved(down, last), own], 3))
                break
            second = _halved(down, torch.stack(shared, 3))
            joined.append(torch.cat([second[:, first:], own], 3))
            silence = _halved(down, silence.expand(-1, -1, -1, PAST + 1, -1))
            second, own, silence = (_rectified(down, x) for x in (second, own, silence))
            name, step = f"layer_{layer}", STRIDE**layer
            held = torch.cat([state[name], (second - silence)[:, :, :, 0]], 1)
            after[name] = held[:, n:]
            past = [held[:, i * step : i * step + n] + silence[:, :, :, 0] for i in range(PAST)]
            shared = [*past, second[:, :, :, 0]]
        x = joined.pop()
        *ups, final = cast("list[Up]", [*self.net.up])
        for up in ups:
            x = torch.cat([joined.pop(), _doubled(up, x)], 2)
        logits = self._last(_doubled(final, x, columns=(3, 1)))
        return logits, after

    def _last(self, x: Tensor) -> Tensor:
        """Columns 3 and 1 of the last layer, (b, n, masks, 2, f), to (b, n, masks, 2, f) logits."""
        last, flat = self.net.last, functional.pad(x.flatten(0, 1), (3, 3))
        logits = functional.conv2d(flat, last.weight[:, :, :2], last.bias, dilation=(1, 2))
        return logits.reshape(*x.shape[:3], N_CHANNELS, x.shape[-1])


def _halved(down: Down, x: Tensor, *, ends: bool = False) -> Tensor:
    """Columns (b, n, c, columns, f) of a layer to those of the next, before normalisation.

    Five, 6 to 2, give one, 2; with `ends` five, 4 to 0, give 1 and 0.
    """
    padded = functional.pad(x.flatten(0, 1), (1, 2, 0, 2 * ends))
    made: Tensor = down.conv(padded)
    return made.reshape(*x.shape[:2], *made.shape[1:])


def _rectified(down: Down, x: Tensor) -> Tensor:
    """Normalise and rectify for the next layer."""
    assert down.norm is not None
    made = functional.leaky_relu(down.norm(x.flatten(0, 1)), SLOPE)
    return made.reshape(*x.shape[:2], *made.shape[1:])


def _doubled(up: Up, x: Tensor, columns: Sequence[int] = (2, 1, 0)) -> Tensor:
    """Columns 2 to 0 of a layer (b, n, c, 3, f) to some of the doubled one, with 2 f."""
    made = []
    for s in columns:
        taps = {r: 2 + 2 * r - s for r in (2, 1, 0)}  # through which s hears column r
        heard = [r for r, tap in taps.items() if 0 <= tap < KERNEL]
        source = x[:, :, :, 2 - heard[0] : 3 - heard[-1]].flatten(2, 3).flatten(0, 1)
        kernel = up.conv.weight[:, :, [taps[r] for r in heard]].transpose(1, 2).flatten(0, 1)
        y = functional.conv_transpose1d(source, kernel, up.conv.bias, stride=STRIDE, padding=1)
        made.append(y[..., :-1])
    doubled: Tensor = up.norm(functional.relu(torch.stack(made, 2)))
    return doubled.reshape(*x.shape[:2], *doubled.shape[1:])
