"""What every part of a pipeline promises: a stage eats blocks, gives blocks, keeps its own state.

Input and output share one time axis: output sample (or frame) k is input sample k, processed.
A stage gives fewer samples than it got until its latency is filled, and `flush` gives the rest.
"""

from collections.abc import Iterator
from numbers import Integral
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

LOWEST_RATE = 1000
"""Sample rate in Hz below which nothing is taken for music."""

HIGHEST_RATE = 10_000_000
"""Sample rate in Hz above which nothing is taken for sound."""

LOUDEST = 1e15
"""Magnitude of a sample up to which float32 holds powers of its spectrum; beyond it is no sound."""


def channels_of(samples: Float32) -> Float32:
    """Give samples the shape (n_channels, n_samples).

    Args:
        samples: Float samples (n_samples,) or (n_channels, n_samples).

    Raises:
        InputError: It is no array of audio, or its axes are the wrong way round.
    """
    _check_floats(samples, n_axes=(1, 2))
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
    """Refuse a block that is not (n_channels, n_samples) of floats.

    Args:
        block: Anything.
        n_channels: What the stage was made for.
        finite: What the block is, for the message, where NaN, infinity and what is beyond `LOUDEST`
            are refused too.

    Raises:
        InputError: When the block does not fit.
    """
    _check_floats(block)
    if block.ndim != 2 or block.shape[0] != n_channels:
        is_turned = block.ndim == 2 and block.shape[1] == n_channels
        raise InputError(
            f"a block of shape {block.shape} does not fit: give ({n_channels}, n_samples)"
            + (", which this one is as x.T" if is_turned else "")
        )
    if finite and not _is_sound(block):
        raise InputError(
            f"the {finite} holds NaN, infinity or values beyond {LOUDEST:g}: "
            "replace those samples first"
        )


def silence_faults(block: Float32) -> int:
    """Replace NaN, infinity and what is beyond `LOUDEST` by 0, in place; count what was replaced.

    Args:
        block: Samples of any shape, from a file or a device, which cannot be refused.
    """
    if _is_sound(block):
        return 0
    faults = ~(np.abs(block) <= LOUDEST)
    block[faults] = 0.0
    return int(faults.sum())


def check_open(*, ended: bool) -> None:
    """Refuse to go on with a stream that has ended.

    Args:
        ended: Whether `flush` has been called since the last `reset`.

    Raises:
        InputError: It has ended.
    """
    if ended:
        raise InputError("the stream has ended with flush(): begin another with reset()")


def check_threads(threads: object) -> None:
    """Refuse what is no number of threads: a whole number, 0 or more.

    Raises:
        InputError: It is something else.
    """
    if isinstance(threads, bool) or not isinstance(threads, Integral):
        raise InputError(f"threads is {threads!r}: give a whole number")
    if int(threads) < 0:
        raise InputError(f"{threads} threads: give 1 or more, or 0 for one per core")


def check_progress(progress: object) -> None:
    """Refuse what cannot be told of progress: it is a function, or None.

    Raises:
        InputError: It is something else.
    """
    if progress is not None and not callable(progress):
        raise InputError(f"progress is {progress!r}: give a function that takes a share, or None")


def checked_form(
    sample_rate: object, n_channels: object, *, lowest: int = LOWEST_RATE
) -> tuple[int, int]:
    """Give a sample rate in Hz and a number of channels as whole numbers that sound can have.

    Args:
        sample_rate: Sample rate in Hz, `lowest` to `HIGHEST_RATE`.
        n_channels: Number of channels, 1 or more.
        lowest: Lowest sample rate in Hz; 1 where sound is stored and nothing is heard in it.

    Raises:
        InputError: One of them is no whole number, or out of range.
    """
    if isinstance(sample_rate, bool) or not isinstance(sample_rate, Integral):
        raise InputError(f"sample_rate is {sample_rate!r}: give it as a whole number of Hz")
    if isinstance(n_channels, bool) or not isinstance(n_channels, Integral):
        raise InputError(f"n_channels is {n_channels!r}: give it as a whole number, like 2")
    rate, channels = int(sample_rate), int(n_channels)
    if rate < lowest:
        raise InputError(f"a sample rate of {rate} Hz is too low: give {lowest} Hz or more")
    if rate > HIGHEST_RATE:
        raise InputError(f"a sample rate of {rate} Hz is too high: give {HIGHEST_RATE} Hz or less")
    if channels < 1:
        raise InputError(f"{channels} channels hold no music: give at least 1")
    return rate, channels


def _is_sound(block: Float32) -> bool:
    """Whether all samples are numbers up to `LOUDEST`; two reductions, for many small blocks."""
    if not block.size:
        return True
    return bool(float(block.max()) <= LOUDEST and float(block.min()) >= -LOUDEST)


def _check_floats(samples: object, *, n_axes: tuple[int, ...] = ()) -> None:
    """Refuse what is no array of floats, or has another number of axes than one of these."""
    if not isinstance(samples, np.ndarray):
        raise InputError(
            f"samples of type {type(samples).__name__}: give a NumPy array of floats "
            "(n_channels, n_samples)"
        )
    if samples.dtype.kind != "f" or (n_axes and samples.ndim not in n_axes):
        hint = ""
        if samples.dtype.kind == "i":
            hint = f"; of these integers x / {1 << (8 * samples.itemsize - 1)}"
        raise InputError(
            f"an array of shape {samples.shape} and type {samples.dtype} is no audio: "
            f"give float samples (n_channels, n_samples){hint}"
        )
