"""Intervals that hold what they promise: quantiles stretched until they do so on rows not trained on."""

import numpy as np

# With fewer windows than this, all steps of the horizon share their widths.
_LEAST_WINDOWS = 200
_LEAST_DISTANCE = 1e-9


def fit_widths(
    quantiles: np.ndarray, targets: np.ndarray, levels: tuple[float, ...], weights: np.ndarray | None = None
) -> np.ndarray:
    """Factors on the distances of quantiles from their median, by split conformal prediction.

    The score of a window is how many times its own half-width off the median the true value lies (Lei et al., 2018,
    https://arxiv.org/abs/1604.04173, section 5.2); each pair of quantiles gets the quantile of the scores that its
    interval is to hold.

    Args:
        quantiles: of the network, `(windows, horizon, levels)`.
        targets: true values, `(windows, horizon)`, NaN where there is none.
        levels: of the quantiles, rising, symmetric around 0.5.
        weights: how much each window counts, 1 at most, `(windows,)`; those of `recency`, or all the same.

    Returns:
        `(pairs, horizon)`, the outermost pair first, 1 where there are too few windows to tell.
    """
    middle = len(levels) // 2
    distances = targets - quantiles[..., middle]
    widths = np.ones((middle, targets.shape[1]))
    weights = np.ones(len(targets)) if weights is None else weights
    for pair in range(middle):
        below = np.maximum(quantiles[..., middle] - quantiles[..., pair], _LEAST_DISTANCE)
        above = np.maximum(quantiles[..., -1 - pair] - quantiles[..., middle], _LEAST_DISTANCE)
        scores = np.maximum(distances / above, -distances / below)
        share = levels[-1 - pair] - levels[pair]
        if len(targets) >= _LEAST_WINDOWS:
            widths[pair] = [_conformal(column, weights, share) for column in scores.T]
        else:
            widths[pair] = _conformal(scores.ravel(), np.repeat(weights, targets.shape[1]), share)
    return widths


def recency(numbers: np.ndarray, origins: np.ndarray) -> np.ndarray:
    """Weights that halve with every quarter of the time that windows span, 1 at the last of each series.

    What comes is more like what was last than like what was long ago, so that intervals are fitted on the last above
    all (Barber et al., 2023, https://arxiv.org/abs/2202.13415).

    Args:
        numbers: series of each window, `(windows,)`.
        origins: of each window, `(windows,)`.

    Returns:
        `(windows,)`.
    """
    last = np.zeros(numbers.max() + 1)
    np.maximum.at(last, numbers, origins)
    ages = last[numbers] - origins
    return 0.5 ** (4 * ages / max(ages.max(), 1))


def widen(quantiles: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """Quantiles `(windows, horizon, levels)` with their distances from the median times the widths, still rising."""
    quantiles = np.array(quantiles, np.float64)
    middle = quantiles.shape[-1] // 2
    # (pairs, horizon) -> (horizon, levels), the same for both ends of a pair.
    factors = np.concatenate([widths, np.ones((1, widths.shape[1])), widths[::-1]]).T
    centre = quantiles[..., middle : middle + 1]
    found = centre + (quantiles - centre) * factors
    found[..., middle:] = np.maximum.accumulate(found[..., middle:], axis=-1)
    found[..., : middle + 1] = np.minimum.accumulate(found[..., middle::-1], axis=-1)[..., ::-1]
    return found


def _conformal(scores: np.ndarray, weights: np.ndarray, share: float) -> float:
    """The least score that this share of all weight, that of a window to come included, does not exceed; else 1."""
    known = np.isfinite(scores)
    order = np.argsort(scores[known])
    reached = np.cumsum(weights[known][order])
    if not len(reached) or reached[-1] < share * (reached[-1] + 1):
        return 1.0
    place = np.searchsorted(reached, share * (reached[-1] + 1) - 1e-9)
    return float(max(scores[known][order][place], 0.0))
