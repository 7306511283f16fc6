"""Figures and baselines of the forecasting app, against hands, plain loops and other libraries."""

import numpy as np
import pytest
from scipy.stats import norm, t
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import mean_pinball_loss

from apps.forecasting.baselines import drift, naive, seasonal_naive
from apps.forecasting.data import Series
from apps.forecasting.intervals import fit_widths, recency, widen
from apps.forecasting.linear import Linear, best_share, fit_linear
from apps.forecasting.paths import fit_memory, sample_paths
from apps.forecasting.scores import (
    coverage,
    diebold_mariano,
    directional_accuracy,
    naive_scale,
    pinball,
    smape,
)
from apps.forecasting.windows import Frame, Windows, address, origins_within

LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)
RNG = np.random.default_rng(0)


def test_the_baselines_are_those_of_the_textbook():
    values, origins = np.array([1.0, 5, 2, 6, 4]), np.array([5, 4])
    np.testing.assert_array_equal(naive(values, origins, 3), [[4, 4, 4], [6, 6, 6]])
    np.testing.assert_array_equal(seasonal_naive(values, origins, 3, 2), [[6, 4, 6], [2, 6, 2]])
    # The line from 1 to 4 in four steps, and from 1 to 6 in three.
    np.testing.assert_allclose(drift(values, origins, 2), [[4.75, 5.5], [6 + 5 / 3, 6 + 10 / 3]])


def test_seasonal_naive_is_naive_before_the_first_season_ends():
    np.testing.assert_array_equal(seasonal_naive(np.array([3.0, 7, 8]), np.array([2]), 2, 5), [[7, 7]])


def test_the_linear_baseline_is_ridge_regression_of_windows_less_their_mean():
    values = np.sin(np.arange(120.0)) + RNG.normal(0, 0.1, 120)
    one = Series("x", values, np.zeros((120, 0)), np.zeros((120, 0)))
    frame = Frame(6, 2, 6)
    windows = Windows([one], frame, np.zeros(1), np.ones(1))
    train, validation = (address([origins_within(one, *part, frame)]) for part in ((0, 80), (80, 100)))
    fitted = fit_linear(windows, train, validation, 2)
    found = Linear.from_bytes(fitted.to_bytes()).predict(windows, np.zeros(2, int), np.array([110, 118]))
    candidates = []
    for strength in (1.0, 100.0, 10_000.0):
        rows = [values[origin - 6 : origin + 2] - values[origin - 6 : origin].mean() for origin in range(6, 79)]
        model = Ridge(strength).fit([row[:6] for row in rows], [row[6:] for row in rows])
        held = [values[origin - 6 : origin + 2] - values[origin - 6 : origin].mean() for origin in range(80, 99)]
        error = np.mean(np.square(model.predict([row[:6] for row in held]) - [row[6:] for row in held]))
        means = [values[origin - 6 : origin].mean() for origin in (110, 118)]
        histories = [values[origin - 6 : origin] - mean for origin, mean in zip((110, 118), means, strict=True)]
        candidates.append((error, model.predict(histories) + np.array(means)[:, None]))
    np.testing.assert_allclose(found, min(candidates, key=lambda pair: pair[0])[1], atol=1e-4)


def test_the_share_in_a_mixture_is_that_of_least_squares():
    points, others, targets = RNG.normal(size=(3, 40, 2))
    slope = (
        LinearRegression(fit_intercept=False).fit((points - others).reshape(-1, 1), (targets - others).ravel()).coef_
    )
    assert best_share(points, others, targets) == pytest.approx(slope[0])
    assert best_share(points, others, points) == 1
    assert best_share(points, others, others) == 0
    assert best_share(points, points, targets) == 1


def test_errors_of_points_by_hand():
    # 200 * 2 / 6, and a step of zeros, which counts as none.
    assert smape(np.array([2.0, 0]), np.array([4.0, 0])) == pytest.approx(200 / 3 / 2)
    assert naive_scale(np.array([1.0, 2, 4, 3]), 2) == pytest.approx((3 + 1) / 2)
    assert naive_scale(np.array([1.0, 2, 1, 2]), 2) == 1
    assert naive_scale(np.array([1.0, 4]), 12) == 3


def test_pinball_is_that_of_scikit_learn():
    values, quantiles = RNG.normal(size=(7, 3)), np.sort(RNG.normal(size=(7, 3, 5)))
    expected = [mean_pinball_loss(values.ravel(), quantiles[..., k].ravel(), alpha=a) for k, a in enumerate(LEVELS)]
    assert pinball(values, quantiles, np.array(LEVELS)) == pytest.approx(np.mean(expected))


def test_coverage_counts_the_ends():
    assert coverage(np.array([1.0, 2, 3, 4]), np.full(4, 2.0), np.full(4, 3.5)) == 0.5


def test_direction_is_counted_where_the_series_moves():
    last, values, points = np.array([1.0, 1, 1, 1]), np.array([2.0, 0, 1, 3]), np.array([3.0, 2, 5, 1])
    found = directional_accuracy(last, values, points)
    assert (found.share, found.trials) == (pytest.approx(1 / 3), 3)
    # Wilson's interval for 1 of 3, from its formula.
    z = norm.ppf(0.975)
    centre, half = (1 / 3 + z**2 / 6) / (1 + z**2 / 3), z * np.sqrt(2 / 27 + z**2 / 36) / (1 + z**2 / 3)
    assert (found.low, found.high) == (pytest.approx(centre - half), pytest.approx(centre + half))
    assert directional_accuracy(last, last, points) is None


def test_diebold_mariano_is_its_formula_step_by_step():
    ours, theirs, overlap = RNG.gamma(2, 1, 60), RNG.gamma(2, 1.2, 60), 3
    difference = [one - other for one, other in zip(ours, theirs, strict=True)]
    mean = sum(difference) / 60
    variance = 0.0
    for lag in range(overlap):
        covariance = sum((difference[i] - mean) * (difference[i - lag] - mean) for i in range(lag, 60)) / 60
        variance += covariance if lag == 0 else 2 * covariance
    statistic = mean / (variance / 60) ** 0.5 * ((60 + 1 - 2 * overlap + overlap * (overlap - 1) / 60) / 60) ** 0.5
    found = diebold_mariano(ours, theirs, overlap)
    assert found.statistic == pytest.approx(statistic)
    assert found.p_value == pytest.approx(2 * t.cdf(-abs(statistic), 59))
    assert diebold_mariano(ours, ours, 1) is None
    assert diebold_mariano(ours[:3], theirs[:3], 3) is None


def test_intervals_hold_their_share_of_rows_like_those_they_were_fitted_on():
    """Quantiles of a normal that is too narrow by half become those of the right one."""
    narrow = np.tile(0.5 * norm.ppf(LEVELS), (4000, 2, 1))
    widths = fit_widths(narrow, RNG.normal(size=(4000, 2)), LEVELS)
    np.testing.assert_allclose(widths, 2, atol=0.15)
    wide, fresh = widen(narrow, widths), RNG.normal(size=(4000, 2))
    assert coverage(fresh, wide[..., 0], wide[..., -1]) == pytest.approx(0.8, abs=0.02)
    assert coverage(fresh, wide[..., 1], wide[..., -2]) == pytest.approx(0.4, abs=0.025)


def test_the_rank_of_a_width_is_that_of_split_conformal_prediction():
    """Of nine scores, the 80 % interval takes the eighth, and the 40 % one the fourth."""
    quantiles = np.tile(np.array([-1.0, -1, 0, 1, 1]), (9, 1, 1))
    widths = fit_widths(quantiles, np.arange(1.0, 10)[:, None], LEVELS)
    np.testing.assert_allclose(widths, [[8], [4]])
    # Three are too few to know what four of five are below.
    assert fit_widths(quantiles[:3], np.arange(1.0, 4)[:, None], LEVELS)[0, 0] == 1


def test_the_last_windows_of_each_series_count_most():
    weights = recency(np.array([0, 0, 0, 1, 1]), np.array([10, 20, 30, 5, 9]))
    np.testing.assert_allclose(weights, [1 / 16, 1 / 4, 1, 2**-0.8, 1])
    # Of the weights 1, 1, 2, 4 by rising score, and 1 to come, 0.4 * 9 = 3.6 is reached by the third.
    quantiles = np.tile(np.array([-1.0, -1, 0, 1, 1]), (4, 1, 1))
    widths = fit_widths(quantiles, np.array([[3.0], [-7], [2], [5]]), LEVELS, np.array([1.0, 4, 1, 2]))
    np.testing.assert_allclose(widths[1], 5)
    np.testing.assert_allclose(widths[0], 7)


def test_quantiles_do_not_cross_whatever_the_widths():
    quantiles = np.sort(RNG.normal(size=(50, 4, 5)), axis=-1)
    found = widen(quantiles, RNG.uniform(0, 3, (2, 4)))
    assert (np.diff(found, axis=-1) >= 0).all()
    np.testing.assert_array_equal(found[..., 2], quantiles[..., 2])


def test_sampled_paths_have_the_quantiles_and_the_memory_asked_for():
    quantiles = np.tile(3 + 2 * norm.ppf(LEVELS), (6, 1))
    paths = sample_paths(quantiles, LEVELS, 0.7, 20_000, np.random.default_rng(1))
    np.testing.assert_allclose(np.quantile(paths, LEVELS, axis=0).T, quantiles, atol=0.08)
    assert np.corrcoef(paths[:, 2], paths[:, 3])[0, 1] == pytest.approx(0.7, abs=0.03)
    found = fit_memory(np.tile(quantiles, (20_000, 1, 1)), paths, LEVELS)
    assert found == pytest.approx(0.7, abs=0.03)
