"""Voice activity: counts and ranks that can be checked by hand, and the rule for levels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isolde.core.errors import InputError
from isolde.evaluation.metrics.detection import activity_scores, area_under_roc
from isolde.evaluation.metrics.voicing import Voicing, pooled_scores, voicing

RATE = 8000


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=1, max_size=40),
)
def test_auc_is_the_share_of_pairs_ranked_rightly(pairs):
    labels = np.array([label for label, _ in pairs])
    scores = np.array([score for _, score in pairs], dtype=float)
    wins = [(p > n) + 0.5 * (p == n) for p in scores[labels] for n in scores[~labels]]
    ours = area_under_roc(labels, scores)
    if wins:
        assert ours == pytest.approx(np.mean(wins), abs=1e-12)
    else:
        assert np.isnan(ours)


def test_activity_counts():
    labels = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    probabilities = [0.9, 0.8, 0.5, 0.1, 0.7, 0.2, 0.1, 0.1, 0.1, 0.0]
    scores = activity_scores(labels, probabilities)
    assert scores.n_frames == 10
    assert scores.accuracy == 0.8
    assert scores.precision == 0.75 and scores.recall == 0.75 and scores.f1 == 0.75
    nobody = activity_scores([0, 0], [0.1, 0.2])
    assert np.isnan(nobody.precision) and np.isnan(nobody.recall) and nobody.accuracy == 1.0
    with pytest.raises(InputError):
        activity_scores([0, 2], [0.1, 0.2])


def phrases(levels: list[float]) -> np.ndarray:
    """A tone, 0.1 s at each RMS level in dBFS, in two channels."""
    block = np.sqrt(2) * np.sin(2 * np.pi * 440 * np.arange(RATE // 10) / RATE)
    row = np.concatenate([10 ** (level / 20) * block for level in levels])
    return np.stack([row, row])


def test_voicing_calls_truth_and_estimate_by_one_rule():
    band = phrases([-20] * 6)
    vocals = phrases([-30, -30, -43, -60, -60, -60])
    estimate = phrases([-30, -70, -30, -30, -60, -120])
    mixture = band  # RMS -20 dBFS: the threshold is at -45 dBFS
    out = voicing(vocals, estimate, mixture, sample_rate=RATE)
    assert out.labels == (1, 1, 1, 0, 0, 0)
    assert out.levels[:5] == pytest.approx([15, -25, 15, 15, -15], abs=0.02)
    scores = out.scores()
    assert scores.precision == pytest.approx(2 / 3) and scores.recall == pytest.approx(2 / 3)
    assert scores.accuracy == pytest.approx(4 / 6)
    assert voicing(vocals, vocals, mixture, sample_rate=RATE).scores().accuracy == 1.0


@given(st.floats(-30, 30))
def test_voicing_hears_all_levels_alike(decibels):
    gain = 10 ** (decibels / 20)
    signals = phrases([-30, -40, -50, -60]), phrases([-35, -50, -30, -70]), phrases([-20] * 4)
    plain = voicing(*signals, sample_rate=RATE)
    loud = voicing(*(gain * signal for signal in signals), sample_rate=RATE)
    assert loud.labels == plain.labels
    assert loud.levels == pytest.approx(plain.levels, abs=0.02)  # rounded to 0.01 dB


def test_nobody_sings_in_silence():
    nothing = np.zeros((2, RATE))
    assert sum(voicing(nothing, nothing, nothing, sample_rate=RATE).labels) == 0


def test_songs_are_pooled_by_length():
    short = Voicing((1,), (-5.0,))
    long = Voicing((1, 0, 0), (5.0, -5.0, -6.0))
    assert pooled_scores([short, long]).accuracy == 0.75
    with pytest.raises(InputError):
        pooled_scores([])
