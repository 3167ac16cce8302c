"""Window networks as functions of one window: pairs of channels in, estimates of stems out."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from isolde.core.errors import ModelError
from isolde.core.stage import Float32
from isolde.core.stems import VOCALS
from isolde.models.graph import Session
from isolde.models.window.form import AXES, Window
from isolde.models.window.transform import Transform

_TINY = np.float32(1e-10)


class Network(Protocol):
    """Samples of pairs (n_pairs, 2, n) in, estimates (n_outputs, n_pairs, 2, n) out.

    `size` is the length of its answer, `margin` the length of the context on each side.
    """

    size: int
    margin: int

    def __call__(self, pairs: Float32, /) -> Float32:
        """Estimate the stems of windows of size + 2 margin samples."""
        ...


def pairs_of(channels: Float32) -> Float32:
    """Arrange channels (n_channels, ...) in pairs (n_pairs, 2, ...); a single one is doubled."""
    left, right = channels[::2], channels[1::2]
    alone = channels[len(channels) // 2 * 2 :]
    return np.stack([left, np.concatenate([right, alone])], axis=1)


def channels_of_pairs(pairs: Float32, n_channels: int) -> Float32:
    """Arrange answers (n_stems, n_pairs, 2, ...) as (n_stems, n_channels, ...)."""
    merged = pairs.reshape(pairs.shape[0], -1, *pairs.shape[3:])
    return merged[:, :n_channels]


def run_checked(
    session: Session,
    feeds: Sequence[Float32],
    shapes: Sequence[tuple[int, ...]],
    *,
    release: bool = False,
) -> list[Float32]:
    """Run a graph and check the shapes of its outputs; `release` frees its memory afterwards.

    Raises:
        ModelError: The graph fails, or gives other shapes.
    """
    if len(session.inputs) != len(feeds):
        raise ModelError(
            f"the graph takes {len(session.inputs)} inputs where its card says {len(feeds)}: "
            "the card does not fit the file"
        )
    feeding = dict(zip(session.inputs, feeds, strict=True))
    outputs = session.run(feeding, release=release)
    given = [output.shape for output in outputs]
    if given != list(shapes):
        raise ModelError(
            f"the graph gave {', '.join(map(str, given))} where its card says "
            f"{', '.join(map(str, shapes))}: the card does not fit the file"
        )
    return outputs


class MagnitudeNetwork:
    """Masks of a network of magnitudes: the share of each stem in the sum of their powers.

    With a single output the mask is the ratio of its magnitudes to those of the mixture, at most 1.
    """

    def __init__(self, session: Session, window: Window, *, release: bool = False) -> None:
        """Take a loaded graph; `release` frees its memory after each window."""
        self._session, self.outputs, self._release = session, window.outputs, release
        self._order = AXES[window.axes]
        self._back = tuple(int(axis) for axis in np.argsort(self._order))

    def __call__(self, magnitudes: Float32) -> Float32:
        """Turn magnitudes (n_pairs, 2, size, n_bins) into masks (n_outputs, n_pairs, 2, ...).

        Raises:
            ModelError: The graph does not fit its card.
        """
        natural = magnitudes.transpose(0, 1, 3, 2)  # n c f t, which AXES starts from
        fed = np.ascontiguousarray(natural.transpose(self._order))
        shapes = [fed.shape] * len(self.outputs)
        given = run_checked(self._session, [fed], shapes, release=self._release)
        stems = np.stack([y.transpose(self._back).transpose(0, 1, 3, 2) for y in given])
        if len(stems) == 1:
            masks: Float32 = np.clip(stems / np.maximum(magnitudes, _TINY), 0, 1)
            return masks
        powers = np.square(stems)
        shares: Float32 = (powers + _TINY / len(powers)) / (powers.sum(axis=0) + _TINY)
        return shares.astype(np.float32, copy=False)


class CascadeNetwork:
    """Masks of two networks in a row: the second splits what the first leaves.

    With v the first's mask of the vocals and s the second's masks, the masks are (1 - v) s, and
    that of the vocals is v more.
    """

    def __init__(self, first: MagnitudeNetwork, second: MagnitudeNetwork) -> None:
        """Take two networks that give vocals."""
        self._first, self._second = first, second

    def __call__(self, magnitudes: Float32) -> Float32:
        """Turn magnitudes (n_pairs, 2, size, n_bins) into masks (n_outputs, n_pairs, 2, ...).

        Raises:
            ModelError: A graph does not fit its card.
        """
        vocals = self._first(magnitudes)[self._first.outputs.index(VOCALS)]
        rest = 1 - vocals
        masks: Float32 = rest * self._second(magnitudes * rest)
        masks[self._second.outputs.index(VOCALS)] += vocals
        return masks


class SpectrumNetwork:
    """MDX-Net: real and imaginary parts of a pair in, those of one stem out."""

    def __init__(self, session: Session, window: Window) -> None:
        """Take a loaded graph."""
        self._session, self._window = session, window
        n_samples = window.hop * (window.size - 1)
        self.margin = window.n_fft // 2
        self.size = n_samples - 2 * self.margin
        self._transform = Transform(
            n_samples,
            n_fft=window.n_fft,
            hop=window.hop,
            before=window.n_fft // 2,
            n_frames=window.size,
        )

    def __call__(self, pairs: Float32, /) -> Float32:
        """Estimate (1, n_pairs, 2, n) from samples (n_pairs, 2, n).

        Raises:
            ModelError: The graph does not fit its card.
        """
        return np.stack([self._estimate(pair) for pair in pairs])[None]

    def _estimate(self, pair: Float32) -> Float32:
        spectra = self._transform.forward(pair)
        low = spectra[:, :, : self._window.n_bins].swapaxes(1, 2)
        parts = np.stack([low.real, low.imag], axis=1).reshape(1, 4, *low.shape[1:])
        fed = np.ascontiguousarray(parts, np.float32)
        (given,) = run_checked(self._session, [fed], [fed.shape])
        if self._window.denoise:
            (mirrored,) = run_checked(self._session, [-fed], [fed.shape])
            given = (given - mirrored) * np.float32(0.5)
        real, imaginary = given.reshape(2, 2, *low.shape[1:]).swapaxes(0, 1)
        whole = np.zeros_like(spectra)
        whole[:, :, : self._window.n_bins] = (real + 1j * imaginary).swapaxes(1, 2)
        return self._transform.inverse(whole) * np.float32(self._window.compensate)


class HybridNetwork:
    """HT-Demucs: a wave and its spectrum in, waves and spectra of each stem out, which are added.

    Each window is brought to mean 0 and deviation 1 of its mono sum, as in the training.
    """

    margin = 0

    def __init__(self, session: Session, window: Window) -> None:
        """Take a loaded graph.

        Raises:
            ModelError: The graph does not have two inputs and two outputs.
        """
        self._session, self._window, self.size = session, window, window.size
        if (len(session.inputs), len(session.outputs)) != (2, 2):
            raise ModelError(
                f"the graph has {len(session.inputs)} inputs and {len(session.outputs)} outputs "
                "where its card says waves and spectra: the card does not fit the file"
            )
        self._inputs = np.argsort([len(shape) for shape in session.inputs.values()])
        self._outputs = np.argsort([len(shape) for shape in session.outputs.values()])
        self._n_frames = -(-window.size // window.hop)
        self._transform = Transform(
            window.size,
            n_fft=window.n_fft,
            hop=window.hop,
            before=window.hop // 2 * 3,
            n_frames=self._n_frames,
        )
        self._scale = np.float32(np.sqrt(window.n_fft))

    def __call__(self, pairs: Float32, /) -> Float32:
        """Estimate (n_outputs, n_pairs, 2, n) from samples (n_pairs, 2, n).

        Raises:
            ModelError: The graph does not fit its card.
        """
        return np.stack([self._estimate(pair) for pair in pairs], axis=1)

    def _estimate(self, pair: Float32) -> Float32:
        mono = pair.mean(axis=0)
        mean, deviation = mono.mean(), mono.std() + np.float32(1e-8)
        level = (pair - mean) / deviation
        n_stems, n_bins = len(self._window.outputs), self._window.n_bins
        spectra = self._transform.forward(level)[:, :, :n_bins].swapaxes(1, 2) / self._scale
        parts = np.stack([spectra.real, spectra.imag], axis=1)
        fed = np.ascontiguousarray(parts.reshape(1, 4, n_bins, self._n_frames), np.float32)
        feeds = [level[None], fed]  # by rank: waves before spectra
        shapes = [(1, n_stems, *pair.shape), (1, n_stems, *fed.shape[1:])]
        outputs = run_checked(
            self._session,
            [feeds[i] for i in np.argsort(self._inputs)],
            [shapes[i] for i in np.argsort(self._outputs)],
        )
        waves, given = (outputs[i] for i in self._outputs)
        real, imaginary = given.reshape(n_stems, 2, 2, n_bins, self._n_frames).transpose(
            2, 0, 1, 4, 3
        )
        whole = np.zeros((n_stems, 2, self._n_frames, self._window.n_fft // 2 + 1), np.complex64)
        whole[..., :n_bins] = (real + 1j * imaginary) * self._scale
        stems = np.stack([self._transform.inverse(stem) for stem in whole]) + waves[0]
        estimates: Float32 = (stems * deviation + mean).astype(np.float32)
        return estimates


class WaveNetwork:
    """Samples in, samples of each stem out."""

    margin = 0

    def __init__(self, session: Session, window: Window) -> None:
        """Take a loaded graph."""
        self._session, self._window, self.size = session, window, window.size
        self._input, self._output = next(iter(session.inputs)), next(iter(session.outputs))

    def __call__(self, pairs: Float32, /) -> Float32:
        """Estimate (n_outputs, n_pairs, 2, n) from samples (n_pairs, 2, n).

        Raises:
            ModelError: The graph does not fit its card.
        """
        n_stems = len(self._window.outputs)
        answers = []
        for pair in np.ascontiguousarray(pairs, np.float32):
            shape = (1, n_stems, *pair.shape)
            (given,) = self._session.run({self._input: pair[None]}, [self._output])
            if given.size != n_stems * pair.size:
                raise ModelError(
                    f"the graph gave {given.shape} where its card says {shape}: "
                    "the card does not fit the file"
                )
            answers.append(given.reshape(shape[1:]))
        return np.stack(answers, axis=1)
