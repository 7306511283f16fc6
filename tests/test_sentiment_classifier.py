"""The classifier over a network that is a few lines of NumPy: what goes in, in which order, what comes out, and why."""

import csv
import io
import json
import math
import sys
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.sentiment import evaluate, infer
from apps.sentiment.classifier import SentimentClassifier
from common.errors import UserError
from common.model_folder import ModelFolder, read_metrics, save_model
from common.text import END, PADDING, START, Tokeniser, fit_tokeniser

# A loaded machine would break the deadline, which says nothing of the code.
properties = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
WORDS = ("good", "bad", "film", "plain", "café", "naïve")


@dataclass
class CountingNetwork:
    """Logits `(batch, 2)`: nothing for neg, and for pos twice the number of "good" less that of "bad"."""

    tokeniser: Tokeniser
    batches: list[np.ndarray] = field(default_factory=list)

    def __call__(self, token_ids: np.ndarray) -> np.ndarray:
        self.batches.append(token_ids)
        texts = [self.tokeniser.decode(row) for row in token_ids]
        return np.array([[0.0, 2.0 * score(text)] for text in texts], np.float32)


def score(text: str) -> int:
    words = text.split()
    return words.count("good") - words.count("bad")


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


@pytest.fixture(scope="module")
def tokeniser() -> Tokeniser:
    rng = np.random.default_rng(0)
    return fit_tokeniser([" ".join(rng.choice(WORDS, 6)) for _ in range(200)], 300, fold_case=True)


@pytest.fixture
def classifier(tokeniser) -> SentimentClassifier:
    return SentimentClassifier(CountingNetwork(tokeniser), tokeniser, ["neg", "pos"], most_pieces=64)


SHORT_TEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join)


@properties
@given(st.lists(SHORT_TEXTS, max_size=8))
def test_answers_come_in_the_order_of_the_texts(tokeniser, texts):
    classifier = SentimentClassifier(CountingNetwork(tokeniser), tokeniser, ["neg", "pos"], most_pieces=64)
    found = classifier.predict(texts)
    assert [prediction.text for prediction in found] == texts
    for prediction in found:
        expected = sigmoid(2 * score(prediction.text))
        assert prediction.probabilities == pytest.approx({"neg": 1 - expected, "pos": expected})
        assert prediction.label == max(prediction.probabilities, key=prediction.probabilities.get)
        assert prediction.probability == prediction.probabilities[prediction.label]


def test_the_network_reads_ids_padded_on_the_right_in_batches_of_like_length(classifier):
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, size)) for size in (2, 40) * 400]
    found = classifier.predict(texts)
    assert [prediction.label == "pos" for prediction in found] == [score(text) > 0 for text in texts]
    batches = classifier.network.batches
    assert len(batches) > 2
    assert sum(len(batch) for batch in batches) == 800
    for batch in batches:
        assert batch.dtype == np.int32
        assert (batch[:, 0] == START).all()
        lengths = (batch != PADDING).sum(axis=1)
        assert (batch[np.arange(len(batch)), lengths - 1] == END).all()
        assert batch.shape[1] == lengths.max()
    padded = sum((batch == PADDING).sum() for batch in batches)
    assert padded < 0.2 * sum(batch.size for batch in batches)


def test_no_texts_give_no_answers(classifier):
    assert classifier.predict([]) == []


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_the_temperature_divides_the_logits(classifier, temperature):
    classifier.temperature = temperature
    [found] = classifier.predict(["good good film"])
    assert found.probability == pytest.approx(sigmoid(4 / temperature))


def test_a_long_text_is_read_at_its_ends_and_said_to_be_truncated(classifier):
    filler = "plain " * 100
    short, middle, end = classifier.predict(["good film", f"{filler} good {filler}", f"{filler} good"])
    assert [found.truncated for found in (short, middle, end)] == [False, True, True]
    assert middle.probabilities["pos"] == pytest.approx(0.5)
    assert end.probabilities["pos"] == pytest.approx(sigmoid(2))
    assert max(batch.shape[1] for batch in classifier.network.batches) == 64


def test_a_text_that_just_fits_is_not_truncated(classifier):
    [row] = classifier.tokeniser.encode(["good film"])
    for classifier.most_pieces, is_cut in ((len(row), False), (len(row) - 1, True)):
        assert classifier.predict(["good film"])[0].truncated == is_cut


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (" ", "the text is empty"),
        ("<br />", "the text is empty"),
        ("good " * 200_000, "the text has 1,000,000 characters"),
        ("na\udcefve", "not UTF-8"),
    ],
)
def test_a_text_that_cannot_be_read_is_named_with_its_place_before_the_network_runs(classifier, text, message):
    with pytest.raises(UserError, match=f"text 2: {message}"):
        classifier.predict(["good", text])
    with pytest.raises(UserError, match=f"mine.txt, line 7: {message}"):
        classifier.predict(["good", text], places=["mine.txt, line 6", "mine.txt, line 7"])
    assert classifier.network.batches == []


def test_the_text_is_normalised_for_the_network_and_given_back_as_it_came(classifier):
    [found] = classifier.predict(["A <br />GOOD\nfilm"])
    assert found.text == "A <br />GOOD\nfilm"
    assert found.label == "pos"


@properties
@given(SHORT_TEXTS)
def test_each_word_is_explained_by_what_is_lost_without_it(tokeniser, text):
    """Beside a plain loop over the words."""
    classifier = SentimentClassifier(CountingNetwork(tokeniser), tokeniser, ["neg", "pos"], 64, temperature=2.0)
    [found] = classifier.predict([text], with_words=True)
    words = text.split()
    assert [word.word for word in found.words] == words
    sign = 1 if found.label == "pos" else -1
    for place, word in enumerate(found.words):
        without = score(" ".join(words[:place] + words[place + 1 :]))
        assert word.share == pytest.approx(sigmoid(sign * score(text)) - sigmoid(sign * without), abs=1e-6)


def test_the_decisive_word_has_the_largest_share(classifier):
    [found] = classifier.predict(["Café naïve, bad film plain"], with_words=True)
    assert found.label == "neg"
    assert max(found.words, key=lambda word: word.share).word == "bad"


def test_many_words_are_explained_in_runs_that_make_up_the_text(classifier):
    classifier.most_pieces = 2000
    text = " ".join(["plain"] * 334 + ["good"] + ["plain"] * 116)
    [found] = classifier.predict([text], with_words=True)
    assert " ".join(word.word for word in found.words) == text
    assert 100 <= len(found.words) <= 200
    assert [word.word for word in found.words if word.share > 1e-6] == ["plain good plain"]


def test_a_word_that_was_not_read_did_nothing(classifier):
    [found] = classifier.predict(["plain " * 100 + "bad " + "plain " * 100 + "good"], with_words=True)
    [bad], [good] = ([word.share for word in found.words if name in word.word] for name in ("bad", "good"))
    assert bad == 0.0
    assert good == pytest.approx(sigmoid(2) - 0.5)


def test_rows_hold_words_only_if_asked_for(classifier):
    [plain], [explained] = (classifier.predict(["good film"], with_words=with_words) for with_words in (False, True))
    assert "words" not in plain.as_row()
    assert [word["word"] for word in explained.as_row()["words"]] == ["good", "film"]
    assert json.loads(json.dumps(plain.as_row()))["label"] == "pos"


@pytest.fixture
def loaded(classifier, monkeypatch):
    """The commands find the classifier over the counting network, whatever model is named."""
    monkeypatch.setattr(SentimentClassifier, "load", classmethod(lambda cls, *arguments, **options: classifier))
    monkeypatch.setenv("NO_COLOR", "1")
    return classifier


def test_infer_prints_a_line_a_text(loaded, capsys):
    infer.main(["good film", "bad\nfilm", "--explain"])
    assert capsys.readouterr().out.splitlines() == ["pos   88.1%  +good+ film", "neg   88.1%  -bad- film"]


def test_infer_says_what_it_did_not_read_and_breaks_no_line(loaded, capsys):
    infer.main(["good\nfilm", "plain " * 100 + "bad"])
    first, second = capsys.readouterr().out.splitlines()
    assert first == "pos   88.1%  good film"
    assert second.endswith("plain bad  [the middle was too long to read]")


def test_infer_reads_standard_input_and_writes_json_and_csv(loaded, capsys, monkeypatch):
    for style in ("--json", "--csv"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("good film\nbad, naïve\n".encode())))
        infer.main([style])
    out = capsys.readouterr().out
    end_of_json = out.index("]\n") + 2
    rows = json.loads(out[:end_of_json])
    assert [(row["text"], row["label"]) for row in rows] == [("good film", "pos"), ("bad, naïve", "neg")]
    read = list(csv.DictReader(io.StringIO(out[end_of_json:])))
    assert [row["text"] for row in read] == ["good film", "bad, naïve"]
    assert [json.loads(row["probabilities"]) for row in read] == [row["probabilities"] for row in rows]


def test_infer_names_the_line_of_a_text_that_is_empty(loaded, tmp_path):
    (tmp_path / "texts.txt").write_text("good\n\nbad\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"texts\.txt, line 2: the text is empty"):
        infer.main(["--file", str(tmp_path / "texts.txt")])


@pytest.fixture
def model(tmp_path):
    save_model(tmp_path / "model", ModelFolder("sentiment", {}, {}), "# A model\n\n## Figures\n\n## Limits\n")
    return tmp_path / "model"


@pytest.fixture
def labelled(tmp_path):
    path = tmp_path / "films.tsv"
    path.write_text("label\ttext\npos\tgood film\nneg\tbad film\nneg\tgood café\npos\tgood good\n", encoding="utf-8")
    return path


def test_evaluate_counts_what_is_right(loaded, capsys, model, labelled):
    evaluate.main([str(model), "--data", str(labelled), "--json"])
    printed = capsys.readouterr()
    entry = json.loads(printed.out)
    assert (entry["data"], entry["split"], entry["examples"]) == ("films", "test", 4)
    assert entry["accuracy"] == 3 / 4
    assert entry["confusion"] == [[1, 1], [0, 2]]
    assert entry["command"] == f"python -m apps evaluate {model} --data {labelled} --json"
    assert "films, test: 4 texts (2 neg, 2 pos)" in printed.err
    assert read_metrics(model) == []


def test_evaluate_records_its_figures_in_place_of_older_ones(loaded, capsys, model, labelled):
    for _ in range(2):
        evaluate.main([str(model), "--data", str(labelled), "--record"])
    assert "accuracy   0.7500" in capsys.readouterr().out
    [entry] = read_metrics(model)
    assert entry["accuracy"] == 3 / 4
    assert "| films | test | 4 | 0.7500 |" in (model / "README.md").read_text(encoding="utf-8")


def test_evaluate_refuses_labels_that_the_model_does_not_know(loaded, model, labelled):
    labelled.write_text("label\ttext\nmixed\tgood film\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"films, test: unknown label 'mixed'.*neg, pos"):
        evaluate.main([str(model), "--data", str(labelled)])


def test_evaluate_refuses_a_precision_that_is_none(loaded, model):
    with pytest.raises(UserError, match=r"`precision`.*'float32'.*Received: 'float3'"):
        evaluate.main([str(model), "--precision", "float3"])
