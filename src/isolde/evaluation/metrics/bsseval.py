"""BSSEval v4 as museval 0.4.1 computes it, with the frames chosen by the REFERENCE; reads no files.

Vincent et al. 2006, Liutkus et al. 2018 (version 4: one filter for the whole song, scores by the
second). An estimate is projected on what 512-tap filters can make of the references:

    P_own = the projection on the delayed channels of its own reference,
    P_all = the same with every reference,
    SDR = |s|^2 / |s - e|^2          ISR = |s|^2 / |P_own - s|^2
    SIR = |P_own|^2 / |P_all - P_own|^2     SAR = |P_all|^2 / |e - P_all|^2

This is our own code because the normal equations depend on the references alone: they are
factorised once per song for all candidates, where museval solves them four times for each. On 19
songs of the dev set: 0.19 CPU s a candidate and 0.5 s a song against 1.3 s a candidate, equal to
0.004 dB in every second on 18 of them (docs/lab/results.md).

museval drops every second in which a reference OR AN ESTIMATE is all zeros, so a gate that removes
a quiet phrase altogether is not charged for it. Here only references drop seconds: an estimate of
zeros has an SDR of 0 dB, and no SIR and SAR, which are undefined for it.

SIR and SAR are unreliable where references hold nothing in some band (lossy coding, resampling):
the equations are nearly singular there. On 7 s clips SIR came out about 2 dB low, and negative for
the oracle mask of one clip; museval gives the same. SDR and ISR are sound.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from isolde.core.errors import InputError, MissingExtraError
from isolde.evaluation.metrics.ratios import LIMIT_DB, Float64, as_pair, ratio_db

MEASURES = ("sdr", "isr", "sir", "sar")
FILTER_TAPS = 512
MUSEVAL_VERSION = "0.4.1"  # whose numbers these are, and whose files `museval_json` writes


@dataclass(frozen=True)
class BssEval:
    """BSSEval v4 of one stem, one value a second, each (n_frames,) in dB within +-LIMIT_DB.

    Frames in which any reference is all zeros are nan in all four: BSSEval does not define them.
    """

    sdr: Float64
    isr: Float64
    sir: Float64
    sar: Float64

    def medians(self) -> dict[str, float]:
        """Median over the frames that count (nan when there is none), as museval reports a song."""
        out = {}
        for name in MEASURES:
            kept = getattr(self, name)[~np.isnan(getattr(self, name))]
            out[name] = float(np.median(kept)) if kept.size else float("nan")
        return out


def require_scipy() -> None:
    """Fail early when BSSEval cannot be computed.

    Raises:
        MissingExtraError: Scipy is not installed.
    """
    try:
        import scipy.linalg  # noqa: F401
    except ImportError:
        raise MissingExtraError("scipy", extra="evaluation", purpose="BSSEval v4") from None


class Subspace:
    """The span of some channels under filters of FILTER_TAPS taps, to project estimates on.

    The least-squares filters c of an estimate e solve G c = d, with G the correlations of the
    channels with each other for lags below FILTER_TAPS and d those with the estimate.
    """

    def __init__(self, channels: Float64) -> None:
        """Correlate and factorise.

        Args:
            channels: Channels (n_signals, n_samples).

        Raises:
            MissingExtraError: Scipy is not installed.
        """
        require_scipy()
        from scipy.linalg import lu_factor

        n_signals, n_samples = channels.shape
        size = n_signals * FILTER_TAPS
        self._channels = channels
        self._n_fft = _fft_size(n_samples + FILTER_TAPS - 1)
        self._spectra = np.fft.rfft(channels, self._n_fft)
        lags = np.arange(FILTER_TAPS)[None, :] - np.arange(FILTER_TAPS)[:, None]
        gram = np.empty((n_signals, FILTER_TAPS, n_signals, FILTER_TAPS))
        for i in range(n_signals):
            for j in range(i, n_signals):
                cross = self._spectra[j] * np.conj(self._spectra[i])
                gram[j, :, i, :] = np.fft.irfft(cross, self._n_fft)[lags]
                gram[i, :, j, :] = gram[j, :, i, :].T
        # museval's regularisation; LU as there, for a nearly singular G has no Cholesky factor
        regular = gram.reshape(size, size) + np.finfo(np.float64).eps * np.eye(size)
        self._factors: Any = lu_factor(regular, overwrite_a=True, check_finite=False)

    def filters(self, estimate: Float64) -> Float64:
        """Return the filters that come nearest to an estimate over the whole song.

        Args:
            estimate: Estimate (n_channels, n_samples).

        Returns:
            (n_signals, FILTER_TAPS, n_channels).
        """
        from scipy.linalg import lu_solve

        spectra = np.fft.rfft(estimate, self._n_fft)
        cross = np.fft.irfft(self._spectra[:, None] * np.conj(spectra), self._n_fft)
        lags = -np.arange(FILTER_TAPS)
        right = cross[:, :, lags].swapaxes(1, 2).reshape(-1, estimate.shape[0])
        solved: Float64 = lu_solve(self._factors, right, check_finite=False)
        return solved.reshape(len(self._channels), FILTER_TAPS, estimate.shape[0])

    def project(self, filters: Float64, part: slice) -> Float64:
        """Filter a part of the channels, silent around it.

        Returns:
            (n_channels, n + FILTER_TAPS - 1) for a part of n samples.
        """
        channels = self._channels[:, part]
        n_samples = channels.shape[1] + FILTER_TAPS - 1
        n_fft = _fft_size(n_samples)
        response = np.fft.rfft(filters, n_fft, axis=1)  # (n_signals, n_bins, n_channels)
        sums = np.einsum("kf,kfc->cf", np.fft.rfft(channels, n_fft), response)
        return np.fft.irfft(sums, n_fft)[:, :n_samples]


class References:
    """The true stems of a song, prepared once to score any number of candidates against.

    Raises:
        InputError: No stems, stems of different shapes, or less than a second.
        MissingExtraError: Scipy is not installed.
    """

    def __init__(self, stems: Mapping[str, ArrayLike], *, sample_rate: int) -> None:
        """Prepare.

        Args:
            stems: Name -> (n_channels, n_samples); interference is measured against all of them.
            sample_rate: Sample rate in Hz; frames last one second, the last partial one is left
                out.
        """
        if not stems:
            raise InputError("no references: BSSEval needs the true stems of a song")
        arrays = [as_pair(stem, stem)[0] for stem in stems.values()]
        if len({array.shape for array in arrays}) != 1:
            raise InputError("stems of a song have different shapes: cut them to one length")
        self.stems = tuple(stems)
        self.truth = np.stack(arrays)  # (n_stems, n_channels, n_samples)
        n_samples = self.truth.shape[2]
        if n_samples < sample_rate:
            raise InputError(f"{n_samples} samples are less than one second: BSSEval needs one")
        self._frames = [
            slice(k * sample_rate, (k + 1) * sample_rate) for k in range(n_samples // sample_rate)
        ]
        self._defined = self.truth.any(axis=(1, 2)).all()
        if self._defined:
            self._own = [Subspace(array) for array in arrays]
            self._all = Subspace(self.truth.reshape(-1, n_samples))

    def score(self, estimates: Mapping[str, ArrayLike]) -> dict[str, BssEval]:
        """Score all stems of a separation.

        Args:
            estimates: The same stems and shapes as the references.

        Raises:
            InputError: Stems or shapes differ.
        """
        if set(estimates) != set(self.stems):
            raise InputError(f"stems {sorted(self.stems)} and {sorted(estimates)} must be the same")
        out = {}
        for index, stem in enumerate(self.stems):
            _, guess = as_pair(self.truth[index], estimates[stem])
            values = np.full((len(MEASURES), len(self._frames)), np.nan)
            if self._defined:
                own, every = self._own[index].filters(guess), self._all.filters(guess)
                for number, part in enumerate(self._frames):
                    if self.truth[:, :, part].any(axis=(1, 2)).all():
                        values[:, number] = self._ratios(index, guess, own, every, part)
            out[stem] = BssEval(*values)
        return out

    def _ratios(
        self, index: int, guess: Float64, own: Float64, every: Float64, part: slice
    ) -> Float64:
        """SDR, ISR, SIR and SAR of one stem in one frame, in dB."""
        tail = ((0, 0), (0, FILTER_TAPS - 1))
        true = np.pad(self.truth[index][:, part], tail)
        here = np.pad(guess[:, part], tail)
        p_own = self._own[index].project(own, part)
        p_all = self._all.project(every, part)
        signals = [_energy(x) for x in (true, true, p_own, p_all)]
        errors = [_energy(x) for x in (true - here, p_own - true, p_all - p_own, here - p_all)]
        ratios = ratio_db(signals, errors)
        if not here.any():
            ratios[2:] = np.nan
        return ratios


def museval_json(frames: Mapping[str, Mapping[str, ArrayLike]]) -> dict[str, object]:
    """Return the song's scores in the shape of museval's JSON files.

    As in museval, values have five decimals, and those without meaning, or without limit, are nan,
    which its files hold as the bare word NaN.

    Args:
        frames: Stem -> measure ("sdr", ...) -> one value a second.

    Returns:
        {"targets": [{"name", "frames": [{"time", "duration", "metrics": {"SDR", ...}}]}],
        "museval_version"}.
    """
    targets = []
    for stem, rows in frames.items():
        values = {name: np.asarray(row, dtype=np.float64) for name, row in rows.items()}
        entries = []
        for second in range(len(next(iter(values.values()), ()))):
            metrics = {name.upper(): _bounded(float(row[second])) for name, row in values.items()}
            entries.append({"time": float(second), "duration": 1.0, "metrics": metrics})
        targets.append({"name": stem, "frames": entries})
    return {"targets": targets, "museval_version": MUSEVAL_VERSION}


def _bounded(value: float) -> float:
    """Five decimals; nan where the value has no meaning or sits at the limit."""
    return round(value, 5) if abs(value) < LIMIT_DB else float("nan")


def _energy(signal: Float64) -> float:
    return float(np.sum(np.square(signal)))


def _fft_size(n_samples: int) -> int:
    return 1 << (n_samples - 1).bit_length()
