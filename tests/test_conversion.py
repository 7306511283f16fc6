"""Layers as LiteRT files: built-in ops alone, the numbers of Keras, no memory of what was asked before."""

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keras import ops

from common.conversion import as_function, to_litert
from common.errors import UserError, WorkFailed
from common.flatbuffer import count_ops, describe
from common.layers import RECURRENT, Backbone, Pooling
from common.litert import LiteRTNetwork
from common.signature import Signature

VOCABULARY, UNITS = 9, 3
properties = settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))
KERNELS = {"lstm": "UNIDIRECTIONAL_SEQUENCE_LSTM", "simple_rnn": "WHILE"}


def random_weights(layer) -> None:
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(scale=0.7, size=weight.shape) for weight in layer.get_weights()])


def signature_of(kind: str) -> Signature:
    """Token ids -> every output of two layers in both directions, and all poolings of them."""
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    mask = ops.not_equal(token_ids, 0)
    embedded = keras.layers.Embedding(VOCABULARY, 4)(token_ids)
    sequences = Backbone(kind, UNITS, layers=2, bidirectional=True)(embedded, padding_mask=mask)
    pooled = Pooling(("last", "mean", "max", "attention"), bidirectional=True)(sequences, mask)
    model = keras.Model(token_ids, {"sequences": sequences, "pooled": pooled})
    random_weights(model)
    return Signature(lambda token_ids: model(token_ids), {"token_ids": token_ids}, {})


@pytest.fixture(scope="module", params=RECURRENT)
def kind(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def signature(kind) -> Signature:
    return signature_of(kind)


@pytest.fixture(scope="module")
def content(signature) -> bytes:
    return to_litert(signature)


@pytest.fixture(scope="module")
def network(content) -> LiteRTNetwork:
    return LiteRTNetwork(content)


@pytest.fixture(scope="module")
def reference(signature):
    return as_function(signature)


def rows_of(lengths: list[int], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    token_ids = rng.integers(1, VOCABULARY, (len(lengths), max(lengths))).astype(np.int32)
    return np.where(np.arange(max(lengths)) < np.array(lengths)[:, None], token_ids, 0).astype(np.int32)


def test_each_layer_becomes_one_kernel_and_every_op_is_built_in(kind, content):
    counts = count_ops(content)
    assert counts[KERNELS[kind]] == 4
    assert [name for name in counts if "Flex" in name] == []


@properties
@given(st.lists(st.integers(1, 12), min_size=1, max_size=5), st.integers(0, 99))
def test_rows_of_all_lengths_in_one_batch_have_the_numbers_of_keras(network, reference, lengths, seed):
    arrays = {"token_ids": rows_of(lengths, seed)}
    found, expected = network(arrays), reference(arrays)
    for name in ("sequences", "pooled"):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-5)


def test_no_call_remembers_another(network):
    """Each batch alone, in a file that was asked nothing before, and all of them twice in both orders."""
    batches = [{"token_ids": rows_of(lengths, 5)} for lengths in ([7], [3, 9], [1, 1, 2], [12])]
    first = [network(batch)["pooled"] for batch in batches]
    for order in (range(4), reversed(range(4)), [2, 2, 0, 3]):
        for index in order:
            np.testing.assert_array_equal(network(batches[index])["pooled"], first[index])


def test_no_row_sees_another_in_its_batch(network):
    together = rows_of([4, 9, 6])
    found = network({"token_ids": together})["pooled"]
    for row, length, pooled in zip(together, (4, 9, 6), found, strict=True):
        np.testing.assert_allclose(network({"token_ids": row[None, :length]})["pooled"][0], pooled, atol=1e-6)


def test_converting_leaves_the_layers_as_they_were(signature, content, reference):
    arrays = {"token_ids": rows_of([3, 8])}
    np.testing.assert_array_equal(as_function(signature)(arrays)["pooled"], reference(arrays)["pooled"])
    assert "_in_one_sequence" not in repr(RECURRENT["lstm"].call)


@pytest.mark.parametrize(("quantise", "share", "error"), [("float16", 0.6, 0.01), ("int8", 0.4, 0.05)])
def test_smaller_weights_make_a_smaller_file_with_nearly_the_same_answers(quantise, share, error):
    sequences = keras.Input((None, 64), name="sequences")
    # The state is brought to zero by a weight that must not widen the steps of the other weights.
    hidden = Backbone("lstm", 128, bidirectional=True)(sequences)
    model = keras.Model(sequences, {"hidden": hidden})
    signature = Signature(lambda sequences: model(sequences), {"sequences": sequences}, {})
    whole, small = to_litert(signature), to_litert(signature, quantise)
    assert len(small) < share * len(whole)
    arrays = {"sequences": np.random.default_rng(0).normal(size=(3, 20, 64)).astype(np.float32)}
    expected, found = as_function(signature)(arrays)["hidden"], LiteRTNetwork(small)(arrays)["hidden"]
    assert np.sqrt(np.mean((found - expected) ** 2)) < error * expected.std()
    assert count_ops(small)[KERNELS["lstm"]] == 2


def test_convolutions_keep_floats_in_int8_and_their_kernels_half_of_their_size():
    pixels = keras.Input((24, 24, 3), name="pixels")
    features = pixels
    for depth in range(8):
        features = keras.layers.Conv2D(64, 3, padding="same", activation="relu", name=f"full_{depth}")(features)
        features = keras.layers.DepthwiseConv2D(3, padding="same", name=f"deep_{depth}")(features)
    model = keras.Model(pixels, {"features": features})
    random_weights(model)
    signature = Signature(lambda pixels: model(pixels), {"pixels": pixels}, {})
    whole, small = to_litert(signature), to_litert(signature, "int8")
    assert len(small) < 0.6 * len(whole)
    assert count_ops(small)["DEQUANTIZE"] >= 8
    arrays = {"pixels": np.random.default_rng(0).normal(size=(2, 24, 24, 3)).astype(np.float32)}
    expected, found = as_function(signature)(arrays)["features"], LiteRTNetwork(small)(arrays)["features"]
    assert np.sqrt(np.mean((found - expected) ** 2)) < 2e-3 * expected.std()


def test_an_op_that_is_not_built_in_is_named_and_refused():
    inputs = {"values": keras.KerasTensor((None, 4), "float32")}
    signature = Signature(lambda values: {"found": ops.svd(values, compute_uv=False)}, inputs, {})
    with pytest.raises(WorkFailed, match=r"not built in: .*Svd"):
        to_litert(signature)


@pytest.mark.parametrize(
    "cut",
    [
        lambda x: x[:, None],
        lambda x: x[..., None],
        lambda x: x[None, :, 1:],
        lambda x: x[:, 0, None],
        lambda x: x[None],
    ],
)
def test_an_axis_may_be_added_where_sizes_are_free(cut):
    inputs = {"values": keras.KerasTensor((None, None), "float32")}
    network = LiteRTNetwork(to_litert(Signature(lambda values: {"found": cut(values)}, inputs, {})))
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(network({"values": values})["found"], cut(values))


def test_a_file_says_what_goes_in_and_out_and_still_runs(content, network):
    described = describe(content, "token_ids: those of the tokeniser")
    assert b"those of the tokeniser" in described
    arrays = {"token_ids": rows_of([5])}
    np.testing.assert_array_equal(LiteRTNetwork(described)(arrays)["pooled"], network(arrays)["pooled"])


def test_what_is_no_litert_file_is_refused():
    with pytest.raises(UserError, match="not a file that LiteRT can run"):
        LiteRTNetwork(b"nothing of the kind")
