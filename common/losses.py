"""Losses that Keras does not bring."""

from typing import Any

from common.backend import keras, ops
from common.text import PADDING

Tensor = Any


class SmoothedCrossentropy(keras.losses.Loss):
    """Cross-entropy of token ids with label smoothing (Szegedy et al., 2016), the mean over all that is no padding.

    The true token is worth `1 - smoothing`, and `smoothing` is spread evenly over the vocabulary.

    Args:
        smoothing: share taken from the true token.
    """

    def __init__(self, smoothing: float = 0.0, name: str = "smoothed_crossentropy"):
        # The mean over tokens is taken here: rows hold different numbers of them.
        super().__init__(name=name, reduction="sum")
        self.smoothing = smoothing

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Token ids `(batch, time)` and logits `(batch, time, vocabulary)` -> the mean loss of a token."""
        losses = token_losses(y_true, y_pred, self.smoothing)
        count = ops.sum(ops.cast(ops.not_equal(y_true, PADDING), losses.dtype))
        return ops.sum(losses) / ops.maximum(count, 1.0)


class WeightedCrossentropy(keras.losses.Loss):
    """Cross-entropy of token ids, each times the weight that comes with it, which may be negative; their sum.

    With rewards as weights its gradient is that of REINFORCE (Williams, 1992).
    """

    def __init__(self, name: str = "weighted_crossentropy"):
        super().__init__(name=name, reduction="sum")

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Token ids `(..., time)` and logits `(..., time, vocabulary)` -> losses `(..., time)`."""
        return token_losses(y_true, y_pred)


def token_losses(token_ids: Tensor, logits: Tensor, smoothing: float = 0.0) -> Tensor:
    """The cross-entropy of each token in float32, zero at padding.

    Args:
        token_ids: `(batch, time)`.
        logits: `(batch, time, vocabulary)`.
        smoothing: as in `SmoothedCrossentropy`.

    Returns:
        `(batch, time)`.
    """
    logits = ops.cast(logits, "float32")
    # A product with a one-hot row costs less on a CPU than the scatter that is a gather's gradient.
    is_true = ops.one_hot(token_ids, logits.shape[-1], dtype="float32")
    losses = ops.logsumexp(logits, axis=-1) - (1 - smoothing) * ops.sum(is_true * logits, axis=-1)
    if smoothing:
        losses = losses - smoothing * ops.mean(logits, axis=-1)
    return losses * ops.cast(ops.not_equal(token_ids, PADDING), "float32")
