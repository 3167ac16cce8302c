"""The separator: mixture blocks in, stems out, at the mixture's own rate, channels and length.

It writes no file. All stems but one are masked out of the mixture; the last, the residual, is the
mixture less those, so that the stems always sum to it.
"""

from collections.abc import Callable
from math import ceil
from pathlib import Path

import numpy as np

from isolde.activity.detector import load_frame_detector
from isolde.activity.gate import GatedMasker
from isolde.audio import AudioReader, Resampler
from isolde.catalogue import DEFAULT, find
from isolde.errors import InputError, ModelError
from isolde.harmonic import RULES, HarmonicMasker, make_rules_masker
from isolde.masker import GraphMasker, Masker
from isolde.masks import extend_treble, readout
from isolde.spectrum import N_MODEL_BINS, Analysis, Synthesis, grid_for
from isolde.stages import Complex64, Float32

Stems = dict[str, Float32]

BLOCK = 1 << 16


class _Queue:
    """Blocks joined along one axis, taken from the front."""

    def __init__(self, axis: int) -> None:
        self._axis, self._parts = axis, list[np.ndarray]()
        self.n = 0

    def put(self, block: np.ndarray) -> None:
        if block.shape[self._axis]:
            self._parts.append(block)
            self.n += block.shape[self._axis]

    def take(self, n: int, like: np.ndarray) -> np.ndarray:
        """The first `n`; of the shape of `like` when there are none."""
        whole = np.concatenate([np.take(like, [], axis=self._axis), *self._parts], axis=self._axis)
        first, rest = np.split(whole, [n], axis=self._axis)
        self._parts = [rest]
        self.n = rest.shape[self._axis]
        return first


class Separator:
    """A stream of mixture blocks to a stream of stems."""

    def __init__(
        self,
        masker: Masker,
        *,
        sample_rate: int,
        n_channels: int,
        mask: str = "soft",
        threshold: float = 0.5,
        strength: float = 1.0,
    ) -> None:
        """Start a stream.

        Args:
            masker: the model.
            sample_rate: of the mixture in Hz.
            n_channels: of the mixture.
            mask: "soft" or "binary" (see `masks.readout`).
            threshold: for "binary".
            strength: for "soft"; 1 is neutral.

        Raises:
            InputError: when a setting is out of range.
        """
        readout(np.zeros(1, np.float32), mask, threshold=threshold, strength=strength)
        if sample_rate < 1000:
            raise InputError(f"a sample rate of {sample_rate} Hz is too low: give 1000 Hz or more")
        self._masker = masker
        self._read: Callable[[Float32], Float32] = lambda values: readout(
            values, mask, threshold=threshold, strength=strength
        )
        self.sample_rate, self.n_channels = sample_rate, n_channels
        self.stems = (*masker.stems, masker.residual)
        self.grid = grid_for(sample_rate)
        self._inward = Resampler(sample_rate, self.grid.sample_rate, n_channels)
        self._outward = [
            Resampler(self.grid.sample_rate, sample_rate, n_channels) for _ in masker.stems
        ]
        self._analysis = Analysis(self.grid, n_channels)
        self._syntheses = [Synthesis(self.grid, n_channels) for _ in masker.stems]
        self._start()

    @property
    def latency(self) -> int:
        """Samples at the mixture's rate: sample k is out once k + latency samples are in."""
        on_grid = self.grid.n_fft + self._masker.latency * self.grid.hop + self._outward[0].latency
        if self.sample_rate == self.grid.sample_rate:
            return on_grid
        return self._inward.latency + ceil(on_grid * self.sample_rate / self.grid.sample_rate) + 1

    def reset(self) -> None:
        """Begin anew."""
        stages = (self._inward, self._analysis, *self._outward, *self._syntheses)
        for stage in (self._masker, *stages):
            stage.reset()  # type: ignore[attr-defined]
        self._start()

    def _start(self) -> None:
        self._mixture, self._spectra = _Queue(1), _Queue(1)
        self._ready = [_Queue(1) for _ in self._masker.stems]
        self._n_on_grid = 0
        self._none = np.zeros((self.n_channels, 0), np.float32)

    def feed(self, block: Float32, /) -> Stems:
        """Take samples (n_channels, n) in [-1, 1]; give what is ready of each stem.

        Raises:
            InputError: when the block has another number of channels, or holds NaN or infinity.
        """
        if block.ndim != 2 or block.shape[0] != self.n_channels:
            raise InputError(
                f"a block of shape {block.shape} does not fit: give ({self.n_channels}, n_samples)"
            )
        if not np.isfinite(block).all():
            raise InputError("the mixture holds NaN or infinity: replace those samples first")
        self._mixture.put(block.astype(np.float32))
        resampled = self._inward.feed(block)
        self._n_on_grid += resampled.shape[1]
        self._separate(self._analysis.feed(resampled))
        return self._give(min(self._mixture.n, *(q.n for q in self._ready)))

    def flush(self) -> Stems:
        """Give the rest of each stem, so that all are as long as the mixture."""
        resampled = self._inward.flush()
        self._n_on_grid += resampled.shape[1]
        self._separate(self._analysis.feed(resampled))
        self._separate(self._analysis.flush())
        self._apply(self._masker.flush())
        for synthesis, outward, ready in self._voices():
            rest = synthesis.flush(self._n_on_grid) if self._n_on_grid else self._none
            ready.put(outward.feed(rest))
            ready.put(outward.flush())
            missing = self._mixture.n - ready.n  # there and back again may round to a sample less
            ready.put(np.zeros((self.n_channels, max(0, missing)), np.float32))
        return self._give(self._mixture.n)

    def _voices(self) -> list[tuple[Synthesis, Resampler, _Queue]]:
        return list(zip(self._syntheses, self._outward, self._ready, strict=True))

    def _separate(self, spectra: Complex64) -> None:
        self._spectra.put(spectra)
        self._apply(self._masker.feed(spectra[:, :, :N_MODEL_BINS]))

    def _apply(self, masks: Float32) -> None:
        """Mask the oldest frames, which these masks are for, and go back to samples."""
        n = masks.shape[2]
        if not n:
            return
        like = np.zeros((self.n_channels, 0, self.grid.n_bins), np.complex64)
        spectra = self._spectra.take(n, like)
        for mask, (synthesis, outward, ready) in zip(masks, self._voices(), strict=True):
            whole = extend_treble(self._read(mask), self.grid.n_bins)
            ready.put(
                outward.feed(synthesis.feed((spectra * whole).astype(np.complex64, copy=False)))
            )

    def _give(self, n: int) -> Stems:
        mixture = self._mixture.take(n, self._none)
        parts = [ready.take(n, self._none) for ready in self._ready]
        rest = mixture - sum(parts)
        return dict(zip(self.stems, (*parts, rest), strict=True))


def stems_of(model: str | Path) -> tuple[str, ...]:
    """The stems that a model gives, the residual last.

    Raises:
        ModelError: when there is no such model, or it separates nothing.
    """
    if model == RULES:
        return (*HarmonicMasker.stems, HarmonicMasker.residual)
    card = find(model).card
    if not card.stems:
        raise ModelError(f"model '{card.name}' separates nothing: take another, like '{DEFAULT}'")
    return (*card.stems, card.residual)


def load_masker(
    model: str | Path = DEFAULT, *, n_channels: int, threads: int = 1, gate: bool = False
) -> Masker:
    """What gives the masks: a network of the catalogue or the rules, gated if asked.

    Args:
        model: its name, or a path (see `catalogue.find`); "rules" for `isolde.harmonic`.
        n_channels: of the mixture.
        threads: for the network.
        gate: whether the vocals are turned down where nobody sings (see `activity.gate`).

    Raises:
        ModelError: when there is no such model, or it separates nothing.
        InputError: when there is no channel, or no vocals to gate.
        MissingExtraError: when the model is "rules" and librosa is not installed.
    """
    stems_of(model)
    masker: Masker
    if model == RULES:
        masker = make_rules_masker(n_channels)
    else:
        found = find(model)
        masker = GraphMasker(found.graph(threads=threads), found.card, n_channels=n_channels)
    if gate:
        masker = GatedMasker(masker, load_frame_detector(threads=threads))
    return masker


def load_separator(
    model: str | Path = DEFAULT,
    *,
    sample_rate: int,
    n_channels: int,
    threads: int = 1,
    mask: str = "soft",
    threshold: float = 0.5,
    strength: float = 1.0,
    gate: bool = False,
) -> Separator:
    """A separator with one of the catalogue's models.

    Args:
        model: its name, or a path (see `catalogue.find`); "rules" for `isolde.harmonic`.
        sample_rate: of the mixture in Hz.
        n_channels: of the mixture.
        threads: for the network.
        mask: "soft" or "binary".
        threshold: for "binary".
        strength: for "soft".
        gate: whether the vocals are turned down where nobody sings (see `activity.gate`).

    Raises:
        ModelError: when there is no such model.
        InputError: when a setting is out of range.
        MissingExtraError: when the model is "rules" and librosa is not installed.
    """
    return Separator(
        load_masker(model, n_channels=n_channels, threads=threads, gate=gate),
        sample_rate=sample_rate,
        n_channels=n_channels,
        mask=mask,
        threshold=threshold,
        strength=strength,
    )


def separate(
    source: str | Path | Float32,
    *,
    sample_rate: int | None = None,
    model: str | Path = DEFAULT,
    threads: int = 1,
    mask: str = "soft",
    threshold: float = 0.5,
    strength: float = 1.0,
    gate: bool = False,
) -> Stems:
    """The stems of a song, in memory.

    Args:
        source: a file, or samples (n_channels, n_samples) or (n_samples,) in [-1, 1].
        sample_rate: of the samples in Hz; of a file it is its own.
        model: a model's name or path.
        threads: for the network.
        mask: "soft" or "binary".
        threshold: for "binary".
        strength: for "soft": 1 is neutral, 2 takes more away, 0.5 leaves more.
        gate: whether the vocals are turned down where nobody sings.

    Returns:
        for each stem float32 of the shape of the mixture; they sum to it, to rounding.

    Raises:
        AudioError: when the file cannot be read.
        InputError: when an argument cannot be used.
        ModelError: when there is no such model.
    """
    settings = {"mask": mask, "threshold": threshold, "strength": strength, "gate": gate}
    if isinstance(source, str | Path):
        with AudioReader(source) as reader:
            separator = load_separator(
                model,
                sample_rate=reader.info.sample_rate,
                n_channels=reader.info.n_channels,
                threads=threads,
                **settings,  # type: ignore[arg-type]
            )
            parts = [*(separator.feed(block) for block in reader), separator.flush()]
        return {stem: np.concatenate([p[stem] for p in parts], axis=1) for stem in separator.stems}
    if sample_rate is None:
        raise InputError("samples without a rate cannot be separated: give sample_rate in Hz")
    if source.ndim not in (1, 2) or not np.issubdtype(source.dtype, np.floating):
        raise InputError(
            f"an array of shape {source.shape} and type {source.dtype} is no audio: "
            "give float samples (n_channels, n_samples)"
        )
    audio = np.atleast_2d(source)
    separator = load_separator(
        model,
        sample_rate=sample_rate,
        n_channels=audio.shape[0],
        threads=threads,
        **settings,  # type: ignore[arg-type]
    )
    starts = range(0, audio.shape[1], BLOCK)
    parts = [*(separator.feed(audio[:, s : s + BLOCK]) for s in starts), separator.flush()]
    stems = {stem: np.concatenate([p[stem] for p in parts], axis=1) for stem in separator.stems}
    return stems if source.ndim == 2 else {stem: values[0] for stem, values in stems.items()}
