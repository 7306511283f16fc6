"""The loops over time, against loops in NumPy and gradients found by small differences."""

import numpy as np
import pytest
from keras import ops

from common import recurrence

TIME, BATCH, UNITS = 4, 2, 3


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def simple_rnn_loop(projected: np.ndarray, kernel: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    hiddens = []
    for z in projected:
        hidden = np.tanh(z + hidden @ kernel)
        hiddens.append(hidden)
    return np.stack(hiddens)


def lstm_loop(
    projected: np.ndarray, kernel: np.ndarray, hidden: np.ndarray, cell: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    hiddens, cells = [], []
    for z in projected:
        z_input, z_forget, z_candidate, z_output = np.split(z + hidden @ kernel, 4, axis=-1)
        cell = sigmoid(z_forget) * cell + sigmoid(z_input) * np.tanh(z_candidate)
        hidden = sigmoid(z_output) * np.tanh(cell)
        hiddens.append(hidden)
        cells.append(cell)
    return np.stack(hiddens), np.stack(cells)


LOOPS = {
    "simple_rnn": (recurrence.simple_rnn, simple_rnn_loop, 1, 1),
    "lstm": (recurrence.lstm, lstm_loop, 4, 2),
}


@pytest.fixture(params=LOOPS)
def case(request):
    """The loop, its twin in NumPy, and random float64 arguments for both."""
    loop, numpy_loop, gates, states = LOOPS[request.param]
    rng = np.random.default_rng(0)
    shapes = [(TIME, BATCH, gates * UNITS), (UNITS, gates * UNITS)] + states * [(BATCH, UNITS)]
    return loop, numpy_loop, [rng.normal(size=shape) for shape in shapes]


def as_list(outputs) -> list[np.ndarray]:
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    return [ops.convert_to_numpy(output) for output in outputs]


def gradients_of_sum(loop, arguments: list[np.ndarray], weights: list[np.ndarray]) -> list[np.ndarray]:
    """Gradients by each argument of the sum of all outputs times `weights`."""
    import tensorflow as tf

    tensors = [tf.constant(argument) for argument in arguments]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        outputs = loop(*tensors)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        loss = sum(tf.reduce_sum(output * weight) for output, weight in zip(outputs, weights, strict=True))
    return [gradient.numpy() for gradient in tape.gradient(loss, tensors)]


def test_a_loop_equals_one_in_numpy(case):
    loop, numpy_loop, arguments = case
    for found, expected in zip(as_list(loop(*arguments)), as_list(numpy_loop(*arguments)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_gradients_equal_small_differences(case):
    loop, numpy_loop, arguments = case
    rng, step = np.random.default_rng(1), 1e-6
    weights = [rng.normal(size=output.shape) for output in as_list(numpy_loop(*arguments))]

    def loss() -> float:
        return sum(np.sum(out * weight) for out, weight in zip(as_list(numpy_loop(*arguments)), weights, strict=True))

    for found, argument in zip(gradients_of_sum(loop, arguments, weights), arguments, strict=True):
        expected = np.zeros_like(argument)
        for place in np.ndindex(argument.shape):
            kept = argument[place]
            argument[place] = kept + step
            above = loss()
            argument[place] = kept - step
            expected[place] = (above - loss()) / (2 * step)
            argument[place] = kept
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)


def test_a_step_is_a_loop_of_one(case):
    loop, _, (projected, kernel, *states) = case
    step = recurrence.simple_rnn_step if loop is recurrence.simple_rnn else recurrence.lstm_step
    one = step(projected[0], *states, kernel)
    for found, expected in zip(as_list(one), as_list(loop(projected[:1], kernel, *states)), strict=False):
        np.testing.assert_allclose(found, expected[0], rtol=1e-12)


def test_a_simple_rnn_of_constant_weights_can_be_followed_by_hand():
    """With z = 1 and U = 1/2 in every place, h = tanh(1 + 3 h / 2), from 0."""
    first = np.tanh(1.0)
    second = np.tanh(1 + 1.5 * first)
    projected, kernel = np.ones((2, 1, UNITS)), np.full((UNITS, UNITS), 0.5)
    hiddens = ops.convert_to_numpy(recurrence.simple_rnn(projected, kernel, np.zeros((1, UNITS))))
    np.testing.assert_allclose(hiddens[:, 0], [[first] * UNITS, [second] * UNITS], rtol=1e-12)


def test_an_lstm_with_its_forget_gate_open_and_its_input_gate_shut_keeps_its_cell():
    cell = np.array([[1.0, -2.0, 3.0]])
    shut, opened = np.full(UNITS, -1e3), np.full(UNITS, 1e3)
    projected = np.tile(np.concatenate([shut, opened, opened, opened]), (TIME, 1, 1))
    hiddens, cells = as_list(recurrence.lstm(projected, np.zeros((UNITS, 4 * UNITS)), np.zeros_like(cell), cell))
    np.testing.assert_allclose(cells, np.tile(cell, (TIME, 1, 1)), rtol=1e-12)
    np.testing.assert_allclose(hiddens, np.tanh(cells), rtol=1e-12)
