"""Exports: what is written answers as the model does, also where this project is not; what differs is refused."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.__main__ import run
from apps.sentiment import SentimentClassifier
from apps.sentiment.config import SentimentSettings
from apps.sentiment.data import shorten
from apps.sentiment.model import build_model
from apps.sentiment.sample import generate_sample
from common import conversion, saved_model, text
from common.checkpoint import weights_by_path
from common.errors import UserError, WorkFailed
from common.export import check_differences, compare
from common.litert import LITERT, LiteRTNetwork
from common.model_folder import ModelFolder, load_model, read_config, read_metrics, save_model
from common.text import Tokeniser, fit_tokeniser
from tests.kit import ROOT, environment, run_app

# What a tokeniser may trip over: no letters, other scripts, composed and wide letters, and more than is read.
GOLDEN = [
    "A wonderful film.",
    "",
    "🎬🎬 !!",
    "Na\u00efve cafe\u0301 — 映画",
    "\uff27\uff2f\uff2f\uff24\u2003film",
    "It 's not bad , do n't miss it .<br />-LRB- Really -RRB-",
    "not bad at all, " * 60,
]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """The folder of a classifier whose weights are large enough for answers to differ."""
    texts = [line for line, _ in generate_sample(300, seed=3)]
    tokeniser = fit_tokeniser(texts, 400, fold_case=True)
    options = SentimentSettings(units=8, embedding=16, hidden=8, most_pieces=32)
    network = build_model(options, tokeniser.vocabulary_size, 2)
    rng = np.random.default_rng(0)
    weights = {
        name: rng.normal(scale=0.5, size=value.shape).astype(np.float32)
        for name, value in weights_by_path(network).items()
    }
    facts = {"labels": ["neg", "pos"], "temperature": 1.5}
    network.set_weights([weights[variable.path] for variable in network.trainable_variables])
    classifier = SentimentClassifier(network.predict_on_batch, tokeniser, ["neg", "pos"], options.most_pieces)
    # Half of the answers are one label, half the other.
    weights["logits/bias"] -= np.median(classifier.logits(texts[:50]), axis=0)
    folder = tmp_path_factory.mktemp("models") / "model"
    files = {"tokeniser.model": tokeniser.model}
    save_model(folder, ModelFolder("sentiment", options.model_dump(mode="json"), weights, files, facts), "")
    return folder


@pytest.fixture(scope="module")
def exported(model) -> Path:
    """A folder beside that of the model, with both exports."""
    folder = model.parent / "exported"
    run(["export", str(model), "--out", str(folder), "--format", "litert", "--format", "saved_model"])
    return folder


# It may be installed, so that it is found from any folder.
WITHOUT_THE_PROJECT = """
import sys

class Absent:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in ("apps", "common"):
            raise ModuleNotFoundError(f"No module named {name!r}")

sys.meta_path.insert(0, Absent)
"""


def ask_a_stranger(script: str, folder: Path, *arguments: str) -> Any:
    """Runs a script in a folder, in a process that cannot import this project; what it prints last is JSON."""
    command = [sys.executable, "-c", WITHOUT_THE_PROJECT + script, *arguments]
    variables = {name: value for name, value in environment().items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, encoding="utf-8", timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


LITERT_HOST = ROOT / "apps" / "sentiment" / "samples" / "litert_host.py"
NO_TENSORFLOW = """
import sys
if {"tensorflow", "keras"} & set(sys.modules):
    sys.exit("a host needs neither TensorFlow nor Keras")
"""

SAVED_MODEL_HOST = """
import json, sys
import tensorflow as tf
import tensorflow_text

model = tf.saved_model.load("saved_model")
found = model.signatures["serving_default"](text=tf.constant(json.loads(sys.argv[1])))
rows = zip(found["label"].numpy(), found["probabilities"].numpy().tolist(), found["truncated"].numpy().tolist())
print(json.dumps([[label.decode(), *probabilities, truncated] for label, probabilities, truncated in rows]))
"""


def test_a_host_with_litert_and_sentencepiece_alone_gives_our_answers(model, exported):
    texts = [line for line, _ in generate_sample(20, seed=4)]
    texts.append("not bad at all, " * 60)
    expected = SentimentClassifier.load(model).predict(texts)
    script = LITERT_HOST.read_text(encoding="utf-8") + NO_TENSORFLOW
    found = ask_a_stranger(script, exported, ".", *(text.normalise(line) for line in texts))
    assert {answer["label"] for answer in found} == {"neg", "pos"}
    for answer, prediction in zip(found, expected, strict=True):
        assert answer["label"] == prediction.label
        assert answer["probabilities"] == pytest.approx(prediction.probabilities, abs=1e-4)


def test_a_saved_model_takes_text_where_this_project_is_not(model, exported):
    """The empty text is answered here, where an app refuses it: START and END are read."""
    classifier = SentimentClassifier.load(model)
    rows = [text.normalise(line) for line in GOLDEN]
    expected = softmax_of(classifier.logits(rows), classifier.temperature)
    found = ask_a_stranger(SAVED_MODEL_HOST, exported, json.dumps(GOLDEN))
    np.testing.assert_allclose([row[1:3] for row in found], expected, atol=1e-4)
    assert [row[0] for row in found] == [classifier.labels[index] for index in expected.argmax(axis=1)]
    assert [row[3] for row in found] == [False] * 5 + [len(classifier.tokeniser.encode(rows)[5]) > 32, True]


def softmax_of(logits: np.ndarray, temperature: float) -> np.ndarray:
    powers = np.exp(logits / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


def test_infer_on_litert_imports_no_tensorflow_and_gives_the_answers_of_keras(exported, model):
    code = """
import sys
from apps.sentiment.infer import main
main(sys.argv[1:])
assert not {"tensorflow", "keras", "pandas", "sklearn", "matplotlib"} & set(sys.modules), "slow"
"""
    questions = ("A wonderful film.", "I want my money back, and " * 40)
    shutil.copyfile(model / "weights.npz", exported / "weights.npz")
    answers = {}
    for runtime in ("litert", "auto"):
        command = [sys.executable, "-c", code, "--model", str(exported), "--json", "--runtime", runtime, *questions]
        done = subprocess.run(
            command, cwd=Path(__file__).parent.parent, env=environment(), capture_output=True, encoding="utf-8"
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        answers[runtime] = json.loads(done.stdout)
    done = run_app("apps.sentiment.infer", "--model", exported, "--json", "--runtime", "keras", *questions)
    answers["keras"] = json.loads(done.stdout)
    (exported / "weights.npz").unlink()
    for one, two, three in zip(*answers.values(), strict=True):
        assert one == two
        assert one["label"] == three["label"]
        assert one["probabilities"] == pytest.approx(three["probabilities"], abs=1e-5)
    assert [answer["truncated"] for answer in answers["keras"]] == [False, True]


def test_figures_of_an_export_stand_beside_those_of_the_model(exported):
    by_name = {entry["data"]: entry for entry in read_metrics(exported)}
    assert set(by_name) == {LITERT, "saved_model"}
    for entry in by_name.values():
        assert entry["equal"] == 1.0
        assert entry["largest_difference"] < 1e-4
        assert entry["examples"] >= 100
        assert entry["milliseconds"] > 0
        assert f"--out {exported}" in entry["command"]
    found = by_name[LITERT]
    assert found["megabytes"] == pytest.approx((exported / LITERT).stat().st_size / 1e6)
    assert found["ops"]["UNIDIRECTIONAL_SEQUENCE_LSTM"] == 2
    assert found["quantise"] == "none"


def test_an_export_into_the_models_own_folder_is_read_by_it(model, tmp_path):
    folder = tmp_path / "own"
    shutil.copytree(model, folder)
    run(["export", str(folder), "--quantise", "int8"])
    assert SentimentClassifier.load(folder).predict(["dull"])[0].label in ("neg", "pos")
    assert [entry["quantise"] for entry in read_metrics(folder)] == ["int8"]
    with pytest.raises(UserError, match=rf"{LITERT}: already there; choose another --out, or .*--overwrite"):
        run(["export", str(folder)])
    run(["export", str(folder), "--overwrite"])
    assert [entry["quantise"] for entry in read_metrics(folder)] == ["none"]
    altered = bytearray((folder / LITERT).read_bytes())
    altered[len(altered) // 2] ^= 1
    (folder / LITERT).write_bytes(altered)
    with pytest.raises(UserError, match=f"{LITERT}: truncated or altered"):
        SentimentClassifier.load(folder, runtime="litert")


def test_an_export_over_that_of_another_model_leaves_nothing_of_it(model, exported, tmp_path):
    saved = load_model(model, "sentiment")
    other, out = tmp_path / "other", tmp_path / "out"
    weights = {name: value * 0.9 for name, value in saved.weights.items()}
    save_model(other, replace(saved, weights=weights, settings={**saved.settings, "most_pieces": 24}), "")
    shutil.copytree(exported, out)
    run(["export", str(other), "--out", str(out), "--overwrite"])
    assert read_config(out)["settings"]["most_pieces"] == 24
    assert not (out / "saved_model").exists()
    assert [entry["data"] for entry in read_metrics(out)] == [LITERT]


def test_an_export_that_differs_is_refused_and_not_written(model, tmp_path, monkeypatch):
    right = conversion.to_litert

    def convert_something_else(signature, quantise, further):
        def wrong(**arrays):
            found = signature.function(**arrays)
            return {name: value * 1.01 for name, value in found.items()}

        return right(type(signature)(wrong, signature.inputs, signature.meaning), quantise, further)

    monkeypatch.setattr(conversion, "to_litert", convert_something_else)
    with pytest.raises(WorkFailed, match="numbers differ from those of Keras by up to"):
        run(["export", str(model), "--out", str(tmp_path / "out")])
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("found", "quantise", "message"),
    [
        ([[0.4, 0.6]] * 100, "none", "only 0.00% of the answers"),
        ([[0.6002, 0.3998]] * 100, "none", "by up to 2.0e-04"),
        ([[np.nan, 0.4]] * 100, "int8", "differ"),
        ([[0.6, 0.4]] * 98 + [[0.4, 0.6]] * 2, "int8", "only 98.00%"),
        ([[0.6, 0.4]] * 99, "none", "compared on 99 samples; 100 are needed"),
    ],
)
def test_how_much_may_differ(found, quantise, message):
    expected = [np.array([[0.6, 0.4]] * len(found))]
    with pytest.raises(WorkFailed, match=message):
        check_differences(compare(expected, [np.array(found)], has_labels=True), quantise, "file")


def test_what_is_near_enough_is_let_through():
    expected = np.random.default_rng(0).uniform(size=(100, 2))
    check_differences(compare([expected], [expected + 9e-5], has_labels=True), "none", "file")
    check_differences(compare([expected], [expected + 0.01], has_labels=True), "int8", "file")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--format", "onnx"], "`format.0`: .*'onnx'"),
        (["--quantise", "int4"], "`quantise`: .*'int4'"),
        (["--out", "{full}"], "full: already there"),
        (["--out", "{file}"], "file: cannot be written"),
    ],
)
def test_a_wrong_call_is_refused_before_any_work(model, tmp_path, flags, message):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    given_flags = [flag.format(full=tmp_path / "full", file=tmp_path / "file") for flag in flags]
    with pytest.raises(UserError, match=message):
        run(["export", str(model), *given_flags])
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "full", "letter.txt"]


def test_weights_that_are_not_those_trained_are_not_exported(model, tmp_path):
    folder = tmp_path / "altered"
    shutil.copytree(model, folder)
    (folder / "weights.npz").write_bytes(b"other weights")
    with pytest.raises(UserError, match=r"weights.npz: truncated or altered"):
        run(["export", str(folder)])


def test_litert_is_asked_for_where_nothing_was_exported(model):
    with pytest.raises(UserError, match=f"no {LITERT} in .*; make it with python -m apps export"):
        SentimentClassifier.load(model, runtime="litert")


# Words, and what the rules are about: spaces of many kinds, tags, brackets, endings, and letters beyond ASCII.
RULES = ("<br>", "<BR/>", "-LRB-", "-rrb-", "``", "''", "'s", "'S", "n't", "'re")
PARTS = st.sampled_from(
    [*RULES, "it", "do", *".,)([]%_7 \t\n\x0b\x1c\x85\u00a0\u2028\u3000\u00e9\u00df\u6620\u0301\U0001f3ac"]
)


@settings(deadline=None, max_examples=300)
@given(st.lists(PARTS, max_size=12).map("".join))
def test_the_graph_normalises_as_the_code_does(line):
    assert saved_model.normalise(tf.constant([line])).numpy()[0].decode() == text.normalise(line)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.lists(st.integers(4, 99), max_size=12), min_size=1, max_size=4), st.integers(4, 14))
def test_the_graph_shortens_as_the_code_does(rows, most):
    found, truncated = saved_model.shorten(tf.ragged.constant(rows, tf.int32, ragged_rank=1), most, most // 4)
    expected = [shorten(np.array(row, np.int32), most) for row in rows]
    for ids, row in zip(found.numpy(), expected, strict=True):
        np.testing.assert_array_equal(ids, np.pad(row, (0, len(ids) - len(row))))
    assert truncated.numpy().tolist() == [len(row) > most for row in rows]


def test_a_litert_file_says_what_it_takes_and_gives(exported):
    content = (exported / LITERT).read_bytes()
    assert b"calibrated, of neg, pos" in content
    assert LiteRTNetwork(content).inputs == ["token_ids"]
    card = (exported / "saved_model" / "README.md").read_text()
    assert '{"inputs": {"text": [' in card
    assert "saved_model_cli show --dir saved_model" in card


def test_the_tokeniser_beside_the_file_gives_the_ids_of_the_one_inside(exported):
    content = (exported / "tokeniser.model").read_bytes()
    inside = saved_model.build_tokeniser(content)
    rows = [text.normalise(line) for line in GOLDEN]
    assert inside.tokenize(rows).to_list() == [row.tolist() for row in Tokeniser(content).encode(rows)]
