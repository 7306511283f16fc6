"""Attention against its formula written as a loop, and what it must never do: look at padding."""

import keras
import numpy as np
import pytest

from common.attention import ATTENTIONS, Attention
from tests.kit import check_layer

RNG = np.random.default_rng(0)
QUERIES = RNG.normal(size=(2, 3, 4)).astype(np.float32)
MEMORY = RNG.normal(size=(2, 5, 6)).astype(np.float32)
MASK = np.array([[True] * 5, [True, True, False, False, False]])


def by_loop(layer: Attention, row: int, query: int) -> np.ndarray:
    """The weights of one query, `(places,)`."""
    key = keras.ops.convert_to_numpy(layer.key.kernel)
    scores = []
    for place in MEMORY[row][MASK[row]]:
        if layer.kind != "additive":
            score = QUERIES[row, query] @ (place @ key)
            scores.append(score / 2 if layer.kind == "scaled" else score)
        else:
            kernel, bias, score = (
                keras.ops.convert_to_numpy(array)
                for array in (layer.query.kernel, layer.query.bias, layer.score.kernel)
            )
            scores.append(np.tanh(QUERIES[row, query] @ kernel + bias + place @ key) @ score[:, 0])
    shares = np.exp(scores) / np.exp(scores).sum()
    return np.r_[shares, np.zeros(len(MASK[row]) - len(shares))]


@pytest.mark.parametrize("kind", ATTENTIONS)
def test_attention_is_its_formula(kind):
    layer = Attention(kind, 7)
    contexts, weights = check_layer(layer, queries=QUERIES, memory=MEMORY, padding_mask=MASK)
    for row in range(2):
        for query in range(3):
            expected = by_loop(layer, row, query)
            np.testing.assert_allclose(weights[row, query], expected, atol=1e-5)
            np.testing.assert_allclose(contexts[row, query], expected @ MEMORY[row], atol=1e-5)


@pytest.mark.parametrize("kind", ATTENTIONS)
def test_weights_sum_to_one_and_are_zero_on_padding(kind):
    _, weights = Attention(kind, 7)(QUERIES, MEMORY, MASK)
    weights = keras.ops.convert_to_numpy(weights)
    np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-5)
    assert (weights[~np.broadcast_to(MASK[:, None], weights.shape)] == 0).all()


def test_a_row_of_nothing_but_padding_gets_no_weights():
    contexts, weights = Attention("additive", 7)(QUERIES, MEMORY, np.zeros_like(MASK))
    assert not keras.ops.convert_to_numpy(weights).any()
    assert not keras.ops.convert_to_numpy(contexts).any()


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="must be one of additive, multiplicative, scaled"):
        Attention("dot", 7)
