"""The article's window network over a whole stream, each product once: same numbers, less work.

Consecutive windows share 24 of 25 frames, so almost every product that the sliding window asks for
has been computed before. Almost: 'same' padding puts zeros at each window's OWN edges, so a column
near an edge differs from the same frame seen from a window where it lies inside. Yet there are few
kinds of columns. Let `Map[a]` be one kind of column for every frame a of the stream; a column of
the window that starts at frame s is a reference (map, offset), meaning Map[s + offset].

    convolution:  column c = sum over taps k of W_k * column[c + k], none from outside the window
    pool:         column p = max of columns 3p, 3p + 1, 3p + 2

Both only combine references. Take out the smallest offset, and what remains - which taps, of which
maps, at which distances - is the kind; equal kinds are one map, computed once. `plan` derives this
from the layer list, from the last pool backwards, so that columns nobody reads never appear.
Dilation by three behind a pool comes out by itself.

A map is then a sum of shifted products (tap weight * source map), each product computed once per
frame. LeakyReLU is monotonic and commutes with max, so before a pool it waits until after it, and
frequency is pooled before time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from isolde.networks.article import POOL, SLOPE, WindowNetwork
from isolde.networks.shifted import FrequencyConvolution, ShiftedSums, TimeMax


@dataclass(frozen=True)
class Term:
    """One source of a map: `source[a + shift]`, through tap -1, 0 or +1 (0 for a pool)."""

    source: int
    tap: int
    shift: int


@dataclass
class Level:
    """The maps of one layer.

    Attributes:
        kind: "input", "convolution" or "pool".
        maps: For each map its terms, with the smallest shift 0.
        lag: For each map the frames of input beyond a that it needs at frame a.
        used: For each map the taps that the next convolution asks of it, in order.
    """

    kind: str
    maps: list[tuple[Term, ...]] = field(default_factory=list)
    lag: list[int] = field(default_factory=list)
    used: list[list[int]] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """How to slide a window.

    Attributes:
        levels: Levels from the input to the last pool.
        columns: Last pool's columns as (map, offset).
        lead: Frames needed before a window's first; 0 when exact.
        span: Frames needed beyond the first one needed; a window's 24 when exact.
    """

    levels: tuple[Level, ...]
    columns: tuple[tuple[int, int], ...]
    lead: int
    span: int


@cache
def plan(n_frames: int = 25, *, exact: bool = True) -> Plan:
    """Find the maps that the sliding window needs, for two times (convolution, convolution, pool).

    Args:
        n_frames: Frames of the window.
        exact: False: no zeros at the window's edges, its neighbours instead. Then there is one
            map a layer, at 0.46 of the work, and other numbers: good for the first part of a
            training, whose weights the exact form then takes on.

    Returns:
        The plan.
    """
    kinds = ["convolution", "convolution", "pool"] * 2
    widths = [n_frames]
    for kind in kinds:
        widths.append(widths[-1] if kind == "convolution" else widths[-1] // POOL)
    levels = [Level("input", [()], [0]), *(Level(kind) for kind in kinds)]
    known: list[dict[tuple[Term, ...], int]] = [{} for _ in levels]

    def column(depth: int, c: int) -> tuple[int, int]:
        """The (map, offset) of column c of a layer, made when it is new."""
        if depth == 0:
            return 0, c
        if levels[depth].kind == "convolution":
            reach = [(tap, c + tap) for tap in (-1, 0, 1)]
            if exact:
                reach = [(tap, b) for tap, b in reach if 0 <= b < widths[depth - 1]]
        else:
            reach = [(0, POOL * c + j) for j in range(POOL)]
        refs = [(tap, *column(depth - 1, below)) for tap, below in reach]
        base = min(offset for _, _, offset in refs)
        terms = tuple(Term(source, tap, offset - base) for tap, source, offset in refs)
        level = levels[depth]
        if terms not in known[depth]:
            known[depth][terms] = len(level.maps)
            level.maps.append(terms)
            level.lag.append(max(levels[depth - 1].lag[t.source] + t.shift for t in terms))
        return known[depth][terms], base

    columns = tuple(column(len(kinds), c) for c in range(widths[-1]))
    for below, level in pairwise(levels):
        taps = [
            sorted({t.tap for m in level.maps for t in m if t.source == i})
            for i in range(len(below.maps))
        ]
        below.used = taps
    first = min(offset for _, offset in columns)
    last = max(levels[-1].lag[i] + offset for i, offset in columns)
    shifted = tuple((i, offset - first) for i, offset in columns)
    return Plan(tuple(levels), shifted, -first, last - first)


def convolve(
    sources: list[Tensor], weight: Tensor, bias: Tensor, below: Level, level: Level
) -> list[Tensor]:
    """Apply a convolution layer to maps: each (tap, source) product once, then shifted sums.

    Args:
        sources: Maps below, each (n, channels, frames, bins).
        weight: (out, in, frequency taps, time taps).
        bias: (out,).
        below: Level of the sources.
        level: Level to compute.

    Returns:
        The maps of the level, before LeakyReLU.
    """
    products: list[Tensor] = [
        FrequencyConvolution.apply(source, stacked_taps(weight, taps))  # type: ignore[no-untyped-call]
        for source, taps in zip(sources, below.used, strict=True)
    ]
    spec = []
    for terms in level.maps:
        length = min(products[t.source].shape[2] - t.shift for t in terms)
        places = [(t.source, below.used[t.source].index(t.tap), t.shift) for t in terms]
        spec.append((length, places))
    outputs: tuple[Tensor, ...] = ShiftedSums.apply(spec, bias, *products)  # type: ignore[no-untyped-call]
    return list(outputs)


def stacked_taps(weight: Tensor, taps: Sequence[int]) -> Tensor:
    """Join time taps of a kernel to one over frequency, (taps * out, in, 1, frequency)."""
    return torch.cat([weight[..., tap + 1] for tap in taps]).unsqueeze(2)


def pool(sources: list[Tensor], level: Level) -> list[Tensor]:
    """Take the max over three bins, then over the three columns of each map, then LeakyReLU."""
    narrow = [functional.max_pool2d(source, (1, POOL)) for source in sources]
    spec = []
    for terms in level.maps:
        length = min(narrow[t.source].shape[2] - t.shift for t in terms)
        spec.append((length, [(t.source, 0, t.shift) for t in terms]))
    outputs: tuple[Tensor, ...] = TimeMax.apply(spec, *narrow)  # type: ignore[no-untyped-call]
    return [functional.leaky_relu(m, SLOPE) for m in outputs]


def slide(network: WindowNetwork, frames: Tensor, *, exact: bool = True) -> Tensor:
    """Give what `network` answers for every window of a stretch of frames.

    Equal to `network(windows_of(frames))`, outputs and gradients, to rounding. In training the
    first two dropouts strike map positions, which windows share, instead of each window anew.

    Args:
        network: Network.
        frames: Features (n, n_frames, n_bins), n_frames at least a window's.
        exact: Whether in the exact form, see `plan`.

    Returns:
        (n, n_frames - span, outputs), raw; output i is the window that starts at i + lead.
    """
    steps = plan(network.shape.n_frames, exact=exact)
    maps = [network.normalise(frames).unsqueeze(1).to(memory_format=torch.channels_last)]
    convolutions = iter(network.convolutions)
    for depth, (below, level) in enumerate(pairwise(steps.levels), 1):
        if level.kind == "convolution":
            layer = next(convolutions)
            maps = convolve(maps, layer.weight, layer.bias, below, level)  # type: ignore[arg-type]
            if steps.levels[depth + 1].kind == "convolution":
                maps = [functional.leaky_relu(m, SLOPE, inplace=True) for m in maps]
        else:
            maps = pool(maps, level)
            rate = network.dropout[depth // 3 - 1]
            maps = [functional.dropout(m, rate, network.training) for m in maps]
    n_windows = frames.shape[1] - steps.span
    bins, columns = network.shape.pooled
    weights = network.hidden.weight.view(-1, bins, columns, network.shape.channels[-1])
    hidden: Tensor = network.hidden.bias
    for t, (i, offset) in enumerate(steps.columns):
        flat = maps[i][:, :, offset : offset + n_windows].permute(0, 2, 3, 1).flatten(2)
        hidden = hidden + flat @ weights[:, :, t].flatten(1).T
    return network.top(hidden)
