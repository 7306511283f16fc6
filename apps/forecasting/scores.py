"""Figures for forecasts: errors of points, of quantiles and of intervals, and what is said of a lead.

Arrays of true values and of points are `(windows, horizon)`, quantiles `(windows, horizon, levels)`.
"""

from typing import NamedTuple

import numpy as np


class Share(NamedTuple):
    """A share of trials, and its 95 % interval."""

    share: float
    low: float
    high: float
    trials: int


class DieboldMariano(NamedTuple):
    """The statistic, negative where the first forecast is better, and the chance of one as far from zero by luck."""

    statistic: float
    p_value: float


def smape(values: np.ndarray, points: np.ndarray) -> float:
    """The symmetric mean absolute percentage error, 0 to 200 % (Makridakis, 1993); a step of 0 and 0 counts as 0."""
    size = np.abs(values) + np.abs(points)
    return float(np.mean(200 * np.abs(values - points) / np.where(size > 0, size, 1)))


def naive_scale(values: np.ndarray, season: int) -> float:
    """The mean absolute change over a season, which MASE divides by (Hyndman & Koehler, 2006): `(time,)`.

    The changes from step to step count where the series is no longer than a season or repeats exactly.
    """
    season = season if len(values) > season else 1
    scale = float(np.mean(np.abs(values[season:] - values[:-season])))
    return scale or float(np.mean(np.abs(np.diff(values)))) or 1.0


def pinball(values: np.ndarray, quantiles: np.ndarray, levels: np.ndarray) -> float:
    """The mean pinball loss over steps and levels (Koenker & Bassett, 1978); twice it nears the CRPS."""
    errors = values[..., None] - quantiles
    return float(np.mean(np.maximum(levels * errors, (levels - 1) * errors)))


def coverage(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """The share of true values between the ends of their intervals."""
    return float(np.mean((values >= low) & (values <= high)))


def directional_accuracy(last: np.ndarray, values: np.ndarray, points: np.ndarray) -> Share | None:
    """How often a forecast moves from the last value to the side that the series then takes.

    Args:
        last: the last value before each forecast, `(windows,)`.
        values: true values of one step, `(windows,)`; those equal to the last are left out.
        points: forecast of that step, `(windows,)`; no move is a wrong one.

    Returns:
        The share with its interval (Wilson, 1927); None where nothing moves.
    """
    from scipy.stats import binomtest

    moved = values != last
    if not moved.any():
        return None
    right = np.sign(points - last)[moved] == np.sign(values - last)[moved]
    interval = binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
    return Share(float(right.mean()), float(interval.low), float(interval.high), len(right))


def diebold_mariano(losses: np.ndarray, other_losses: np.ndarray, overlap: int) -> DieboldMariano | None:
    """Whether two forecasts differ in their expected loss (Diebold & Mariano, 1995).

    With the correction for small samples of Harvey, Leybourne & Newbold (1997).

    Args:
        losses: of the first, an origin each in the order of time, `(origins,)`.
        other_losses: of the second at the same origins.
        overlap: to how many origins the steps of one forecast belong; the losses of neighbours are not independent.

    Returns:
        None where there are too few origins, or the two never differ.
    """
    from scipy.stats import t

    difference = np.asarray(losses, np.float64) - np.asarray(other_losses, np.float64)
    count, centred = len(difference), difference - difference.mean()
    if count <= overlap + 1 or not centred.any():
        return None
    covariances = [centred[lag:] @ centred[: count - lag] / count for lag in range(overlap)]
    variance = (covariances[0] + 2 * sum(covariances[1:])) / count
    if variance <= 0:
        # The sum over a window may be negative; the variance without it is then the cautious one to take.
        variance = covariances[0] / count
    correction = np.sqrt((count + 1 - 2 * overlap + overlap * (overlap - 1) / count) / count)
    statistic = float(correction * difference.mean() / np.sqrt(variance))
    return DieboldMariano(statistic, float(2 * t.sf(abs(statistic), count - 1)))
