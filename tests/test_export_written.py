"""Exports of the apps that write: whole beam searches in one file, in processes that know nothing of this project."""

import base64
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from apps.__main__ import run
from apps.captioning import ImageCaptioner
from apps.captioning.captioner import TOKENISER
from apps.captioning.config import CaptioningSettings
from apps.captioning.model import build_model as build_captioner
from apps.captioning.sample import draw, split_scenes
from apps.translation import Translator
from apps.translation.config import TranslationSettings
from apps.translation.export import (
    arrays_signature,
    read_arrays,
    read_signature,
    sample_batches,
    search_arrays,
)
from apps.translation.model import build_model as build_translator
from apps.translation.network import ExportedNetwork, KerasNetwork
from apps.translation.sample import generate_sample
from common.backend import keras, ops
from common.checkpoint import weights_by_path
from common.conversion import as_function, to_litert
from common.errors import UserError, WorkFailed
from common.export import Samples, check_differences, compare_written
from common.litert import LITERT, LiteRTNetwork
from common.model_folder import ModelFolder, read_metrics, save_model
from common.sequences import score_by
from common.text import fit_tokeniser
from tests.kit import ROOT, environment, run_app
from tests.test_export import NO_TENSORFLOW, ask_a_stranger

SENTENCES = generate_sample(300, seed=5)
TEXTS = [sentence["en"] for sentence in SENTENCES[:12]]
LANGUAGES = ["de", "fr"]
SIZES = {"units": 8, "decoder_units": 12, "embedding": 8}


def random_weights(model) -> dict[str, np.ndarray]:
    """Far from zero, so that answers differ, and not so far that each is certain."""
    rng = np.random.default_rng(2)
    model.set_weights([rng.normal(scale=0.4, size=weight.shape) for weight in model.get_weights()])
    return weights_by_path(model)


@pytest.fixture(scope="module")
def tokeniser():
    return fit_tokeniser([text for sentence in SENTENCES for text in sentence.values()], 200, fold_case=False)


@pytest.fixture(scope="module")
def model(tokeniser, tmp_path_factory) -> Path:
    """The folder of a translator, exported in both forms."""
    folder = tmp_path_factory.mktemp("translation") / "model"
    options = TranslationSettings(layers=2, **SIZES)
    network = build_translator(options, tokeniser.vocabulary_size, tokeniser.vocabulary_size, len(LANGUAGES))
    files, facts = {"tokeniser.model": tokeniser.model}, {"languages": LANGUAGES}
    plain = options.model_dump(mode="json")
    save_model(folder, ModelFolder("translation", plain, random_weights(network), files, facts), "")
    run(["export", str(folder), "--format", "litert", "--format", "saved_model"])
    return folder


@pytest.fixture(scope="module")
def translator(model) -> Translator:
    return Translator.load(model)


def test_a_translator_is_compared_on_a_hundred_sentences_and_loses_nothing(model):
    by_name = {entry["data"]: entry for entry in read_metrics(model)}
    assert set(by_name) == {LITERT, "saved_model"}
    for entry in by_name.values():
        assert (entry["equal"], entry["examples"] >= 100) == (1.0, True)
        assert entry["largest_difference"] < 1e-4
    # A kernel for each direction and layer of the encoder, in each of the two functions, and a loop for the search.
    assert by_name[LITERT]["ops"]["UNIDIRECTIONAL_SEQUENCE_LSTM"] == 8
    assert by_name[LITERT]["ops"]["WHILE"] == 3


def test_a_host_of_a_page_translates_without_tensorflow(model, translator):
    script = (ROOT / "apps" / "translation" / "samples" / "litert_host.py").read_text(encoding="utf-8")
    found = ask_a_stranger(script + NO_TENSORFLOW, model, ".", "fr", *TEXTS)
    expected = translator.predict(TEXTS, "fr")
    assert len({answer.text for answer in expected}) > 3
    assert [answer["text"] for answer in found] == [answer.text for answer in expected]
    np.testing.assert_allclose([one["score"] for one in found], [one.score for one in expected], atol=1e-4)


SAVED_MODEL_HOST = """
import base64, json, sys
import tensorflow as tf
import tensorflow_text

model = tf.saved_model.load("saved_model")
ask = model.signatures["serving_default"]
given = json.loads(sys.argv[1])
given = {name: [base64.b64decode(text) for text in texts] for name, texts in given.items()}
found = ask(**{name: tf.constant(values) for name, values in given.items()})
error = ""
if "language" in given:
    try:
        ask(text=tf.constant(["a dog"]), language=tf.constant(["tlh"]))
    except tf.errors.InvalidArgumentError as problem:
        error = str(problem)
plain = {name: value.numpy().tolist() for name, value in found.items()}
print(json.dumps({**plain, "error": error}, default=bytes.decode))
"""


def ask_saved_model(folder: Path, **inputs: list[bytes]) -> dict:
    coded = {name: [base64.b64encode(value).decode() for value in values] for name, values in inputs.items()}
    return ask_a_stranger(SAVED_MODEL_HOST, folder, json.dumps(coded))


def test_a_saved_model_translates_sentences_of_all_lengths_into_several_languages(model, translator):
    texts = [*TEXTS[:3], "\u3000The  dog\u00a0sees ", "dog " * 90]
    languages = ["de", "fr", "fr", "de", "fr"]
    found = ask_saved_model(model, text=[text.encode() for text in texts], language=[one.encode() for one in languages])
    for place, (text, language) in enumerate(zip(texts, languages, strict=True)):
        [expected] = translator.predict([text], language, n_best=5)
        assert found["text"][place] == expected.text
        count = len(expected.alternatives)
        assert found["alternatives"][place][:count] == [one.text for one in expected.alternatives]
        scores = [one.score for one in expected.alternatives]
        np.testing.assert_allclose(found["scores"][place][:count], scores, atol=1e-4)
    assert "must be one of de, fr" in found["error"]


INFER = """
import sys
from apps.{app}.infer import main
main(sys.argv[1:])
assert not {{"tensorflow", "keras", "pandas", "sklearn", "matplotlib"}} & set(sys.modules), "slow"
"""


def infer_without_tensorflow(app: str, *arguments: str | Path) -> list[dict]:
    command = [sys.executable, "-c", INFER.format(app=app), "--json", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return json.loads(done.stdout)


def test_infer_translates_without_tensorflow_as_keras_does(model, translator):
    answers = infer_without_tensorflow("translation", "--model", model, "--n-best", "3", *TEXTS[:4])
    expected = [translator.predict([text], language, n_best=3)[0] for text in TEXTS[:4] for language in LANGUAGES]
    assert [answer["language"] for answer in answers] == LANGUAGES * 4
    for answer, one in zip(answers, expected, strict=True):
        assert [found["text"] for found in answer["alternatives"]] == [found.text for found in one.alternatives]
        assert answer["score"] == pytest.approx(one.score, abs=1e-4)


def test_another_beam_is_that_of_keras_or_refused(model, translator):
    outcome = run_app("apps.translation.infer", "--model", model, "--runtime=litert", "--beam=3", "A dog.")
    assert (outcome.status, outcome.stdout) == (2, "")
    assert outcome.stderr.count("\n") == 1 and "--beam 3" in outcome.stderr and "was exported with 5" in outcome.stderr
    auto = Translator.load(model, runtime="auto", beam=3)
    assert auto.predict(TEXTS[:1], beam=3)[0].text == translator.predict(TEXTS[:1], beam=3)[0].text
    with pytest.raises(UserError, match="exported with 5"):
        Translator.load(model, runtime="auto").predict(TEXTS[:1], beam=3)


def test_an_export_answers_all_that_a_translator_asks(model, translator):
    """Length penalties, where it looked, how likely references are; twice, and in another order."""
    exported = Translator.load(model, runtime="litert")
    for penalty in (0.0, 0.6):
        found, expected = (one.predict(TEXTS, length_penalty=penalty) for one in (exported, translator))
        assert [answer.text for answer in found] == [answer.text for answer in expected]
    found, expected = (one.predict(TEXTS[3:4], with_alignment=True)[0].alignment for one in (exported, translator))
    assert found.target_pieces == expected.target_pieces
    np.testing.assert_allclose(found.weights, expected.weights, atol=1e-5)
    references = [sentence["de"] for sentence in SENTENCES[:12]]
    likely = [one.perplexity(TEXTS, references, "de") for one in (exported, translator)]
    assert likely[0] == pytest.approx(likely[1], rel=1e-4)
    forwards, backwards = exported.predict(TEXTS), exported.predict(TEXTS[::-1])
    assert [answer.score for answer in exported.predict(TEXTS)] == [answer.score for answer in forwards]
    np.testing.assert_allclose([one.score for one in backwards[::-1]], [one.score for one in forwards], atol=1e-5)


@pytest.mark.parametrize(
    ("decoder", "attention", "backbone"),
    [("input_feeding", "additive", "simple_rnn"), ("parallel", "none", "lstm")],
)
def test_every_form_of_the_translator_leaves_in_built_in_ops(tokeniser, decoder, attention, backbone):
    options = TranslationSettings(
        decoder=decoder, attention=attention, backbone=backbone, layers=1, joint=False, **SIZES
    )
    network = build_translator(options, tokeniser.vocabulary_size, tokeniser.vocabulary_size, len(LANGUAGES))
    random_weights(network)
    translator = Translator(KerasNetwork(network), tokeniser, tokeniser, LANGUAGES)
    signature = arrays_signature(translator, network)
    exported = LiteRTNetwork(to_litert(signature, further={"read": read_signature(network)}))
    given = search_arrays(translator, sample_batches(LANGUAGES)[2])
    found, expected = exported(given), as_function(signature)(given)
    np.testing.assert_array_equal(found["token_ids"][:, 0], expected["token_ids"][:, 0])
    np.testing.assert_allclose(found["scores"][:, 0], expected["scores"][:, 0], atol=1e-4)
    read = read_arrays(translator, sample_batches(LANGUAGES)[2]).values()
    np.testing.assert_allclose(ExportedNetwork(exported).attend(*read), network.attend(*read), atol=1e-5)


OPTIONS = CaptioningSettings(encoder="small", picture_size=32, encoder_channels=8, units=12, embedding=8, most_pieces=9)


@pytest.fixture(scope="module")
def captioning(tokeniser, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("captioning") / "model"
    network = build_captioner(OPTIONS, (32, 32, 3), tokeniser.vocabulary_size)
    plain, files = OPTIONS.model_dump(mode="json"), {TOKENISER: tokeniser.model}
    weights = {name: value * 0.6 for name, value in random_weights(network).items()}
    save_model(folder, ModelFolder("captioning", plain, weights, files, {"encoder_weights": ""}), "")
    run(["export", str(folder), "--format", "litert", "--format", "saved_model"])
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> list[Path]:
    """Wide, square and tall ones, one large enough to be reduced first, one with a transparent edge."""
    folder = tmp_path_factory.mktemp("pictures")
    sizes = [(90, 40), (64, 64), (40, 90), (500, 333)]
    paths = []
    for number, (scene, size) in enumerate(zip(split_scenes("test"), sizes, strict=False)):
        picture = draw(scene, 96).convert("RGB").resize(size)
        paths.append(folder / f"{number}.{'jpg' if number % 2 else 'png'}")
        picture.save(paths[-1])
    clear = Image.new("RGBA", (50, 40), (200, 30, 30, 120))
    clear.paste((0, 0, 255, 255), (10, 10, 30, 30))
    clear.save(folder / "clear.png")
    return [*paths, folder / "clear.png"]


def test_a_captioner_is_the_same_as_files_and_as_pixels_without_keras(captioning, pictures):
    captioner = ImageCaptioner.load(captioning)
    expected = captioner.predict(pictures, with_attention=True)
    assert len({answer.text for answer in expected}) > 2
    answers = infer_without_tensorflow("captioning", "--model", captioning, *pictures)
    assert [answer["text"] for answer in answers] == [answer.text for answer in expected]
    found = ask_saved_model(captioning, image=[path.read_bytes() for path in pictures])
    assert found["caption"] == [answer.text for answer in expected]
    # One picture is tall; see the next test.
    np.testing.assert_allclose(found["score"], [answer.score for answer in expected], rtol=1e-4)
    looked = ImageCaptioner.load(captioning, runtime="litert").predict(pictures, with_attention=True)
    for one, other in zip(looked, expected, strict=True):
        assert one.attention.words == other.attention.words
        np.testing.assert_allclose(one.attention.weights, other.attention.weights, atol=1e-5)
    assert all(entry["equal"] == 1.0 for entry in read_metrics(captioning))
    assert '[open("FILE", "rb").read()]' in (captioning / "saved_model" / "README.md").read_text()


def test_pictures_in_a_graph_have_the_numbers_of_pillow(pictures):
    """Which axis comes first in a tall picture depends on Pillow's version, and tells by a level or two."""
    from apps.captioning.graph import read_pictures
    from apps.captioning.pictures import as_pixels, read_picture

    for path in pictures:
        expected = as_pixels(read_picture(path), 48).astype(int)
        found = read_pictures(ops.convert_to_tensor([path.read_bytes()]), 48).numpy()[0].astype(int)
        is_tall = Image.open(path).height > Image.open(path).width
        assert np.abs(found - expected).max() <= (3 if is_tall else 0), path
        # What is above could not fail if every picture were grey.
        assert expected.std() > 10


def test_a_pretrained_encoder_goes_along(tokeniser, tmp_path):
    """Untrained, since nothing is downloaded here; what a phone is given is pixels."""
    from apps.captioning import encoders
    from apps.captioning.export import Whole, arrays_signature
    from apps.captioning.network import KerasNetwork as CaptioningNetwork

    keras.utils.set_random_seed(1)
    encoder = encoders.Frozen("mobilenet_v2", encoders.build_pretrained("mobilenet_v2"))
    options = OPTIONS.model_copy(update={"encoder": "mobilenet_v2"})
    network = build_captioner(options, encoder.shape, 200)
    random_weights(network)
    captioner = ImageCaptioner(CaptioningNetwork(network), encoder, tokeniser, most_pieces=9)
    assert encoders.pixels_for(options).grid == encoder.grid
    content = to_litert(arrays_signature(captioner, Whole(captioner, rounded=False)))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3)).astype(np.uint8)
    limits = np.array([9, 5], np.int32)
    found = LiteRTNetwork(content)({"pixels": pixels, "limits": limits, "length_penalty": np.float32(0.7)})
    expected = captioner.network.search(encoder(pixels), limits, 3, 0.7, 3)
    np.testing.assert_array_equal(found["token_ids"], expected[0])
    np.testing.assert_allclose(found["scores"], expected[1], rtol=1e-4)


def of_scores(scores: list[float], differing: int) -> list[dict[str, np.ndarray]]:
    token_ids = np.ones((len(scores), 2, 3), np.int32)
    token_ids[:differing, 0] = 2
    return [{"token_ids": token_ids, "scores": np.array([[score, -9] for score in scores], np.float32)}]


@pytest.mark.parametrize(
    ("rescored", "quantise", "message"),
    [
        (-1.00005, "none", ""),
        (-1.001, "none", "only 98.00% of the answers are those of Keras or near ties"),
        (-1.09, "int8", ""),
        (-1.11, "int8", "only 98.00%"),
        (None, "none", "only 98.00% of the answers are those of Keras;"),
    ],
)
def test_another_sequence_is_let_through_where_keras_finds_it_as_likely(rescored, quantise, message):
    """Two of a hundred sequences differ; what Keras gives to them decides."""
    rng = np.random.default_rng(0)
    scores = rng.uniform(-2, 0, 100)
    scores[:2] = -1.0

    def rescore(inputs, found):
        return np.full(100, rescored, np.float32)

    theirs = scores.copy()
    theirs[:2] = rescored or -1.0
    samples = Samples([{}], {}, "scores", written="token_ids", rescore=None if rescored is None else rescore)
    figures = compare_written(samples, of_scores(scores, 0), of_scores(theirs, 2), quantise)
    assert figures["equal"] == 0.98
    if not message:
        check_differences(figures, quantise, "file")
        return
    with pytest.raises(WorkFailed, match=message):
        check_differences(figures, quantise, "file")


def test_a_sequence_is_scored_by_the_losses_of_its_ids():
    def losses(inputs, token_ids):
        assert token_ids[:, 0].tolist() == [2, 2]
        return np.where(token_ids[:, 1:] > 0, token_ids[:, 1:] * 0.1, 0)

    token_ids = np.array([[5, 6, 3], [4, 3, 0]])
    np.testing.assert_allclose(score_by(losses, np.zeros(2), token_ids, 1.0), [-1.4 / 3, -0.7 / 2])
    np.testing.assert_allclose(score_by(losses, np.zeros(2), token_ids, 0.0), [-1.4, -0.7])
