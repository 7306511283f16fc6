"""Gradients followed back through time: against TensorFlow's tape over a plain loop, and against what is known."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from common.gradients import FACTOR, Flow, FlowMeter
from common.layers import RECURRENT, Backbone, Pooling
from common.recurrence import lstm_step, simple_rnn_step

BATCH, TIME, FEATURES, UNITS, CLASSES = 3, 5, 4, 3, 2
LENGTHS = np.array([5, 2, 1])
POOLING = ("mean", "last")
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

each_kind = pytest.mark.parametrize("kind", RECURRENT)
each_way_in = pytest.mark.parametrize("from_last", [False, True], ids=["all paths", "from the last"])


@pytest.fixture(autouse=True)
def seed():
    keras.utils.set_random_seed(0)


def build_model(kind: str, bidirectional: bool = False) -> keras.Model:
    """A small classifier like those of the suite, with random weights, dropout between its layers included."""
    sequences = keras.Input((None, FEATURES))
    mask = ops.any(ops.not_equal(sequences, 0), axis=-1)
    states = Backbone(kind, UNITS, bidirectional=bidirectional, name="backbone")(sequences, padding_mask=mask)
    pooled = keras.layers.Dropout(0.5)(Pooling(POOLING, bidirectional)(states, mask))
    model = keras.Model(sequences, keras.layers.Dense(CLASSES)(pooled))
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.get_weights()])
    return model


def batch_of(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    sequences = rng.normal(size=(len(lengths), TIME, FEATURES)) * (np.arange(TIME) < lengths[:, None])[..., None]
    return sequences.astype("float32"), rng.integers(0, CLASSES, len(lengths))


def states_of(layer: keras.layers.Layer, row: np.ndarray) -> list[tf.Tensor]:
    """h_t after each step of one row, `(1, units)` each, in the order of reading."""
    hidden = cell = tf.zeros((1, UNITS))
    states = []
    for features in row[::-1] if layer.reverse else row:
        projected = features[None] @ layer.kernel + layer.bias
        if layer.gates == 1:
            hidden = simple_rnn_step(projected, hidden, layer.recurrent_kernel)
        else:
            hidden, cell, _ = lstm_step(projected, hidden, cell, layer.recurrent_kernel)
        states.append(hidden)
    return states


def norms_by_tape(model: keras.Model, row: np.ndarray, class_id: int, from_last: bool) -> dict[str, list[float]]:
    """The norm of dLoss/dh_t for each layer of the model and one row without padding, the last step read first."""
    layers = [layer for level in model.get_layer("backbone").stack for layer in level]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(row := tf.constant(row))
        states = {layer.path: states_of(layer, row) for layer in layers}
        pooled = []
        for direction in states.values():
            seen = [*map(tf.stop_gradient, direction[:-1]), direction[-1]] if from_last else direction
            pooled.append((tf.add_n(seen) / len(seen), direction[-1]))
        means, lasts = zip(*pooled, strict=True)
        loss = LOSS(np.array([class_id]), model.layers[-1](tf.concat([*means, *lasts], axis=-1)))
    return {
        path: [float(tf.norm(tape.gradient(loss, state))) for state in direction[::-1]]
        for path, direction in states.items()
    }


@each_way_in
@each_kind
def test_the_flow_is_that_of_the_tape_over_a_plain_loop(kind, from_last):
    model = build_model(kind)
    sequences, class_ids = batch_of(np.full(BATCH, TIME))
    [flow] = FlowMeter(model, LOSS, from_last).measure([(sequences, class_ids)])
    rows = [
        norms_by_tape(model, row, class_id, from_last)[flow.layer]
        for row, class_id in zip(sequences, class_ids, strict=True)
    ]
    np.testing.assert_allclose(flow.norms, np.mean(rows, axis=0), rtol=1e-4)
    np.testing.assert_array_equal(flow.rows, BATCH)


@each_way_in
@each_kind
def test_padding_takes_no_part_in_either_direction(kind, from_last):
    model = build_model(kind, bidirectional=True)
    sequences, class_ids = batch_of(LENGTHS)
    flows = FlowMeter(model, LOSS, from_last).measure([(sequences, class_ids)])
    assert len(flows) == 2
    for flow in flows:
        norms = np.full((BATCH, TIME), np.nan)
        for index, length in enumerate(LENGTHS):
            row = norms_by_tape(model, sequences[index, :length], class_ids[index], from_last)
            norms[index, :length] = row[flow.layer]
        np.testing.assert_allclose(flow.norms, np.nanmean(norms, axis=0), rtol=1e-4)
        np.testing.assert_array_equal(flow.rows, [3, 2, 1, 1, 1])


def test_several_batches_are_measured_as_one():
    model = build_model("lstm")
    sequences, class_ids = batch_of(np.full(4, TIME))
    meter = FlowMeter(model, LOSS)
    [together] = meter.measure([(sequences, class_ids)])
    [apart] = meter.measure([(sequences[:2], class_ids[:2]), (sequences[2:, :TIME], class_ids[2:])])
    np.testing.assert_allclose(apart.norms, together.norms, rtol=1e-5)


def test_a_meter_sees_the_weights_of_the_moment():
    model = build_model("simple_rnn")
    meter, batch = FlowMeter(model, LOSS), batch_of(np.full(BATCH, TIME))
    [before] = meter.measure([batch])
    kernel = model.get_layer("backbone").stack[0][0].recurrent_kernel
    kernel.assign(kernel * 0)
    [cut] = FlowMeter(model, LOSS, from_last=True).measure([batch])
    [after] = meter.measure([batch])
    assert not np.allclose(after.norms, before.norms)
    np.testing.assert_array_equal(cut.norms[1:], 0)


def test_a_measurement_leaves_the_model_as_it_was():
    model = build_model("lstm")
    model.compile("sgd", LOSS)
    optimizer, weights, batch = model.optimizer, model.get_weights(), batch_of(LENGTHS)
    answers = model.predict_on_batch(batch[0])
    FlowMeter(model, LOSS).measure([batch])
    assert model.optimizer is optimizer
    assert "probe" not in vars(model.get_layer("backbone").stack[0][0])
    np.testing.assert_array_equal(model.predict_on_batch(batch[0]), answers)
    for found, expected in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_layer_that_the_loss_does_not_depend_on_gets_no_gradient():
    model = build_model("lstm")
    model.layers[-1].set_weights([np.zeros((2 * UNITS, CLASSES)), np.zeros(CLASSES)])
    [flow] = FlowMeter(model, LOSS).measure([batch_of(LENGTHS)])
    np.testing.assert_array_equal(flow.norms, 0)
    assert flow.verdict() == ("vanishes", 0)


def test_a_model_without_a_recurrent_layer_is_refused():
    inputs = keras.Input((FEATURES,))
    with pytest.raises(ValueError, match="must have a recurrent layer"):
        FlowMeter(keras.Model(inputs, keras.layers.Dense(1)(inputs)), LOSS)


@pytest.mark.parametrize(
    ("factor", "verdict"),
    [(0.5, ("vanishes", 7)), (2.0, ("explodes", 7)), (0.99, ("lasts", 19)), (1.0, ("lasts", 19))],
)
def test_the_verdict_says_how_many_steps_back(factor, verdict):
    """7 is the first k at which 2^k is above 100."""
    assert FACTOR == 100
    norms = 3.0 * factor ** np.arange(20)
    assert Flow("layer", norms, np.ones(20)).verdict() == verdict


def test_a_gradient_that_is_no_number_has_exploded():
    assert Flow("layer", np.array([1.0, 2.0, np.inf, np.nan]), np.ones(4)).verdict() == ("explodes", 2)
