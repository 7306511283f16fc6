"""The captioning network: decoding sees what training saw, pictures with fewer captions, the losses it adds."""

import numpy as np
import pytest

from apps.captioning.config import CaptioningSettings
from apps.captioning.examples import pad_captions
from apps.captioning.model import build_model
from apps.captioning.network import KerasNetwork
from common.attention import ATTENTIONS
from common.backend import keras, ops
from common.losses import SmoothedCrossentropy
from common.text import END, PADDING, START

SIZES = {"units": 8, "embedding": 4, "attention_units": 6, "encoder_channels": 8, "picture_size": 32}
PLACES, CHANNELS, VOCABULARY = 6, 5, 20
FORMS = [
    ("attention", "additive", "lstm", 2),
    ("attention", "multiplicative", "simple_rnn", 2),
    ("attention", "scaled", "lstm", 1),
    ("plain", "additive", "lstm", 1),
    ("plain", "additive", "simple_rnn", 1),
]
# Three captions of one picture, two of the other.
CAPTIONS = [[[5, 6, 7], [8, 9], [5, 5, 6, 10]], [[11, 6], [7, 8, 9]]]


def build(decoder="attention", attention="additive", backbone="lstm", encoder="mobilenet_v2", **more):
    settings = CaptioningSettings(
        decoder=decoder, attention=attention, backbone=backbone, encoder=encoder, **SIZES, **more
    )
    keras.utils.set_random_seed(1)
    return build_model(settings, (32, 32, 3) if encoder == "small" else (PLACES, CHANNELS), VOCABULARY)


def features(count=2):
    return np.random.default_rng(0).normal(size=(count, PLACES, CHANNELS)).astype(np.float16)


def token_ids():
    return pad_captions([[np.array([START, *caption, END]) for caption in some] for some in CAPTIONS])


@pytest.mark.parametrize(("decoder", "attention", "backbone", "looks"), FORMS)
def test_step_by_step_is_what_was_trained_at_once(decoder, attention, backbone, looks):
    model, pictures, ids = build(decoder, attention, backbone, looks=looks), features(), token_ids()[..., :-1]
    expected = ops.convert_to_numpy(ops.log_softmax(model({"pictures": pictures, "token_ids": ids})))
    # Each caption of a picture is a hypothesis of its own.
    step, state = model.begin(ops.convert_to_tensor(pictures), beam=ids.shape[1])
    for place in range(ids.shape[2]):
        found, state = step(ops.convert_to_tensor(ids[:, :, place]), state)
        np.testing.assert_allclose(ops.convert_to_numpy(found), expected[:, :, place], atol=1e-5)


@pytest.mark.parametrize(("decoder", "attention", "backbone", "looks"), FORMS)
@pytest.mark.parametrize("encoder", ["mobilenet_v2", "small"])
def test_every_weight_is_trained(decoder, attention, backbone, looks, encoder):
    model, ids = build(decoder, attention, backbone, encoder, looks=looks, name_words=0.5), token_ids()
    drawn = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    pictures = drawn if encoder == "small" else features()
    before = [ops.convert_to_numpy(variable) for variable in model.trainable_variables]
    model.compile("adam", SmoothedCrossentropy(0.1))
    # What adds to a picture's features begins at zero, and what is below it learns from the second step on.
    for _ in range(2):
        model.train_on_batch({"pictures": pictures, "token_ids": ids[..., :-1]}, ids[..., 1:])
    still = [
        variable.path
        for variable, value in zip(model.trainable_variables, before, strict=True)
        if (ops.convert_to_numpy(variable) == value).all()
    ]
    assert still == []


def test_a_picture_weighs_the_same_beside_one_with_more_captions():
    model, pictures, ids = build(), features(), token_ids()
    together = model({"pictures": pictures, "token_ids": ids[..., :-1]})
    alone = model({"pictures": pictures[1:], "token_ids": ids[1:, :2, :-1]})
    np.testing.assert_allclose(ops.convert_to_numpy(together)[1, :2], ops.convert_to_numpy(alone)[0], atol=1e-5)
    loss = SmoothedCrossentropy(0.1)
    padded = loss(ids[1:, :, 1:], together[1:])
    np.testing.assert_allclose(float(padded), float(loss(ids[1:, :2, 1:], alone)), rtol=1e-5)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_the_weights_of_each_word_sum_to_one(attention):
    network = KerasNetwork(build(attention=attention))
    weights = network.attend(features(), np.array([[START, 5, 6], [START, 11, 6]], np.int32))
    assert weights.shape == (2, 3, PLACES) and (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-5)


def test_the_doubly_stochastic_term_is_what_the_paper_says():
    """The loss in training is larger by the mean square of one less what each place got, padding not counted."""
    silent = {"dropout": 0, "feature_dropout": 0, "embedding_dropout": 0}
    plain, weighted = build(**silent), build(look_everywhere=2.0, **silent)
    weighted.set_weights(plain.get_weights())
    pictures, ids = features(), token_ids()
    inputs, targets = {"pictures": pictures, "token_ids": ids[..., :-1]}, ids[..., 1:]
    losses = []
    for model in (plain, weighted):
        model.compile(keras.optimizers.SGD(0.0), SmoothedCrossentropy())
        losses.append(float(model.train_on_batch(inputs, targets)))
    errors = []
    for picture, captions in zip(pictures, inputs["token_ids"], strict=True):
        for caption in captions[captions[:, 0] != PADDING]:
            read = caption[(caption != PADDING) & (caption != END)]
            weights = ops.convert_to_numpy(plain.attend(picture[None], read[None]))[0]
            errors.append(np.mean((1 - weights.sum(axis=0)) ** 2))
    np.testing.assert_allclose(losses[1] - losses[0], 2.0 * np.mean(errors), rtol=1e-4)


def test_naming_is_judged_by_the_best_place_for_each_word():
    silent = {"dropout": 0, "feature_dropout": 0, "embedding_dropout": 0}
    model, pictures, ids = build(name_words=2.0, **silent), features(), token_ids()[..., :-1]
    model({"pictures": pictures, "token_ids": ids}, training=True)
    [loss] = model.losses
    logits = ops.convert_to_numpy(model.naming(model.look_at(pictures).places)).max(axis=1)
    is_there = np.array([np.isin(np.arange(VOCABULARY), row) for row in ids.reshape(2, -1)])
    shares = 1 / (1 + np.exp(-logits))
    errors = -np.log(np.where(is_there, shares, 1 - shares))
    assert float(loss) == pytest.approx(2.0 * errors.sum() / is_there.sum(), rel=1e-4)
    model({"pictures": pictures, "token_ids": ids})
    assert model.losses == []


def test_pictures_are_shaken_in_training_alone():
    silent = {"dropout": 0, "embedding_dropout": 0}
    model = build(encoder="small", shake=0.2, **silent)
    pictures = np.zeros((2, 32, 32, 3), np.uint8)
    pictures[:, 12:20, 12:20] = 255

    def look(pictures, training):
        return ops.convert_to_numpy(model.look_at(pictures, training).places)

    np.testing.assert_array_equal(look(pictures, training=False), look(pictures, training=False))
    assert np.abs(look(pictures, training=True) - look(pictures, training=False)).max() > 1e-3
    # What comes in at an edge is what stood there.
    plain = np.full_like(pictures, 90)
    np.testing.assert_allclose(look(plain, training=True), look(plain, training=False), atol=1e-4)


def test_beam_one_is_the_greedy_loop():
    model, pictures = build(), features(4)
    network, limits = KerasNetwork(model), np.full(4, 9, np.int32)
    found = network.search(pictures, limits, beam=1, length_penalty=0.7, n_best=1)[0][:, 0]
    for picture, written in zip(pictures, found, strict=True):
        assert list(written[written != PADDING]) == greedy(model, picture, 9)


def greedy(model, picture, limit):
    """The most probable id after all that was written, again and again; special ones and repeats left out."""
    ids = [START]
    while len(ids) < limit:
        inputs = {"pictures": picture[None], "token_ids": np.array([[ids]], np.int32)}
        logits = ops.convert_to_numpy(model(inputs))[0, 0, -1]
        logits[[PADDING, 1, START]] = -np.inf
        if ids[-1] != END:
            logits[ids[-1]] = -np.inf
        ids.append(int(logits.argmax()))
        if ids[-1] == END:
            return ids[1:]
    return [*ids[1:], END]


def test_two_pictures_have_two_searches():
    """What is written of a picture does not hang on its neighbours in the batch."""
    model, pictures = build(), features(5)
    network, limits = KerasNetwork(model), np.full(5, 7, np.int32)
    together, scores = network.search(pictures, limits, beam=3, length_penalty=0.7, n_best=2)
    for index in range(5):
        alone, score = network.search(pictures[index : index + 1], limits[:1], beam=3, length_penalty=0.7, n_best=2)
        np.testing.assert_array_equal(alone[0, :2], together[index, :2])
        np.testing.assert_allclose(score[0, :2], scores[index, :2], rtol=1e-4)
