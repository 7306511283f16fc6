"""The translation app as its users meet it: it learns its grammar exactly, and answers odd input with a line."""

import json

import numpy as np
import pytest

from apps.translation import Translator, demo
from apps.translation.baselines import fit_words, translate_words
from apps.translation.config import TranslationSettings
from apps.translation.model import build_model
from apps.translation.sample import generate_sample
from common.backend import keras, ops
from common.errors import UserError
from common.losses import SmoothedCrossentropy
from tests.kit import run_app

SMALL = ("--units=64", "--layers=1", "--decoder-units=128", "--embedding=64", "--vocabulary=300", "--dropout=0.1")
UNSEEN = generate_sample(7000, seed=1)[6500:6600]
TEXTS = [sentence["en"] for sentence in UNSEEN]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of two languages, trained on the sample in well under two minutes."""
    out = tmp_path_factory.mktemp("translation") / "model"
    flags = ("--target=de,fr", "--epochs=4", "--learning-rate=0.003", "--precision=float32")
    outcome = run_app("apps.translation.train", "--data=sample", *flags, *SMALL, "--out", out)
    assert outcome.status == 0, outcome.stderr
    return out


@pytest.fixture(scope="module")
def translator(folder):
    return Translator.load(folder)


@pytest.mark.parametrize("language", ["de", "fr"])
def test_unseen_sentences_of_the_grammar_are_translated_exactly(translator, language):
    found = translator.predict(TEXTS, language)
    right = [answer.text == sentence[language] for answer, sentence in zip(found, UNSEEN, strict=True)]
    assert np.mean(right) > 0.95


def test_a_batch_is_translated_as_each_sentence_alone(translator):
    texts = TEXTS[:8]
    together = translator.predict(texts, "fr", n_best=3)
    for text, answer in zip(texts, together, strict=True):
        [alone] = translator.predict([text], "fr", n_best=3)
        assert [found.text for found in alone.alternatives] == [found.text for found in answer.alternatives]
        np.testing.assert_allclose(alone.score, answer.score, rtol=1e-4)


def test_the_alternatives_are_sorted_and_distinct(translator):
    for answer in translator.predict(TEXTS[:10], beam=6, n_best=6):
        scores = [found.score for found in answer.alternatives]
        assert scores == sorted(scores, reverse=True) and len(scores) > 1
        assert len({found.text for found in answer.alternatives}) > 1
        assert (answer.text, answer.score) == (answer.alternatives[0].text, scores[0])


def test_each_row_of_an_alignment_sums_to_one(translator):
    [answer] = translator.predict([TEXTS[0]], with_alignment=True)
    weights = answer.alignment.weights
    assert weights.shape == (len(answer.alignment.target_pieces), len(answer.alignment.source_pieces))
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)


def test_what_the_model_knows_surprises_it_least(translator):
    references = [sentence["de"] for sentence in UNSEEN]
    right, wrong = (translator.perplexity(TEXTS, texts, "de") for texts in (references, references[::-1]))
    assert 1 <= right < 1.2 < wrong


@pytest.mark.parametrize("text", ["😀", "漢字", "The " * 90, "?!", "a" * 300])
def test_odd_text_gets_an_answer_that_ends(translator, text):
    [answer] = translator.predict([text], "de")
    assert isinstance(answer.text, str)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("   ",), "text 1: the sentence is empty"),
        (("word " * 10_000,), "10,000 words"),
        (("word " * 900,), "sub-words, at most 400"),
        (("A dog.", "--to=cs"), "cs: not known; there are de, fr"),
        (("A dog.", "--n-best=9"), "at most as many as --beam 5"),
    ],
)
def test_what_cannot_be_translated_is_one_line(folder, arguments, words):
    outcome = run_app("apps.translation.infer", "--model", folder, *arguments)
    assert (outcome.status, outcome.stdout) == (2, "")
    assert words in outcome.stderr and outcome.stderr.count("\n") == 1


def test_without_a_language_every_known_one_gets_a_line(folder, tmp_path):
    flags = ("--plot", tmp_path / "pictures", "--model", folder)
    outcome = run_app("apps.translation.infer", "The dog sees the house.", *flags)
    assert outcome.status == 0, outcome.stderr
    assert [line[:2] for line in outcome.stdout.splitlines()] == ["de", "fr"]
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == ["001_de.png", "002_fr.png"]


def test_evaluate_measures_each_language_with_its_signature(folder):
    outcome = run_app("apps", "evaluate", folder, "--data=sample", "--target=fr", "--json")
    assert outcome.status == 0, outcome.stderr
    entry = json.loads(outcome.stdout)
    assert entry["data"] == "sample en-fr" and entry["examples"] == 500
    assert entry["bleu"] > 95 and "case:mixed" in entry["bleu_signature"]


@pytest.mark.parametrize(
    ("decoder", "attention", "backbone"),
    [
        ("parallel", "multiplicative", "lstm"),
        ("parallel", "additive", "simple_rnn"),
        ("parallel", "none", "lstm"),
        ("input_feeding", "additive", "lstm"),
        ("input_feeding", "multiplicative", "simple_rnn"),
    ],
)
def test_step_by_step_is_what_was_trained_at_once(decoder, attention, backbone):
    """Decoding sees what training saw, in every form of the network, and every weight is trained."""
    sizes = {"units": 6, "decoder_units": 8, "embedding": 4}
    settings = TranslationSettings(decoder=decoder, attention=attention, backbone=backbone, **sizes)
    model = build_model(settings, 20, 20, languages=2)
    inputs = {"source_ids": np.array([[21, 5, 6, 3]]), "target_ids": np.array([[2, 5, 6, 7]])}
    expected = ops.convert_to_numpy(ops.log_softmax(model(inputs)))
    step, state = model.begin(ops.convert_to_tensor(inputs["source_ids"]), beam=2)
    for place, token_id in enumerate(inputs["target_ids"][0]):
        found, state = step(ops.full((1, 2), int(token_id), "int32"), state)
        np.testing.assert_allclose(ops.convert_to_numpy(found)[0], [expected[0, place]] * 2, atol=1e-5)
    before = [ops.convert_to_numpy(variable) for variable in model.trainable_variables]
    model.compile("adam", SmoothedCrossentropy(0.1))
    model.train_on_batch(inputs, np.array([[5, 6, 7, 3]]))
    still = [
        variable.path
        for variable, value in zip(model.trainable_variables, before, strict=True)
        if (ops.convert_to_numpy(variable) == value).all()
    ]
    assert still == []


def test_padding_of_the_source_changes_nothing():
    model = build_model(TranslationSettings(units=6, decoder_units=8, embedding=4), 20, 20, languages=1)
    target_ids = np.array([[2, 5, 6, 7]])
    short, padded = np.array([[20, 5, 6, 3]]), np.array([[20, 5, 6, 3, 0, 0, 0]])
    logits = [model({"source_ids": ids, "target_ids": target_ids}) for ids in (short, padded)]
    np.testing.assert_allclose(*map(ops.convert_to_numpy, logits), atol=1e-5)
    weights = ops.convert_to_numpy(model.attend(padded, target_ids))
    assert (weights[..., 4:] == 0).all()


def test_scheduled_sampling_trains_on_the_models_own_guesses():
    settings = TranslationSettings(
        units=6, decoder_units=8, embedding=4, scheduled_sampling=0.9, dropout=0, embedding_dropout=0
    )
    keras.utils.set_random_seed(1)
    model = build_model(settings, 20, 20, languages=1)
    inputs = {"source_ids": np.array([[20, 5, 6, 3]] * 8), "target_ids": np.array([[2, 5, 6, 7]] * 8)}
    taught, guessed = (ops.convert_to_numpy(model(inputs, training=training)) for training in (False, True))
    np.testing.assert_allclose(taught[:, 0], guessed[:, 0], atol=1e-6)
    assert not np.allclose(taught[:, 1:], guessed[:, 1:])


def test_words_are_translated_by_those_they_go_with():
    sources, references = ["the dog", "the cat", "a dog", "a cat"], ["der Hund", "der Kater", "ein Hund", "ein Kater"]
    words = fit_words(sources, references)
    assert translate_words("a dog and the cat!", words) == "Ein Hund and der Kater!"


def test_an_unknown_language_is_named_from_python(translator):
    with pytest.raises(UserError, match="knows no 'cs'; it translates into de, fr"):
        translator.predict(["A dog."], "cs")


def test_the_shipped_model_tells_one_sentence_in_three_languages(capsys):
    demo.main()
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("A dog runs across the snow.")
    expected = {"de": ("Hund", "Schnee"), "fr": ("chien", "neige"), "cs": ("Pes", "sníh")}
    for (language, words), line in zip(expected.items(), lines[at + 1 : at + 4], strict=True):
        assert line.split()[0] == language
        assert all(word in line for word in words)
