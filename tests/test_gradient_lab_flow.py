"""How fast gradients decay in the lab: fits on made-up curves, eigenvalues, and the linear case against theory."""

import keras
import numpy as np
import pytest

from apps.gradient_lab.flow import fit_rate, jacobian_at_rest, measure_start, spectral_radius, typical_flow
from apps.gradient_lab.network import build_network, recurrent_layer, set_start
from apps.gradient_lab.tasks import TASKS
from common.gradients import Flow
from common.layers import LSTM, SimpleRNN

BACK = np.arange(60)


@pytest.mark.parametrize("rate", [0.5, 0.97, 1.0, 1.3])
def test_the_rate_of_a_power_is_its_base(rate):
    assert fit_rate(3.0 * rate**BACK) == pytest.approx(rate)


def test_what_dies_away_first_and_what_swings_do_not_hide_the_rate():
    assert fit_rate(0.9**BACK + 5 * 0.3**BACK) == pytest.approx(0.9, rel=1e-4)
    assert fit_rate(0.9**BACK * (1 + 0.2 * np.sin(2.0 * BACK))) == pytest.approx(0.9, rel=0.01)


def test_what_comes_after_a_zero_or_an_overflow_is_left_out():
    for wrong in (0.0, np.inf, np.nan):
        assert fit_rate(np.array([*0.8 ** BACK[:20], wrong, 7.0, 7.0])) == pytest.approx(0.8)


@pytest.mark.parametrize("norms", [[], [1.0, 0.5, 0.25], [0.0] * 9, [1.0, 1.0, 1.0, np.nan, 1.0]])
def test_too_few_norms_have_no_rate(norms):
    assert np.isnan(fit_rate(np.array(norms)))


@pytest.mark.parametrize(
    ("matrix", "radius"),
    [
        (np.diag([0.5, -2.0]), 2.0),
        (0.7 * np.array([[0.0, -1.0], [1.0, 0.0]]), 0.7),
        (np.array([[0.0, 100.0], [0.0, 0.0]]), 0.0),
        (np.ones((3, 3)), 3.0),
    ],
    ids=["diagonal", "a turn, made smaller", "gone after two steps", "ones"],
)
def test_the_spectral_radius_is_the_largest_eigenvalue(matrix, radius):
    assert spectral_radius(matrix) == pytest.approx(radius)


def test_the_typical_flow_is_the_median_share_as_far_back_as_a_quarter_of_the_examples_reaches():
    """A large gradient counts no more than a small one, and the end of its example makes no step."""
    curves = [[100.0, 90.0], [1.0, 0.5, 0.25, 0.2], [4.0, 2.0, 1.0, 0.4], [2.0, 0.2, 0.2, 0.2, 0.2]]
    flow = typical_flow([Flow("layer", np.array(norms), np.ones(len(norms))) for norms in curves])
    np.testing.assert_allclose(flow.norms, [1.0, 0.5, 0.25, 0.1])
    np.testing.assert_array_equal(flow.rows, [4, 4, 3, 3])
    assert flow.layer == "layer"


@pytest.mark.parametrize("kind", ["simple_rnn", "lstm"])
def test_at_rest_the_decay_is_that_of_theory_within_5_percent(kind):
    starts = [("orthogonal", 0.5, 0.0), ("orthogonal", 1.1, 1.0), ("glorot_uniform", 1.0, 1.0)]
    rows = [row for row in measure_start(kind, starts, steps=200, units=8) if row["inputs"] == "none"]
    assert [(row["initialiser"], row["gain"], row["forget_bias"]) for row in rows] == starts
    for row in rows:
        assert len(row["norms"]) == 200
        assert row["rate"] == pytest.approx(row["radius"], rel=0.05)
    if kind == "simple_rnn":
        assert [row["radius"] for row in rows[:2]] == pytest.approx([0.5, 1.1])
        assert [row["verdict"] for row in rows[:2]] == ["vanishes", "explodes"]
    assert keras.config.dtype_policy().name == "float32"


def test_fed_with_inputs_tanh_makes_the_gradient_of_an_orthogonal_matrix_vanish():
    at_rest, driven = measure_start("simple_rnn", [("orthogonal", 1.0, 0.0)], steps=100, units=8)
    assert at_rest["rate"] == pytest.approx(1.0, rel=1e-3)
    assert driven["rate"] < 0.99


@pytest.mark.parametrize("layer_class", [SimpleRNN, LSTM])
def test_the_jacobian_at_rest_is_that_of_finite_differences(layer_class):
    units, small = 4, 1e-3
    keras.utils.set_random_seed(3)
    layer = layer_class(units, dtype="float64")
    layer.build((None, None, 2))
    set_start(layer, "orthogonal", 1.3, 0.7)
    output_gate = 0.5

    def step(state: np.ndarray) -> np.ndarray:
        """The state, or of an LSTM the cell, after one step without inputs, `(units,)`."""
        start = [output_gate * state, state] if layer.states == 2 else [state]
        _, after = layer(np.zeros((1, 1, 2)), initial_state=[keras.ops.convert_to_tensor(s[None]) for s in start])
        return keras.ops.convert_to_numpy(after[-1])[0]

    rows = [(step(small * way) - step(-small * way)) / (2 * small) for way in np.eye(units)]
    np.testing.assert_allclose(jacobian_at_rest(layer), rows, atol=1e-5)


def test_a_start_sets_the_kernel_and_the_forget_bias():
    network = build_network(TASKS["adding"], "lstm", units=3)
    layer = recurrent_layer(network)
    set_start(layer, "orthogonal", 2.0, 3.0)
    kernel = keras.ops.convert_to_numpy(layer.recurrent_kernel)
    np.testing.assert_allclose(kernel @ kernel.T, 4 * np.eye(3), atol=1e-5)
    np.testing.assert_array_equal(layer.bias, [0, 0, 0, 3, 3, 3, 0, 0, 0, 0, 0, 0])
    assert recurrent_layer(build_network(TASKS["order"], "dense", units=3)) is None


@pytest.mark.parametrize(("task", "shape"), [("adding", (2, 1)), ("copy", (2, 5, 8)), ("order", (2, 4))])
@pytest.mark.parametrize("kind", ["dense", "simple_rnn", "lstm"])
def test_a_network_answers_in_the_shape_of_the_task(kind, task, shape):
    inputs, _ = TASKS[task].draw(2, 6, np.random.default_rng(0))
    assert build_network(TASKS[task], kind, units=3)(inputs).shape == shape
