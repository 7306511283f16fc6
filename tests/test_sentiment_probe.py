"""What the gradient lab gets of a sentiment model: its network, its loss, and texts one by one."""

import json

import keras
import numpy as np
import pytest

from apps.sentiment.config import SentimentSettings
from apps.sentiment.model import build_model
from apps.sentiment.probe import TEXTS, load_probe
from common.checkpoint import weights_by_path
from common.errors import UserError
from common.model_folder import ModelFolder, save_model
from common.text import PADDING, fit_tokeniser

LABELS = ["neg", "pos"]
WORDS = ("good", "bad", "film", "plain", "long", "short")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Texts of 1 to 40 words, sorted by label."""
    path = tmp_path_factory.mktemp("data") / "films.tsv"
    rows = [f"{LABELS[index >= 20]}\t{' '.join((WORDS * 7)[: index + 1])}" for index in range(40)]
    path.write_text("label\ttext\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory, corpus):
    """A model folder with the weights of an untrained network, and the network."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    settings = SentimentSettings(data=(str(corpus),), units=3, embedding=4, hidden=3)
    tokeniser = fit_tokeniser([" ".join(WORDS)] * 20, 40, True)
    keras.utils.set_random_seed(5)
    network = build_model(settings, tokeniser.vocabulary_size, len(LABELS))
    facts = {"labels": LABELS, "temperature": 1.0}
    files = {"tokeniser.model": tokeniser.model}
    plain = json.loads(settings.model_dump_json())
    save_model(folder, ModelFolder("sentiment", plain, weights_by_path(network), files, facts), "")
    return folder, network


def test_a_probe_has_the_network_and_texts_from_all_parts_of_the_corpus(model, corpus):
    folder, network = model
    loaded, loss, examples = load_probe(folder, str(corpus), "test")
    assert len(examples) == TEXTS
    shapes = {(token_ids.shape, class_ids.shape) for token_ids, class_ids in examples}
    [((_, time), _)] = shapes
    assert shapes == {((1, time), (1,))}
    assert [int(class_ids[0]) for _, class_ids in examples] == [0] * 8 + [1] * 8
    lengths = [int(np.sum(token_ids != PADDING)) for token_ids, _ in examples]
    assert lengths == sorted(lengths)
    assert (lengths[0] < 10, lengths[-1]) == (True, time)
    token_ids, class_ids = examples[0]
    np.testing.assert_allclose(loaded(token_ids), network(token_ids), rtol=1e-5, atol=1e-6)
    logits = keras.ops.convert_to_numpy(network(token_ids))[0]
    assert float(loss(class_ids, loaded(token_ids))) == pytest.approx(
        np.log(np.exp(logits).sum()) - logits[0], abs=1e-5
    )


def test_without_data_the_texts_are_those_of_the_training(model, corpus):
    named, own = (load_probe(model[0], data, "test")[2] for data in (str(corpus), None))
    for one, other in zip(named, own, strict=True):
        np.testing.assert_array_equal(one[0], other[0])


def test_a_corpus_smaller_than_that_is_taken_whole(model, tmp_path):
    path = tmp_path / "few.tsv"
    path.write_text("label\ttext\npos\tgood\nneg\tbad bad\n", encoding="utf-8")
    assert len(load_probe(model[0], str(path), "test")[2]) == 2


def test_a_label_that_the_model_does_not_know_is_refused(model, tmp_path):
    path = tmp_path / "mixed.tsv"
    path.write_text("label\ttext\nmixed\tgood\n", encoding="utf-8")
    with pytest.raises(UserError, match="unknown label 'mixed'"):
        load_probe(model[0], str(path), "test")
