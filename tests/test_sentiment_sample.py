"""The sample data of the sentiment app: what the grammar promises, and the texts shown and judged by."""

import csv
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from apps.sentiment import sample

SAMPLES = Path(sample.__file__).parent / "samples"
SENTENCES = list(csv.DictReader((SAMPLES / "sentences.tsv").open(encoding="utf-8", newline=""), delimiter="\t"))
REVIEWS = (SAMPLES / "reviews.txt").read_text(encoding="utf-8").splitlines()
SHOWN = [row["text"] for row in SENTENCES] + REVIEWS
EVERYDAY = {
    split: list(csv.DictReader((SAMPLES / f"everyday_{split}.tsv").open(encoding="utf-8", newline=""), delimiter="\t"))
    for split in ("train", "validation")
}
GOOD = {word for topic in sample.TOPICS for word in topic.good}
BAD = {word for topic in sample.TOPICS for word in topic.bad}


@pytest.fixture(scope="module")
def examples() -> list[tuple[str, str]]:
    return sample.generate_sample(5000, seed=1)


def words(text: str) -> list[str]:
    return re.findall(r"[\w']+", text.lower())


def verdict(text: str) -> str:
    """The text without what stands before and after the verdict."""
    for sentence in [opener for topic in sample.TOPICS for opener in topic.openers] + list(sum(sample.ADVICE, ())):
        text = text.replace(sentence, "")
    return text.strip()


def deciding_clause(text: str) -> str:
    """The clause that a reader goes by, found in the text alone."""
    text = verdict(text)
    for contrast in (". Even so, ", ", but "):
        text = text.split(contrast)[-1]
    if text.startswith("Although "):
        text = text.split(", ")[1]
    return text.split(", ")[0]


def opinion(clause: str) -> str:
    """Each negation turns the opinion word round."""
    negations = len(re.findall(r"\b(not|never|nobody|far from|anything but|wrong)\b", clause, re.IGNORECASE))
    [word] = (GOOD | BAD).intersection(words(clause))
    return "pos" if (word in GOOD) == (negations % 2 == 0) else "neg"


def test_the_same_seed_gives_the_same_texts(examples):
    assert sample.generate_sample(5000, seed=1) == examples


def test_another_seed_gives_other_texts():
    assert sample.generate_sample(50, seed=1) != sample.generate_sample(50, seed=2)


@pytest.mark.parametrize(("count", "negative", "positive"), [(0, 0, 0), (1, 1, 0), (7, 4, 3), (200, 100, 100)])
def test_half_of_the_texts_are_positive(count, negative, positive):
    labels = Counter(label for _, label in sample.generate_sample(count, seed=3))
    assert (labels["neg"], labels["pos"]) == (negative, positive)


def test_twenty_thousand_texts_are_all_different():
    assert len({text for text, _ in sample.generate_sample(20_000, seed=4)}) == 20_000


def test_labels_do_not_alternate(examples):
    repeats = sum(first[1] == second[1] for first, second in pairwise(examples))
    assert 0.45 < repeats / len(examples) < 0.55


def test_texts_are_one_to_three_sentences_with_capital_and_full_stop(examples):
    sentence = r"[A-Z][\w ]*(, [\w ]+)*\."
    assert [text for text, _ in examples if not re.fullmatch(rf"{sentence}( {sentence}){{0,2}}", text)] == []


def test_a_rule_of_negation_and_contrast_gives_every_label(examples):
    assert [opinion(deciding_clause(text)) for text, _ in examples] == [label for _, label in examples]


def test_the_clauses_around_but_disagree(examples):
    pairs = [verdict(text).split(", but ") for text, _ in examples if ", but " in text]
    assert len(pairs) > 500
    assert [pair for pair in pairs if opinion(pair[0]) == opinion(pair[1])] == []


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("The acting is dull, but the story is not boring at all.", "pos"),
        ("I found the acting clever, even though the story is dull.", "pos"),
        ("Although the soup was tasty, the bread was far from fresh. I would not pay for it again.", "neg"),
        ("We stayed for one night. Nobody can say that the porter was not helpful.", "pos"),
    ],
)
def test_the_rule_reads_as_a_person_does(text, label):
    assert opinion(deciding_clause(text)) == label


def test_words_without_their_order_do_not_give_the_label(examples):
    """Logistic regression on word counts, fitted on 4,000 texts, misses a fifth or more of 1,000 others."""
    texts, labels = zip(*examples, strict=True)
    model = make_pipeline(CountVectorizer(), LogisticRegression(solver="liblinear"))
    model.fit(texts[:4000], labels[:4000])
    assert model.score(texts[4000:], labels[4000:]) < 0.8


def test_every_opinion_word_stands_under_both_labels(examples):
    seen = Counter((word, label) for text, label in examples for word in (GOOD | BAD).intersection(words(text)))
    for word in GOOD | BAD:
        share = seen[word, "pos"] / (seen[word, "pos"] + seen[word, "neg"])
        assert 0.25 < share < 0.75, f"{word}: {share:.2f} positive"


def test_the_sentences_are_ten_of_each_label_with_a_kind():
    assert [*SENTENCES[0]] == ["label", "text", "kind"]
    assert Counter(row["label"] for row in SENTENCES) == {"pos": 10, "neg": 10}
    assert {row["kind"] for row in SENTENCES} == {"negation", "contrast", "irony", "everyday", "saying"}
    assert all(None not in row and row["text"] == row["text"].strip() != "" for row in SENTENCES)


def test_the_reviews_are_seven_and_one_of_them_is_long():
    lengths = [len(review.split()) for review in REVIEWS]
    assert len(lengths) == 7
    assert 150 <= max(lengths) <= 250


def test_shown_texts_are_all_different():
    assert len({text.lower() for text in SHOWN}) == len(SHOWN) == 27


def test_no_shown_text_stands_in_the_sample(examples):
    generated = "\n".join(text for text, _ in examples)
    assert [text for text in SHOWN if text in generated] == []


def test_no_shown_text_can_come_from_the_grammar(examples):
    """Whatever the grammar says names a part of a thing and keeps to the grammar's few words."""
    vocabulary = {word for text, _ in examples for word in words(text)}
    parts = {part for topic in sample.TOPICS for part in topic.parts}
    names_a_part = [text for text in SHOWN if any(part in text.lower() for part in parts)]
    assert [text for text in names_a_part if vocabulary.issuperset(words(text))] == []


def test_no_shown_text_stands_among_the_everyday_sentences():
    """Neither as it is nor with most of its words in their order."""
    everyday = [set(runs(row["text"])) for row in EVERYDAY["train"]]
    shown = [row["text"] for row in SENTENCES]
    near = [text for text in shown if any(len(set(runs(text)) & found) > 0.5 * len(runs(text)) for found in everyday)]
    assert near == []


def test_the_everyday_sentences_are_half_of_each_label_and_no_sentence_stands_in_both_parts():
    for rows in EVERYDAY.values():
        counts = Counter(row["label"] for row in rows)
        assert abs(counts["pos"] - counts["neg"]) <= 0.01 * len(rows)
        assert len({row["text"].lower() for row in rows}) == len(rows)
    train, validation = ({tuple(words(row["text"])) for row in rows} for rows in EVERYDAY.values())
    assert train & validation == set()


def runs(text: str) -> list[tuple[str, ...]]:
    """All runs of four words; a shorter text is one."""
    found = words(text)
    return [tuple(found[index : index + 4]) for index in range(max(len(found) - 3, 1))]
