"""The smoothed cross-entropy against its definition, and padding that must cost nothing."""

import keras
import numpy as np
import pytest

from common.losses import SmoothedCrossentropy, WeightedCrossentropy, token_losses
from common.text import PADDING

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(2, 3, 5)).astype(np.float32)
TOKEN_IDS = np.array([[4, 1, 3], [2, PADDING, PADDING]], np.int32)


def by_definition(smoothing: float) -> np.ndarray:
    """The cross-entropy of the smoothed distribution of each token, `(batch, time)`."""
    shares = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=-1, keepdims=True)
    smoothed = (1 - smoothing) * np.eye(5)[TOKEN_IDS] + smoothing / 5
    return -(smoothed * np.log(shares)).sum(axis=-1) * (TOKEN_IDS != PADDING)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_it_is_the_mean_over_real_tokens(smoothing):
    expected = by_definition(smoothing)
    losses = keras.ops.convert_to_numpy(token_losses(TOKEN_IDS, LOGITS, smoothing))
    np.testing.assert_allclose(losses, expected, rtol=1e-5, atol=1e-6)
    assert float(SmoothedCrossentropy(smoothing)(TOKEN_IDS, LOGITS)) == pytest.approx(expected.sum() / 4, rel=1e-5)


def test_a_model_is_trained_on_the_same_number():
    model = keras.Sequential([keras.Input((3, 5)), keras.layers.Identity()])
    model.compile(loss=SmoothedCrossentropy(0.1))
    assert model.evaluate(LOGITS, TOKEN_IDS, verbose=0) == pytest.approx(by_definition(0.1).sum() / 4, rel=1e-5)


def test_a_batch_of_padding_costs_nothing():
    assert float(SmoothedCrossentropy()(np.zeros((2, 3), np.int32), LOGITS)) == 0


def test_weights_may_pull_or_push():
    weights = np.array([[0.5, -1.0, 0.0], [2.0, 9.0, 9.0]], np.float32)
    expected = (weights * by_definition(0.0)).sum()
    assert float(WeightedCrossentropy()(TOKEN_IDS, LOGITS, sample_weight=weights)) == pytest.approx(expected, rel=1e-5)
    model = keras.Sequential([keras.Input((3, 5)), keras.layers.Identity()])
    model.compile(loss=WeightedCrossentropy())
    found = model.evaluate(LOGITS, TOKEN_IDS, sample_weight=weights, verbose=0)
    assert found == pytest.approx(expected, rel=1e-5)
