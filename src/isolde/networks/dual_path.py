"""The dual-path band network: a memory along time in every band, a memory across bands in a frame.

    features (n, n_frames, n_bins x 4) -> masks (n, n_frames - look_ahead, masks, 2, n_bins + 1)

The bins are cut into bands, narrow where partials lie apart and wide above. Each band's numbers
become F features by a layer of its own. Then come blocks of two paths, each behind a layer norm and
added to what is there:

    x[t] <- x[t - delay] + LSTM_time(norm x)[t]      the same weights for every band, read late
    x[t] <- x[t] + W LSTM_bands(norm x[t])           both ways over the bands of one frame

so that a block hears `delay` frames of what follows the frame it speaks of. A layer for each band
makes masks of the features, left and right, and one layer on their mean over the bands tells
whether somebody sings. With `stack` 2 the blocks see two frames at once: half the steps for as many
answers.

It is written once, as a stream with a state: training begins with a state of zeros and takes the
whole example in one call.

Band splitting: Luo and Yu, "Music source separation with band-split RNN", 2022. Two paths: Luo,
Chen and Yoshioka, "Dual-path RNN", 2020. Delayed reading of a memory: Graves and Schmidhuber, 2005.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from isolde.core.errors import InputError
from isolde.core.signal.spectrum import Grid
from isolde.networks.article import SLOPE
from isolde.networks.band_linear import BandLinear

SIGNALS = 4
"""Numbers in a bin: left, right, mid and side."""
CUTS = {
    "middle": ((4, 16), (8, 16), (16, 12), (32, 20)),
    "lean": ((8, 24), (16, 16), (32, 18)),
    "fine": ((4, 16), (8, 8), (16, 8), (32, 8)),
}
"""(bins in a band, bands) from 0 Hz up: 1024 bins of 10.8 Hz in 64 or 58 bands, 512 in 40."""
State = dict[str, Tensor]
"""What a stream remembers, by name; the first axis is that of the streams."""


@dataclass(frozen=True)
class DualPathShape:
    """Sizes of a dual-path band network.

    Attributes:
        cut: Into which bands, one of `CUTS`.
        features: Of each band.
        across: Units of the memory across bands, each way.
        hidden: Units of each band's last hidden layer.
        delays: For each block, steps after the one that its answer is for.
        masks: Per channel: 1, or 4 that share the mixture among the stems.
        stack: Frames that the blocks see at once.
    """

    cut: str = "middle"
    features: int = 96
    across: int = 48
    hidden: int = 64
    delays: tuple[int, ...] = (1, 1, 1, 1)
    masks: int = 1
    stack: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        if self.cut not in CUTS:
            raise InputError(f"cut '{self.cut}' is unknown: take one of {', '.join(CUTS)}")
        if min(self.features, self.across, self.hidden, self.stack) < 1:
            raise InputError(f"a dual-path network of sizes {self}: give sizes of at least 1")
        if not self.delays or min(self.delays) < 0:
            raise InputError(f"delays {self.delays}: give steps, 0 or more, for each block")
        if self.masks not in (1, 4):
            raise InputError(f"{self.masks} masks: take 1, of the vocals, or 4, of all stems")

    @property
    def widths(self) -> tuple[tuple[int, int], ...]:
        """(bins in a band, bands) from 0 Hz up."""
        return CUTS[self.cut]

    @property
    def n_bands(self) -> int:
        """Bands of a frame."""
        return sum(count for _, count in self.widths)

    @property
    def n_bins(self) -> int:
        """Bins that are heard; the topmost one of a spectrum takes its neighbour's mask."""
        return sum(width * count for width, count in self.widths)

    @property
    def look_ahead(self) -> int:
        """Frames after the one that an answer is for; the last of its stack may be heard too."""
        return sum(self.delays) * self.stack

    @property
    def grid(self) -> Grid:
        """The grid at 22,050 Hz that has these bins, with windows of four hops."""
        return Grid(sample_rate=22050, n_fft=2 * self.n_bins, hop=self.n_bins // 2)

    @property
    def outputs(self) -> int:
        """Numbers of a graph's answer: (masks but the residual's, channels, bins)."""
        return max(1, self.masks - 1) * 2 * (self.n_bins + 1)


class DualPathBlock(nn.Module):
    """A memory along time, read late, then one across the bands; both add to what is there."""

    def __init__(self, shape: DualPathShape, delay: int, *, lstm: Any = nn.LSTM) -> None:
        """Make a block that answers `delay` steps late."""
        super().__init__()
        self.delay = delay
        self.time_norm = nn.LayerNorm(shape.features)
        self.time = lstm(shape.features, shape.features)
        self.bands_norm = nn.LayerNorm(shape.features)
        self.bands = lstm(shape.features, shape.across, bidirectional=True)
        self.merge = nn.Linear(2 * shape.across, shape.features)

    def forward(
        self, x: Tensor, hidden: Tensor, cell: Tensor, held: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Take the next steps of a stream.

        Args:
            x: (n_steps, n, n_bands, features).
            hidden: Of the memory along time, (n, n_bands, features).
            cell: The same.
            held: The last `delay` steps before, (n, delay, n_bands, features); None without delay.

        Returns:
            As many steps, answer i for step i - delay, and the state after them.
        """
        steps, n, bands, features = x.shape
        rows = (1, n * bands, features)
        said, (hidden, cell) = self.time(
            self.time_norm(x).reshape(steps, n * bands, features),
            (hidden.reshape(rows), cell.reshape(rows)),
        )
        late = x
        if held is not None:
            whole = torch.cat([held.transpose(0, 1), x])
            late, held = whole[: -self.delay], whole[-self.delay :].transpose(0, 1)
        x = self._across(late + said.view(steps, n, bands, features))
        after = (n, bands, features)
        return x, hidden.reshape(after), cell.reshape(after), held

    def whole(self, x: Tensor) -> Tensor:
        """Take all steps of streams that begin here; no state goes in, so that fused LSTMs may run.

        Args:
            x: (n_steps, n, n_bands, features).

        Returns:
            As many steps, answer i for step i - delay.
        """
        steps, n, bands, features = x.shape
        said = self.time(self.time_norm(x).reshape(steps, n * bands, features))[0]
        late = functional.pad(x, (0, 0, 0, 0, 0, 0, self.delay, 0))[:steps]
        return self._across(late + said.view(steps, n, bands, features))

    def _across(self, x: Tensor) -> Tensor:
        """Add what the memory across the bands says of each step."""
        steps, n, bands, features = x.shape
        frames = self.bands_norm(x).reshape(steps * n, bands, features).transpose(0, 1)
        across: Tensor = self.merge(self.bands(frames.contiguous())[0])
        return x + across.transpose(0, 1).reshape(steps, n, bands, features)


class DualPathNetwork(nn.Module):
    """Features of stretches of a stereo song to masks, and to the presence of a voice."""

    mean: Tensor
    std: Tensor

    def __init__(self, shape: DualPathShape, *, lstm: Any = nn.LSTM) -> None:
        """Make a network with random weights.

        Args:
            shape: Its sizes.
            lstm: Class of its memories, called as `nn.LSTM` is.
        """
        super().__init__()
        self.shape = shape
        widths, bands = shape.widths, shape.n_bands
        self.register_buffer("mean", torch.zeros(shape.n_bins * SIGNALS))
        self.register_buffer("std", torch.ones(shape.n_bins * SIGNALS))
        self.inward = nn.ModuleList(
            BandLinear(count, width * SIGNALS * shape.stack, shape.features)
            for width, count in widths
        )
        self.blocks = nn.ModuleList(
            DualPathBlock(shape, delay, lstm=lstm) for delay in shape.delays
        )
        self.norm = nn.LayerNorm(shape.features)
        self.hidden = BandLinear(bands, shape.features, shape.hidden)
        self.outward = nn.ModuleList(
            BandLinear(count, shape.hidden, width * 2 * shape.masks * shape.stack)
            for width, count in widths
        )
        self.presence = nn.Linear(shape.features, 1)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Give raw masks, for `read`, and logits of presence; look_ahead frames fewer.

        Args:
            frames: (n, n_frames, n_bins * 4), a bin's four signals side by side.

        Returns:
            (n, n_frames - look_ahead, masks * 2, n_bins + 1) and (n, n_frames - look_ahead).
        """
        shape = self.shape
        length = frames.shape[1] - shape.look_ahead
        padded = functional.pad(frames, (0, 0, 0, -frames.shape[1] % shape.stack))
        x = self.embed(padded)
        for block in self.blocks:
            assert isinstance(block, DualPathBlock)
            x = block.whole(x)
        raw, presence = self._answers(x[shape.look_ahead // shape.stack :])
        return raw[:, :length], presence[:, :length]

    def state(self, n: int = 1) -> State:
        """Give the state of zeros with which n streams begin, on the network's device."""
        size = (n, self.shape.n_bands, self.shape.features)
        made = {}
        for i, delay in enumerate(self.shape.delays):
            made[f"hidden_{i}"], made[f"cell_{i}"] = (self.mean.new_zeros(size) for _ in range(2))
            if delay:
                made[f"held_{i}"] = self.mean.new_zeros((n, delay, *size[1:]))
        return made

    def stream(self, frames: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """Answer for the next frames of a stream.

        Args:
            frames: (n, n_frames, n_bins * 4); n_frames is a multiple of the stack.
            state: From `state` or the call before; not changed.

        Returns:
            Raw masks (n, n_frames, masks * 2, n_bins + 1) and logits of presence (n, n_frames),
            answer i of the stream for frame i - look_ahead, and the state after these frames.
        """
        x, after = self._blocks(frames, state)
        return (*self._answers(x), after)

    def _blocks(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """Frames to what the last block says, (n_steps, n, n_bands, features), and the state."""
        x, after = self.embed(frames), dict(state)
        for i, block in enumerate(self.blocks):
            before = (state[f"hidden_{i}"], state[f"cell_{i}"], state.get(f"held_{i}"))
            x, after[f"hidden_{i}"], after[f"cell_{i}"], held = block(x, *before)
            if held is not None:
                after[f"held_{i}"] = held
        return x, after

    def _answers(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(n_steps, n, n_bands, features) to raw masks and logits of presence, frame by frame."""
        x = self.norm(x)
        presence = self.presence(x.mean(2)).transpose(0, 1)
        return self.answer(x), presence.repeat_interleave(self.shape.stack, 1).squeeze(-1)

    def embed(self, frames: Tensor) -> Tensor:
        """Turn (n, n_frames, n_bins * 4) into (n_frames / stack, n, n_bands, features)."""
        x = ((frames - self.mean) / self.std).transpose(0, 1)
        parts, start = [], 0
        for layer, (width, count) in zip(self.inward, self.shape.widths, strict=True):
            end = start + width * count * SIGNALS
            band = x[..., start:end].reshape(
                -1, self.shape.stack, x.shape[1], count, width * SIGNALS
            )
            parts.append(layer(band.permute(0, 2, 3, 1, 4).flatten(-2)))
            start = end
        return functional.leaky_relu(torch.cat(parts, dim=-2), SLOPE)

    def answer(self, x: Tensor) -> Tensor:
        """Turn (n_steps, n, n_bands, features) into (n, n_frames, masks * 2, n_bins + 1), raw."""
        shape = self.shape
        x = functional.leaky_relu(self.hidden(x), SLOPE)
        parts, start = [], 0
        for layer, (width, count) in zip(self.outward, shape.widths, strict=True):
            raw = layer(x[..., start : start + count, :])
            raw = raw.reshape(*x.shape[:2], count, shape.stack, width, shape.masks * 2)
            raw = raw.permute(0, 3, 1, 2, 4, 5)
            parts.append(raw.reshape(-1, x.shape[1], count * width, shape.masks * 2))
            start += count
        whole = torch.cat([*parts, parts[-1][..., -1:, :]], dim=-2)
        return whole.permute(1, 0, 3, 2)

    def read(self, raw: Tensor) -> Tensor:
        """Turn raw masks into (n, n_frames, masks, 2, n_bins + 1) in [0, 1]; of 4 the sum is 1."""
        raw = raw.reshape(*raw.shape[:2], self.shape.masks, 2, raw.shape[-1])
        return torch.sigmoid(raw) if self.shape.masks == 1 else torch.softmax(raw, dim=2)
