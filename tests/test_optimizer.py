"""The optimiser: that it is AdamW, clips what it is given, and reports what it saw."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from common.gradients import CLIPPING
from common.optimizer import ClippedAdamW, GradientReport

SHAPES = {"kernel": (4, 3), "bias": (3,)}


def build(variables: list[keras.Variable], **arguments) -> ClippedAdamW:
    optimizer = ClippedAdamW(**{"clip": "none", "learning_rate": 0.1, "weight_decay": 0.0, **arguments})
    optimizer.build(variables)
    return optimizer


@pytest.fixture
def variables() -> list[keras.Variable]:
    rng = np.random.default_rng(0)
    return [keras.Variable(rng.normal(size=shape), dtype="float32", name=name) for name, shape in SHAPES.items()]


def draw(seed: int, scale: float = 1.0) -> list[tf.Tensor]:
    rng = np.random.default_rng(seed)
    return [tf.constant(rng.normal(scale=scale, size=shape), "float32") for shape in SHAPES.values()]


def values(variables: list[keras.Variable]) -> list[np.ndarray]:
    return [variable.numpy() for variable in variables]


def steps_of(optimizer: keras.optimizers.Optimizer, variables: list[keras.Variable], *gradients) -> list[np.ndarray]:
    """By how much each variable moves under the gradients of some steps."""
    before = values(variables)
    for step in gradients:
        optimizer.apply(step, variables)
    return [after - earlier for after, earlier in zip(values(variables), before, strict=True)]


def test_without_clipping_it_is_the_adamw_of_keras(variables):
    twins = [keras.Variable(value, dtype="float32", name="twin") for value in values(variables)]
    arguments = {"learning_rate": 0.1, "weight_decay": 0.01, "beta_2": 0.99}
    peer = keras.optimizers.AdamW(**arguments)
    peer.exclude_from_weight_decay(var_list=twins[1:])
    gradients = [draw(seed) for seed in range(3)]
    expected = steps_of(peer, twins, *gradients)
    for found, step in zip(steps_of(build(variables, **arguments), variables, *gradients), expected, strict=True):
        np.testing.assert_allclose(found, step, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("clip", CLIPPING)
def test_a_step_is_that_of_adamw_on_clipped_gradients(variables, clip):
    twins = [keras.Variable(value, dtype="float32", name="twin") for value in values(variables)]
    gradients = draw(0, scale=10.0)
    expected = steps_of(build(twins), twins, CLIPPING[clip](gradients, variables, 0.5))
    found = steps_of(build(variables, clip=clip, clip_at=0.5), variables, gradients)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("clip", CLIPPING)
def test_gradients_that_are_not_finite_leave_finite_weights_and_are_counted(variables, clip, bad):
    optimizer = build(variables, clip=clip, weight_decay=0.01, use_ema=True)
    broken = [draw(1)[0], tf.constant([0.0, bad, 0.0])]
    steps_of(optimizer, variables, draw(0), broken, broken, draw(2))
    assert all(np.isfinite(value).all() for value in (*values(variables), *values(optimizer.variables)))
    report = optimizer.take_report()
    assert report.skipped == 2
    assert report.warning() == "gradients were not finite in 2 steps, which were skipped"


def test_a_first_step_whose_gradients_are_not_finite_moves_nothing(variables):
    broken = [tf.fill(shape, np.float32(np.nan)) for shape in SHAPES.values()]
    assert not any(step.any() for step in steps_of(build(variables), variables, broken))


def test_the_report_has_means_over_finite_steps_and_starts_anew_when_taken(variables):
    optimizer = build(variables, clip="global_norm", clip_at=1.0)
    # Norms 5 and 0, then 0 and 0.5: only the first is above 1.
    first = [tf.constant(np.r_[3.0, 4.0, np.zeros(10)].reshape(4, 3), "float32"), tf.zeros(3)]
    second = [tf.zeros((4, 3)), tf.constant([0.3, 0.4, 0.0])]
    broken = [tf.zeros((4, 3)), tf.constant([0.0, np.nan, 0.0])]
    steps_of(optimizer, variables, first, broken, second)
    report = optimizer.take_report()
    assert report.norms == {variables[0].path: pytest.approx(2.5), variables[1].path: pytest.approx(0.25)}
    assert report.global_norm == pytest.approx(2.75)
    assert (report.clipped, report.skipped) == (0.5, 1)
    assert optimizer.take_report() == GradientReport(dict.fromkeys(report.norms, 0.0), 0.0, 0.0, 0)


def test_steps_that_clipping_does_not_change_are_not_counted_as_clipped(variables):
    optimizer = build(variables, clip="global_norm", clip_at=100.0)
    steps_of(optimizer, variables, *(draw(seed) for seed in range(5)))
    assert optimizer.take_report().clipped == 0


@pytest.mark.parametrize(
    ("norms", "global_norm", "warning"),
    [
        ({"a": 3e3, "b": 4e3}, 5e3, "gradients explode: mean norm 5e+03, most in b"),
        ({"a": 1e-8, "b": 0.1}, 0.1, "gradients vanish: mean norm below 1e-7 in a"),
        ({"a": 0.1, "b": 0.1}, 0.14, None),
    ],
)
def test_a_warning_names_the_layer_where_gradients_explode_or_vanish(norms, global_norm, warning):
    assert GradientReport(norms, global_norm, clipped=0.0, skipped=0).warning() == warning


def test_the_sparse_gradients_of_an_embedding_are_summed_before_they_are_measured_and_clipped():
    """Token 2 comes twice: its row has 1 + 1 in each place, not two rows of 1."""
    embedding = keras.layers.Embedding(8, 3)
    embedding.build()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(embedding(tf.constant([[2, 5, 2]])))
    [gradient] = tape.gradient(loss, [embedding.embeddings.value])
    assert isinstance(gradient, tf.IndexedSlices)
    dense = np.zeros((8, 3), "float32")
    np.add.at(dense, [2, 5, 2], 1.0)

    twin = keras.Variable(embedding.embeddings, name="twin")
    [expected] = steps_of(build([twin], clip_at=0.5), [twin], [tf.constant(CLIPPING["value"]([dense], [twin], 0.5)[0])])
    optimizer = build(embedding.trainable_variables, clip="value", clip_at=0.5)
    [found] = steps_of(optimizer, embedding.trainable_variables, [gradient])
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert not found[[0, 1, 3, 4, 6, 7]].any()
    assert optimizer.take_report().global_norm == pytest.approx(np.linalg.norm(dense))


def test_weight_decay_shrinks_matrices_and_leaves_vectors_alone(variables):
    matrix, vector = values(variables)
    nothing = [tf.zeros(shape) for shape in SHAPES.values()]
    steps_of(build(variables, learning_rate=0.1, weight_decay=0.5), variables, nothing)
    np.testing.assert_allclose(variables[0], matrix * (1 - 0.1 * 0.5), rtol=1e-6)
    np.testing.assert_array_equal(variables[1], vector)


def test_half_the_rate_scale_is_half_the_step(variables):
    twins = [keras.Variable(value, dtype="float32", name="twin") for value in values(variables)]
    whole, half = build(variables), build(twins)
    half.rate_scale.assign(0.5)
    gradients = [draw(0), draw(1)]
    for step, half_step in zip(steps_of(whole, variables, *gradients), steps_of(half, twins, *gradients), strict=True):
        np.testing.assert_allclose(half_step, step / 2, rtol=1e-5, atol=1e-7)
