"""Intervals that cover what they claim, and a sign test that is the binomial distribution."""

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isolde.core.errors import InputError
from isolde.evaluation.statistics import bootstrap, compare, sign_test


@pytest.mark.parametrize("statistic", ["median", "mean"])
def test_the_interval_covers_the_truth_as_often_as_it_says(statistic):
    """300 samples of 60 songs from a known normal law: 95 % +- 3.5 points.

    The binomial spread of 300 trials is 1.3 points; the percentile bootstrap of 60 values is known
    to fall about a point short.
    """
    generator = np.random.default_rng(1)
    truth, hits = 4.5, 0
    for trial in range(300):
        values = generator.normal(truth, 2.5, 60)
        interval = bootstrap(values, statistic=statistic, n_resamples=500, seed=trial)
        hits += interval.low <= truth <= interval.high
    assert hits / 300 == pytest.approx(0.95, abs=0.035)


def test_the_interval_shrinks_with_the_root_of_the_number_of_songs():
    generator = np.random.default_rng(2)
    widths = []
    for n in (50, 800):
        interval = bootstrap(generator.normal(0, 1, n), statistic="mean", n_resamples=2000)
        widths.append(interval.high - interval.low)
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.25)


def test_nan_is_excluded_and_counted():
    values = [1.0, np.nan, 3.0, 2.0, np.nan]
    interval = bootstrap(values)
    assert (interval.value, interval.n, interval.n_excluded) == (2.0, 3, 2)
    nothing = bootstrap([np.nan])
    assert np.isnan(nothing.value) and nothing.n == 0 and nothing.n_excluded == 1
    with pytest.raises(InputError):
        bootstrap([1.0, np.inf])


def test_the_seed_decides():
    values = np.random.default_rng(3).normal(0, 1, 30)
    first = bootstrap(values, statistic="mean", seed=7)
    assert first == bootstrap(values, statistic="mean", seed=7)
    assert first != bootstrap(values, statistic="mean", seed=8)


@given(st.integers(0, 60), st.integers(0, 60))
def test_sign_test_is_the_binomial_test(wins, losses):
    n, expected = wins + losses, abs(wins - losses)
    splits = [comb(n, k) for k in range(n + 1) if abs(n - 2 * k) >= expected]
    assert sign_test(wins, losses) == pytest.approx(sum(splits) / 2**n, rel=1e-12)
    assert sign_test(wins, losses) == sign_test(losses, wins)
    assert sign_test(wins, wins) == 1.0


def test_pairing_finds_a_small_difference_between_very_different_songs():
    generator = np.random.default_rng(4)
    songs = generator.normal(4, 6, 94)
    a = songs + 0.1 + generator.normal(0, 0.05, 94)
    result = compare(a, songs)
    assert 0.05 < result.median.low < result.median.value < result.median.high < 0.15
    assert result.p_value < 1e-9 and result.wins > 85
    backwards = compare(songs, a)
    assert backwards.mean.value == pytest.approx(-result.mean.value)
    assert (backwards.wins, backwards.losses) == (result.losses, result.wins)


def test_ties_and_exclusions_are_counted():
    result = compare([1.0, 2.0, 3.0, np.nan], [1.0, 1.0, 3.0, 1.0])
    assert (result.wins, result.losses, result.ties) == (1, 0, 2)
    assert result.median.n_excluded == 1
    with pytest.raises(InputError):
        compare([1.0], [1.0, 2.0])
