"""Ways that a series may take, drawn at random: each step by its quantiles, neighbouring steps alike.

The ranks of the steps follow a Gaussian copula (Nelsen, 2006) of an autoregression of first order.
"""

import numpy as np
from scipy.special import ndtri

# A rank beyond this is one in thirty thousand.
_FARTHEST = 4.0


def fit_memory(quantiles: np.ndarray, targets: np.ndarray, levels: tuple[float, ...]) -> float:
    """How much a step's rank among its quantiles is like that of the step before it, from -1 to 1.

    Args:
        quantiles: `(windows, horizon, levels)`.
        targets: `(windows, horizon)`.
        levels: of the quantiles.
    """
    if targets.shape[1] < 2:
        return 0.0
    scores = np.clip(_interpolate(targets[..., None], quantiles, ndtri(levels))[..., 0], -_FARTHEST, _FARTHEST)
    before, after = scores[:, :-1].ravel(), scores[:, 1:].ravel()
    known = np.isfinite(before) & np.isfinite(after)
    before, after = before[known], after[known]
    power = np.sqrt(np.sum(before**2) * np.sum(after**2))
    return float(np.sum(before * after) / power) if power else 0.0


def sample_paths(
    quantiles: np.ndarray, levels: tuple[float, ...], memory: float, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Quantiles of one series `(horizon, levels)` -> `(count, horizon)`."""
    scores = rng.normal(size=(count, len(quantiles)))
    for step in range(1, len(quantiles)):
        scores[:, step] = memory * scores[:, step - 1] + np.sqrt(1 - memory**2) * scores[:, step]
    places = np.broadcast_to(ndtri(levels), quantiles.shape)
    return _interpolate(np.clip(scores, -_FARTHEST, _FARTHEST).T, places, quantiles).T


def _interpolate(at: np.ndarray, places: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values `(..., levels)` over rising places `(..., levels)` at `(..., points)`, straight on beyond the ends."""
    places, values = np.broadcast_arrays(places, values)
    piece = np.clip((at[..., None, :] >= places[..., 1:-1, None]).sum(axis=-2), 0, places.shape[-1] - 2)
    left, right = (np.take_along_axis(places, piece + side, axis=-1) for side in (0, 1))
    low, high = (np.take_along_axis(values, piece + side, axis=-1) for side in (0, 1))
    return low + (high - low) * (at - left) / np.maximum(right - left, 1e-12)
