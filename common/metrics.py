"""Figures for classifiers and regressors: a table of metrics each, calibration, and a fair comparison of two models.

Every metric of `CLASSIFICATION` is a function of labels, `(examples,)` integers, and probabilities,
`(examples, classes)`; every metric of `REGRESSION` of the true and the predicted values, both `(examples,)`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

CALIBRATION_BINS = 15
TEMPERATURES = (0.01, 100.0)


@dataclass(frozen=True)
class Metric:
    """A figure by its name; `function` takes what is true and what was predicted, and gives None if not defined."""

    name: str
    function: Callable[[np.ndarray, np.ndarray], float | None]
    higher_is_better: bool


class CalibrationBins(NamedTuple):
    """Examples sorted by their confidence into bins of equal width, each array `(bins,)`; zeros where a bin is empty.

    Attributes:
        counts: examples in the bin.
        confidence: their mean probability of the class predicted.
        accuracy: the share of them that is right.
    """

    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray


class Interval(NamedTuple):
    """A difference of means and the ends of its interval."""

    difference: float
    low: float
    high: float


def accuracy(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """The share of examples whose most probable class is theirs; of equals the first counts."""
    return float(np.mean(probabilities.argmax(axis=1) == labels))


def macro_f1(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """The mean of F1 over the classes that occur among labels or predictions (van Rijsbergen, 1979)."""
    from sklearn.metrics import f1_score

    return float(f1_score(labels, probabilities.argmax(axis=1), average="macro"))


def auc(labels: np.ndarray, probabilities: np.ndarray) -> float | None:
    """The chance that a random example of a class scores higher in it than one of another (Hanley & McNeil, 1982).

    Two classes: by the probability of class 1. More: the mean of each class against the rest, over the classes that
    occur.

    Returns:
        None where the labels are all the same.
    """
    from sklearn.metrics import roc_auc_score

    present = np.unique(labels)
    if len(present) < 2:
        return None
    classes = [1] if probabilities.shape[1] == 2 else present
    return float(np.mean([roc_auc_score(labels == k, probabilities[:, k]) for k in classes]))


def ece(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """The expected calibration error: the mean distance of confidence from accuracy, over bins by confidence.

    Equation 3 of Guo et al. (2017), https://arxiv.org/abs/1706.04599.
    """
    bins = calibration_bins(labels, probabilities)
    return float(np.average(np.abs(bins.accuracy - bins.confidence), weights=bins.counts))


def log_loss(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """The mean of -log p(label), in nats; no probability counts as less than the rounding error of its type."""
    of_label = probabilities[np.arange(len(labels)), labels]
    return float(-np.mean(np.log(np.maximum(of_label, np.finfo(probabilities.dtype).eps), dtype=np.float64)))


CLASSIFICATION: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", accuracy, higher_is_better=True),
        Metric("macro_f1", macro_f1, higher_is_better=True),
        Metric("auc", auc, higher_is_better=True),
        Metric("ece", ece, higher_is_better=False),
        Metric("log_loss", log_loss, higher_is_better=False),
    )
}


def classification_report(labels: ArrayLike, probabilities: ArrayLike) -> dict[str, Any]:
    """Every metric of `CLASSIFICATION`, and what they were computed from.

    Args:
        labels: the true classes, `(examples,)`, integers from 0.
        probabilities: `(examples, classes)`.

    Returns:
        The metrics by name, `examples`, their number, and `confusion`, a list of rows: row i, column j counts the
        examples of class i taken for class j. All of it can be written as JSON.

    Raises:
        ValueError: shapes that do not fit, no examples, labels outside the classes, numbers that are not finite.
    """
    labels, probabilities = _checked(labels, probabilities)
    report: dict[str, Any] = {name: metric.function(labels, probabilities) for name, metric in CLASSIFICATION.items()}
    confusion = np.zeros((probabilities.shape[1],) * 2, dtype=int)
    np.add.at(confusion, (labels, probabilities.argmax(axis=1)), 1)
    return {**report, "confusion": confusion.tolist(), "examples": len(labels)}


def r2(values: np.ndarray, predictions: np.ndarray) -> float | None:
    """The coefficient of determination (Wright, 1921): 1 - sum (y - f)^2 / sum (y - mean y)^2.

    Returns:
        None where the values are all the same.
    """
    return float(r2_scores(values, predictions).mean()) if np.ptp(values) else None


def r2_scores(values: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """The part of each example in R2, of which R2 is the mean: 1 - (y - f)^2 / var y, `(examples,)`."""
    return 1 - np.square(values - predictions) / np.var(values)


def mae(values: np.ndarray, predictions: np.ndarray) -> float:
    """The mean absolute error."""
    return float(np.mean(np.abs(values - predictions)))


def rmse(values: np.ndarray, predictions: np.ndarray) -> float:
    """The root of the mean squared error."""
    return float(np.sqrt(np.mean(np.square(values - predictions))))


REGRESSION: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("r2", r2, higher_is_better=True),
        Metric("mae", mae, higher_is_better=False),
        Metric("rmse", rmse, higher_is_better=False),
    )
}


def regression_report(values: ArrayLike, predictions: ArrayLike) -> dict[str, Any]:
    """Every metric of `REGRESSION`, and `examples`, their number.

    Args:
        values: the true ones, `(examples,)`.
        predictions: `(examples,)`.

    Raises:
        ValueError: shapes that do not fit, no examples, numbers that are not finite.
    """
    values, predictions = np.asarray(values, dtype=np.float64), np.asarray(predictions, dtype=np.float64)
    if values.ndim != 1 or values.shape != predictions.shape or not values.size:
        raise ValueError(
            "There must be one value and one prediction for each example, and at least one example. "
            f"Received shapes: {values.shape}, {predictions.shape}"
        )
    for numbers in (values, predictions):
        if not np.isfinite(numbers).all():
            raise ValueError(f"Numbers must be finite. Received: {np.sum(~np.isfinite(numbers))} that are not")
    report = {name: metric.function(values, predictions) for name, metric in REGRESSION.items()}
    return {**report, "examples": len(values)}


def calibration_bins(labels: np.ndarray, probabilities: np.ndarray, bins: int = CALIBRATION_BINS) -> CalibrationBins:
    """Sorts examples by the probability of their most probable class into bins ((m - 1) / M, m / M].

    The bins of Guo et al. (2017), https://arxiv.org/abs/1706.04599.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    counts = np.bincount(index, minlength=bins)
    some = np.maximum(counts, 1)
    return CalibrationBins(
        counts,
        np.bincount(index, weights=confidence, minlength=bins) / some,
        np.bincount(index, weights=right, minlength=bins) / some,
    )


def softmax(logits: ArrayLike, temperature: float = 1.0) -> np.ndarray:
    """exp(z / T) over its sum along the last axis: `(..., classes)` -> the same.

    Raises:
        ValueError: the temperature is not positive.
    """
    if not temperature > 0:
        raise ValueError(f"`temperature` must be positive. Received: temperature={temperature}")
    logits = np.asarray(logits)
    # Shifted before it is divided: a small temperature would overflow the logits themselves.
    powers = np.exp((logits - logits.max(axis=-1, keepdims=True)) / temperature)
    return powers / powers.sum(axis=-1, keepdims=True)


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> float:
    """The temperature under which the labels are most likely (Guo et al., 2017, https://arxiv.org/abs/1706.04599).

    To be fitted on examples that the model was not trained on.

    Args:
        logits: `(examples, classes)`.
        labels: `(examples,)`, integers from 0.

    Returns:
        A number between the ends of `TEMPERATURES`; 1 if every example is classified rightly, since the likelihood
        then grows without end as the temperature falls, and the labels say nothing about it.

    Raises:
        ValueError: as in `classification_report`.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    labels, logits = _checked(labels, logits)
    # (examples, classes): how far each class is above the true one.
    margins = logits.astype(np.float64) - np.take_along_axis(logits, labels[:, None], axis=1)
    if (margins.max(axis=1) <= 0).all():
        return 1.0

    def loss(log_temperature: float) -> float:
        return logsumexp(margins / np.exp(log_temperature), axis=1).mean()

    # The loss is convex in 1 / T, so that it has one valley in log T as well.
    return float(np.exp(minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded").x))


def bootstrap_difference(
    correct: ArrayLike, baseline_correct: ArrayLike, seed: int = 0, resamples: int = 2000
) -> Interval:
    """How much better than a baseline a model is, with a 95 % percentile interval of the bootstrap (Efron, 1979).

    Args:
        correct: whether the model is right, or its score, for each example, `(examples,)`.
        baseline_correct: the same of the baseline on the same examples, `(examples,)`.
        seed: of the resampling.
        resamples: how often the examples are drawn anew, with replacement.

    Returns:
        The difference of the means, above zero where the model is better, and its interval.

    Raises:
        ValueError: the two are not of the same length, or empty.
    """
    pair = np.asarray(correct, dtype=np.float64), np.asarray(baseline_correct, dtype=np.float64)
    if pair[0].ndim != 1 or pair[0].shape != pair[1].shape or not pair[0].size:
        raise ValueError(
            "`correct` and `baseline_correct` must be of the same examples, at least one. "
            f"Received shapes: {pair[0].shape}, {pair[1].shape}"
        )
    differences = pair[0] - pair[1]
    # Resampling examples with equal differences is drawing how often each difference comes: three counts, not 25,000.
    values, counts = np.unique(differences, return_counts=True)
    random, size = np.random.default_rng(seed), len(differences)
    means = [random.multinomial(size, counts / size) @ values / size for _ in range(resamples)]
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(differences.mean()), float(low), float(high))


def _checked(labels: ArrayLike, scores: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Labels `(examples,)` and scores `(examples, classes)` as arrays that fit each other."""
    labels, scores = np.asarray(labels), np.asarray(scores)
    if scores.ndim != 2 or not scores.size or labels.shape != scores.shape[:1]:
        raise ValueError(
            "There must be one label and one row of scores for each example, and at least one example. "
            f"Received shapes: {labels.shape}, {scores.shape}"
        )
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0 or labels.max() >= scores.shape[1]:
        raise ValueError(
            f"Labels must be integers from 0 to {scores.shape[1] - 1}. "
            f"Received: {labels.min()} to {labels.max()} of type {labels.dtype}"
        )
    if not np.isfinite(scores).all():
        raise ValueError(f"Scores must be finite. Received: {np.sum(~np.isfinite(scores))} that are not")
    return labels, scores
