"""What every part of a pipeline promises: a stage eats blocks, gives blocks, keeps its own state.

Input and output share one time axis: output sample (or frame) k is input sample k, processed.
A stage gives fewer samples than it got until its latency is filled, and `flush` gives the rest.
"""

from collections.abc import Iterator
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from isolde.core.errors import InputError

Float32 = NDArray[np.float32]
Complex64 = NDArray[np.complex64]

In = TypeVar("In", contravariant=True)
Out = TypeVar("Out", covariant=True)


class Stage(Protocol[In, Out]):
    """One step of a stream, from blocks of `In` to blocks of `Out`."""

    @property
    def latency(self) -> int:
        """Input samples (frames) by which output may trail: k is out once k + latency are in."""
        ...

    def feed(self, block: In, /) -> Out:
        """Take the next block, of any length and also empty, and give what is ready."""
        ...

    def flush(self) -> Out:
        """End the stream: give all that is still owed. Only `reset` may follow."""
        ...

    def reset(self) -> None:
        """Forget the stream, so that the next block is the first one again."""
        ...


BLOCK = 1 << 16
"""Samples of an array that are fed at once."""

MAX_CHANNELS = 64
"""More rows than any recording has channels: the axes of such an array are the wrong way round."""


def channels_of(samples: Float32) -> Float32:
    """Give samples the shape (n_channels, n_samples).

    Args:
        samples: Float samples (n_samples,) or (n_channels, n_samples).

    Raises:
        InputError: It is no array of audio, or its axes are the wrong way round.
    """
    if not isinstance(samples, np.ndarray):
        raise InputError(
            f"samples of type {type(samples).__name__}: give a NumPy array of floats "
            "(n_channels, n_samples)"
        )
    if samples.ndim not in (1, 2) or not np.issubdtype(samples.dtype, np.floating):
        raise InputError(
            f"an array of shape {samples.shape} and type {samples.dtype} is no audio: "
            "give float samples (n_channels, n_samples)"
        )
    audio = np.atleast_2d(samples)
    if audio.shape[0] > MAX_CHANNELS:
        raise InputError(
            f"an array of shape {samples.shape} has {audio.shape[0]} channels: give "
            "(n_channels, n_samples); what soundfile reads is turned by x.T"
        )
    return audio


def blocks_of(audio: Float32) -> Iterator[Float32]:
    """Cut (n_channels, n_samples) into what a stage is fed with; nothing for no samples."""
    return (audio[:, start : start + BLOCK] for start in range(0, audio.shape[1], BLOCK))


def check_block(block: Float32, *, n_channels: int, finite: str = "") -> None:
    """Refuse a block that is not (n_channels, n_samples).

    Args:
        block: Any array.
        n_channels: What the stage was made for.
        finite: What the block is, for the message, where NaN and infinity are refused too.

    Raises:
        InputError: When the block does not fit.
    """
    if block.ndim != 2 or block.shape[0] != n_channels:
        raise InputError(
            f"a block of shape {block.shape} does not fit: give ({n_channels}, n_samples)"
        )
    if finite and not np.isfinite(block).all():
        raise InputError(f"the {finite} holds NaN or infinity: replace those samples first")
