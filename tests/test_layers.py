"""The layers: against those of Keras, against NumPy, and the promise that padding changes nothing."""

import importlib.util
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from common.layers import BACKBONES, LSTM, RECURRENT, Backbone, Pooling, SimpleRNN, WordDropout
from tests.kit import ROOT, check_layer, environment, to_numpy

BATCH, TIME, FEATURES, UNITS, VOCABULARY = 3, 5, 4, 3, 8
LENGTHS = np.array([5, 2, 1])
UNKNOWN = 1
PEERS = {"simple_rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM}
POOLINGS = ("last", "mean", "max", "attention")

each_kind = pytest.mark.parametrize("kind", RECURRENT)
each_direction = pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])


@pytest.fixture(autouse=True)
def seed():
    keras.utils.set_random_seed(0)


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def mask_of(lengths: np.ndarray, time: int) -> np.ndarray:
    return np.arange(time) < np.asarray(lengths)[:, None]


def random_weights(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Gives every weight of a built layer, biases as well, a value that is not where it starts."""
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(scale=0.7, size=weight.shape) for weight in layer.get_weights()])
    return layer


def with_random_weights(kind: str, **arguments) -> SimpleRNN | LSTM:
    layer = RECURRENT[kind](UNITS, **arguments)
    layer.build((None, None, FEATURES))
    return random_weights(layer)


def build_backbone(kind: str, **arguments) -> Backbone:
    backbone = Backbone(kind, UNITS, **arguments)
    backbone.build((None, None, FEATURES))
    return random_weights(backbone)


def build_peer(layer: SimpleRNN | LSTM) -> keras.layers.Layer:
    """Keras' own layer with the weights of ours."""
    kind = PEERS["lstm" if isinstance(layer, LSTM) else "simple_rnn"]
    peer = kind(UNITS, return_sequences=True, return_state=True, go_backwards=layer.reverse)
    peer.build((None, TIME, FEATURES))
    peer.set_weights(layer.get_weights())
    return peer


def run_peer(peer: keras.layers.Layer, sequences, **arguments):
    """Outputs in the order of the input, and the state, as ours give them."""
    outputs, *state = peer(sequences, **arguments)
    return outputs[:, ::-1] if peer.go_backwards else outputs, state


def gradients(call, layer: keras.layers.Layer, sequences: np.ndarray, state: list[np.ndarray]) -> list[np.ndarray]:
    """Gradients of a sum that weighs all outputs differently: by weights, inputs and initial state."""
    tensors = [tf.constant(array) for array in (sequences, *state)]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        outputs, ends = call(tensors[0], initial_state=tensors[1:])
        loss = sum(tf.reduce_sum(part * random(*part.shape)) for part in (outputs, *ends))
    return to_numpy(tape.gradient(loss, [*(weight.value for weight in layer.trainable_variables), *tensors]))


@each_kind
@each_direction
def test_a_recurrent_layer_gives_what_that_of_keras_gives(kind, reverse):
    layer = with_random_weights(kind, reverse=reverse)
    sequences, state = random(BATCH, TIME, FEATURES), [random(BATCH, UNITS)] * layer.states
    found = to_numpy(layer(sequences, initial_state=state))
    expected = to_numpy(run_peer(build_peer(layer), sequences, initial_state=state))
    keras.tree.map_structure(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), found, expected)


@each_kind
@each_direction
def test_gradients_by_weights_inputs_and_initial_state_are_those_of_keras(kind, reverse):
    layer = with_random_weights(kind, reverse=reverse)
    peer = build_peer(layer)
    sequences, state = random(BATCH, TIME, FEATURES), [random(BATCH, UNITS)] * layer.states
    found = gradients(layer, layer, sequences, state)
    expected = gradients(lambda *args, **named: run_peer(peer, *args, **named), peer, sequences, state)
    assert len(found) == 3 + 1 + layer.states
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@each_kind
def test_both_directions_under_a_mask_give_at_real_steps_what_keras_gives(kind):
    backbone = build_backbone(kind, bidirectional=True)
    peer = keras.layers.Bidirectional(PEERS[kind](UNITS, return_sequences=True))
    peer.build((None, TIME, FEATURES))
    peer.set_weights(backbone.get_weights())
    sequences, mask = random(BATCH, TIME, FEATURES), mask_of(LENGTHS, TIME)
    found = to_numpy(backbone(sequences, padding_mask=mask))
    expected = to_numpy(peer(sequences, mask=tf.constant(mask)))
    np.testing.assert_allclose(found[mask], expected[mask], rtol=1e-5, atol=1e-6)


@each_kind
@each_direction
def test_a_recurrent_layer_is_the_same_however_keras_calls_it(kind, reverse):
    layer = RECURRENT[kind](UNITS, reverse)
    sequences, mask = random(BATCH, TIME, FEATURES), mask_of(LENGTHS, TIME)
    state = [random(BATCH, UNITS)] * layer.states
    outputs, ends = check_layer(layer, sequences=sequences, padding_mask=mask, initial_state=state)
    assert outputs.shape == (BATCH, TIME, UNITS)
    assert [end.shape for end in ends] == [(BATCH, UNITS)] * layer.states


@pytest.mark.parametrize("kind", BACKBONES)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_backbone_is_the_same_however_keras_calls_it(kind, bidirectional):
    backbone = Backbone(kind, UNITS, layers=2, bidirectional=bidirectional, dropout=0.5, weight_drop=0.5)
    outputs = check_layer(backbone, sequences=random(BATCH, TIME, FEATURES), padding_mask=mask_of(LENGTHS, TIME))
    directions = 2 if bidirectional and kind != "dense" else 1
    assert outputs.shape == (BATCH, TIME, directions * UNITS)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_pooling_is_the_same_however_keras_calls_it(bidirectional):
    pooled = check_layer(
        Pooling(POOLINGS, bidirectional), sequences=random(BATCH, TIME, 6), padding_mask=mask_of(LENGTHS, TIME)
    )
    assert pooled.shape == (BATCH, len(POOLINGS) * 6)


def test_a_word_dropout_is_the_same_however_keras_calls_it():
    token_ids = np.arange(15, dtype="int32").reshape(BATCH, TIME) % VOCABULARY
    found = check_layer(WordDropout(0.9, UNKNOWN), token_ids=token_ids, padding_mask=mask_of(LENGTHS, TIME))
    np.testing.assert_array_equal(found, token_ids)


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis 1")  # of attention to a row of one step
@pytest.mark.parametrize("kind", BACKBONES)
@pytest.mark.parametrize("bidirectional", [False, True])
@settings(max_examples=15, deadline=None)
@given(lengths=st.lists(st.integers(1, 5), min_size=1, max_size=3), extra=st.integers(0, 3), junk=st.floats(-100, 100))
def test_padding_changes_no_output_and_no_pooled_vector(kind, bidirectional, lengths, extra, junk):
    """A row among longer ones, with anything at its padding, is read as it is alone and unpadded."""
    backbone = build_backbone(kind, layers=2, bidirectional=bidirectional)
    pooling = Pooling(POOLINGS, backbone.bidirectional)
    time = max(lengths) + extra
    mask = mask_of(lengths, time)
    sequences = np.where(mask[..., None], random(len(lengths), time, FEATURES), np.float32(junk))
    outputs = backbone(sequences, padding_mask=mask)
    pooled = pooling(outputs, mask)
    for row, length in enumerate(lengths):
        alone = backbone(sequences[row : row + 1, :length])
        np.testing.assert_allclose(outputs[row, :length], alone[0], rtol=1e-5, atol=1e-5)
        pooled_alone = pooling(alone, np.ones((1, length), bool))
        np.testing.assert_allclose(pooled[row], pooled_alone[0], rtol=1e-5, atol=1e-5)


@each_kind
@each_direction
def test_outputs_at_padding_are_zero(kind, reverse):
    mask = mask_of(LENGTHS, TIME)
    outputs = to_numpy(with_random_weights(kind, reverse=reverse)(random(BATCH, TIME, FEATURES), mask)[0])
    assert not outputs[~mask].any()
    assert outputs[mask].all()


@each_kind
def test_padding_gets_no_gradient(kind):
    mask = mask_of(LENGTHS, TIME)
    sequences = tf.constant(random(BATCH, TIME, FEATURES))
    backbone = build_backbone(kind, bidirectional=True)
    with tf.GradientTape() as tape:
        tape.watch(sequences)
        loss = tf.reduce_sum(backbone(sequences, padding_mask=mask) ** 2)
    gradient = tape.gradient(loss, sequences).numpy()
    assert not gradient[~mask].any()
    assert gradient[mask].all()


@each_kind
def test_reading_in_reverse_is_reading_the_unpadded_row_turned_round(kind):
    reverse = with_random_weights(kind, reverse=True)
    forward = with_random_weights(kind)
    sequences, mask = random(BATCH, TIME, FEATURES), mask_of(LENGTHS, TIME)
    outputs, state = to_numpy(reverse(sequences, padding_mask=mask))
    for row, length in enumerate(LENGTHS):
        turned = sequences[row : row + 1, :length][:, ::-1]
        expected, expected_state = to_numpy(forward(turned))
        np.testing.assert_allclose(outputs[row, :length], expected[0, ::-1], rtol=1e-5, atol=1e-6)
        for end, expected_end in zip(state, expected_state, strict=True):
            np.testing.assert_allclose(end[row], expected_end[0], rtol=1e-5, atol=1e-6)


@each_kind
def test_a_sequence_read_in_two_parts_with_the_state_handed_on_is_the_same(kind):
    layer, sequences = with_random_weights(kind), random(BATCH, TIME, FEATURES)
    outputs, state = to_numpy(layer(sequences))
    first, between = layer(sequences[:, :2])
    second, end = layer(sequences[:, 2:], initial_state=between)
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), outputs, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.stack(end), np.stack(state), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(state[0], outputs[:, -1])


def test_the_forget_bias_of_an_lstm_starts_at_one_and_the_others_at_zero():
    layer = LSTM(UNITS)
    layer.build((None, None, FEATURES))
    np.testing.assert_array_equal(np.reshape(layer.bias, (4, UNITS)), np.outer([0, 1, 0, 0], np.ones(UNITS)))


@each_kind
def test_a_bidirectional_backbone_joins_a_forward_and_a_reverse_layer(kind):
    backbone = build_backbone(kind, bidirectional=True)
    [(forward, reverse)] = backbone.stack
    sequences, mask = random(BATCH, TIME, FEATURES), mask_of(LENGTHS, TIME)
    outputs = to_numpy(backbone(sequences, padding_mask=mask))
    assert (forward.reverse, reverse.reverse) == (False, True)
    np.testing.assert_allclose(outputs[..., :UNITS], forward(sequences, mask)[0], rtol=1e-6)
    np.testing.assert_allclose(outputs[..., UNITS:], reverse(sequences, mask)[0], rtol=1e-6)


@pytest.mark.parametrize("kind", BACKBONES)
def test_each_layer_from_the_second_on_adds_to_what_it_was_given(kind):
    backbone = build_backbone(kind, layers=3)
    sequences = random(BATCH, TIME, FEATURES)
    [first], [second], [third] = backbone.stack

    def read(layer, given):
        return to_numpy(layer(given))[0] if kind != "dense" else to_numpy(layer(given))

    lowest = read(first, sequences)
    middle = read(second, lowest) + lowest
    np.testing.assert_allclose(backbone(sequences), read(third, middle) + middle, rtol=1e-5, atol=1e-6)


def test_dropout_between_layers_works_in_training_only():
    backbone, plain = build_backbone("lstm", layers=2, dropout=0.5), build_backbone("lstm", layers=2)
    sequences = random(BATCH, TIME, FEATURES)
    np.testing.assert_array_equal(backbone(sequences), plain(sequences))
    assert np.abs(backbone(sequences, training=True) - plain(sequences)).max() > 0.01


@each_kind
def test_weight_drop_drops_recurrent_weights_in_training_only(kind):
    """The first step, before which there is no state, feels nothing of it; later ones do."""
    layer, plain = with_random_weights(kind, weight_drop=0.5), with_random_weights(kind)
    sequences = random(BATCH, TIME, FEATURES)
    expected = to_numpy(plain(sequences)[0])
    np.testing.assert_array_equal(layer(sequences)[0], expected)
    dropped, again = (to_numpy(layer(sequences, training=True)[0]) for _ in range(2))
    np.testing.assert_allclose(dropped[:, 0], expected[:, 0], rtol=1e-6)
    assert np.abs(dropped[:, 1:] - expected[:, 1:]).max() > 0.01
    assert np.abs(dropped - again).max() > 0.01


def test_a_dense_backbone_is_blind_to_order():
    backbone, order = build_backbone("dense", layers=2), np.random.default_rng(0).permutation(TIME)
    sequences, mask = random(BATCH, TIME, FEATURES), np.ones((BATCH, TIME), bool)
    outputs, permuted = to_numpy(backbone(sequences)), to_numpy(backbone(sequences[:, order]))
    np.testing.assert_allclose(permuted, outputs[:, order], rtol=1e-6)
    mean = Pooling(("mean",), bidirectional=False)
    np.testing.assert_allclose(mean(permuted, mask), mean(outputs, mask), rtol=1e-5, atol=1e-6)


@each_kind
def test_a_recurrent_backbone_is_not_blind_to_order(kind):
    backbone, order = build_backbone(kind), np.random.default_rng(0).permutation(TIME)
    sequences = random(BATCH, TIME, FEATURES)
    difference = np.mean(backbone(sequences[:, order]), axis=1) - np.mean(backbone(sequences), axis=1)
    assert np.abs(difference).max(axis=1).min() > 0.01


@pytest.mark.parametrize(
    ("kind", "pool"),
    [
        ("last", lambda steps: steps[-1]),
        ("mean", lambda steps: steps.mean(axis=0)),
        ("max", lambda steps: steps.max(axis=0)),
    ],
)
def test_a_pooling_equals_one_in_numpy_row_by_row(kind, pool):
    sequences = random(BATCH, TIME, FEATURES)
    pooled = Pooling((kind,), bidirectional=False)(sequences, mask_of(LENGTHS, TIME))
    expected = [pool(row[:length]) for row, length in zip(sequences, LENGTHS, strict=True)]
    np.testing.assert_allclose(pooled, expected, rtol=1e-5, atol=1e-6)


def test_the_last_step_of_a_backward_half_is_its_first():
    sequences = random(BATCH, TIME, 2 * UNITS)
    pooled = Pooling(("last",), bidirectional=True)(sequences, mask_of(LENGTHS, TIME))
    forward = [row[length - 1, :UNITS] for row, length in zip(sequences, LENGTHS, strict=True)]
    np.testing.assert_allclose(pooled, np.concatenate([forward, sequences[:, 0, UNITS:]], axis=1), rtol=1e-6)


def test_attention_equals_one_in_numpy_row_by_row():
    sequences = random(BATCH, TIME, FEATURES)
    pooling = Pooling(("attention",), bidirectional=False)
    pooling.build(sequences.shape)
    random_weights(pooling)
    kernel, bias, score = pooling.get_weights()
    for row, length, pooled in zip(sequences, LENGTHS, pooling(sequences, mask_of(LENGTHS, TIME)), strict=True):
        scores = np.exp(np.tanh(row[:length] @ kernel + bias) @ score)
        np.testing.assert_allclose(pooled, (scores / scores.sum() * row[:length]).sum(axis=0), rtol=1e-5, atol=1e-6)


def test_attention_weights_stand_on_real_steps_only_and_sum_to_one():
    """Where step t is the t-th unit vector, the pooled vector is the row of weights."""
    steps, mask = np.tile(np.eye(TIME, dtype="float32"), (BATCH, 1, 1)), mask_of(LENGTHS, TIME)
    weights = to_numpy(Pooling(("attention",), bidirectional=False)(steps, mask))
    assert not weights[~mask].any()
    assert weights[mask].all()
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-6)


def test_word_dropout_makes_words_unknown_in_training_only_and_never_padding():
    token_ids, mask = np.full((50, 40), 7, "int32"), mask_of(np.arange(50) % 40 + 1, 40)
    layer = WordDropout(0.3, UNKNOWN)
    np.testing.assert_array_equal(layer(token_ids, mask), token_ids)
    dropped = to_numpy(layer(token_ids, mask, training=True))
    assert (dropped[~mask] == 7).all()
    assert set(np.unique(dropped[mask])) == {UNKNOWN, 7}
    # Four standard deviations of the share of a thousand draws.
    assert abs((dropped[mask] == UNKNOWN).mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / mask.sum())
    assert (to_numpy(layer(token_ids, mask, training=True)) != dropped).any()


@pytest.mark.parametrize("kind", BACKBONES)
def test_in_mixed_bfloat16_a_network_gives_nearly_what_it_gives_in_float32(kind):
    sequences, mask = random(BATCH, TIME, FEATURES), mask_of(LENGTHS, TIME)

    def run(dtype: str):
        keras.utils.set_random_seed(0)
        keras.config.set_dtype_policy(dtype)
        try:
            backbone = Backbone(kind, UNITS, layers=2, bidirectional=True)
            features = backbone(sequences, padding_mask=mask)
            return features.dtype.name, Pooling(POOLINGS, backbone.bidirectional)(features, mask)
        finally:
            keras.config.set_dtype_policy("float32")

    (exact_type, exact), (rounded_type, rounded) = run("float32"), run("mixed_bfloat16")
    assert (exact_type, rounded_type) == ("float32", "bfloat16")
    # bfloat16 has 8 bits of mantissa.
    np.testing.assert_allclose(np.float32(rounded), exact, atol=0.03)


JAX_TRAINING = """
import keras
import numpy as np
from common.layers import Backbone, Pooling, WordDropout
from common.optimizer import ClippedAdamW

assert keras.backend.backend() == "jax"
keras.utils.set_random_seed(0)
token_ids = keras.Input((None,), dtype="int32")
mask = keras.ops.not_equal(token_ids, 0)
features = keras.layers.Embedding(8, 3)(WordDropout(0.1, 1)(token_ids, mask))
features = Backbone("KIND", 3, layers=2, bidirectional=True, dropout=0.1, weight_drop=0.1)(features, padding_mask=mask)
pooled = Pooling(("last", "mean", "max", "attention"), bidirectional=True)(features, mask)
model = keras.Model(token_ids, keras.layers.Dense(2)(pooled))
optimizer = ClippedAdamW(learning_rate=0.05, use_ema=True)
model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
rng = np.random.default_rng(0)
texts = rng.integers(2, 8, (64, 5)) * (np.arange(5) < rng.integers(1, 6, (64, 1)))
losses = model.fit(texts, (texts[:, 0] > 4).astype(int), epochs=15, batch_size=16, verbose=0).history["loss"]
report = optimizer.take_report()
assert losses[-1] < losses[0] / 2, losses
assert report.global_norm > 0 and report.skipped == 0, report
"""


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
@each_kind
def test_the_layers_train_on_the_jax_backend(kind):
    command = [sys.executable, "-c", JAX_TRAINING.replace("KIND", kind)]
    done = subprocess.run(command, cwd=ROOT, env=environment(KERAS_BACKEND="jax"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
