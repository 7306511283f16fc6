"""Parallel sentences in every form they come in, and what is wrong with them in one line."""

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.translation.config import DataSettings, TranslationSettings
from apps.translation.data import (
    MOST_WORDS,
    Corpus,
    EpochBatches,
    Examples,
    TrainingData,
    as_batch,
    check_sentence,
    load_corpora,
)
from apps.translation.sample import LANGUAGES, generate_sample
from common.errors import UserError
from common.sources import Source
from common.text import END, START, fit_tokeniser

ENGLISH = ["A dog runs.", "A cat sleeps.", "Two men talk.", "It rains."]
GERMAN = ["Ein Hund rennt.", "Eine Katze schläft.", "Zwei Männer reden.", "Es regnet."]
FRENCH = ["Un chien court.", "Un chat dort.", "Deux hommes parlent.", "Il pleut."]


@pytest.fixture
def folder(tmp_path):
    """Files of three languages, one of them packed; a validation split in two of them."""
    for split, size in (("train", 4), ("val", 2)):
        (tmp_path / f"{split}.en").write_text("\n".join(ENGLISH[:size]) + "\n", encoding="utf-8")
        (tmp_path / f"{split}.de.gz").write_bytes(gzip.compress(("\n".join(GERMAN[:size]) + "\n").encode()))
    (tmp_path / "train.fr").write_text("\n".join(FRENCH) + "\n", encoding="utf-8")
    return tmp_path


def load(path, split="train", **settings) -> list[Corpus]:
    return load_corpora(Source.parse(str(path)), split, DataSettings(**settings))


def test_a_folder_is_read_into_a_corpus_for_each_language(folder):
    german, french = load(folder, target="de, fr")
    assert (german.sources, german.references) == (ENGLISH, GERMAN)
    assert (french.target, french.references) == ("fr", FRENCH)
    [validation] = load(folder, "validation", target="de")
    assert validation.references == GERMAN[:2]


def test_a_language_that_a_folder_lacks_is_left_to_other_sources(folder):
    assert [corpus.target for corpus in load(folder, target="de,cs")] == ["de"]
    with pytest.raises(UserError, match="--target cs: no data has it; found: de"):
        TrainingData.load(TranslationSettings(data=(str(folder),), target="de,cs"))


def test_a_table_of_two_columns_is_parted_by_its_sentences(tmp_path):
    rows = [f"{a}\t{b}" for a, b in zip(ENGLISH * 50, GERMAN * 50, strict=True)]
    rows = [f"{number} {row}" for number, row in enumerate(rows)]
    path = tmp_path / "pairs.tsv"
    path.write_text("en\tde\n" + "\n".join(rows) + "\n", encoding="utf-8")
    parts = [load(path, split)[0] for split in ("train", "validation", "test")]
    train, validation, whole = ([*zip(part.sources, part.references, strict=True)] for part in parts)
    assert len(whole) == 200 and set(train) | set(validation) == set(whole) and not set(train) & set(validation)
    assert 5 < len(validation) < 40


def test_what_is_turned_round_is_read_turned_round(folder):
    [corpus] = load(folder, source="de", target="en")
    assert (corpus.sources, corpus.references) == (GERMAN, ENGLISH)


def test_sides_of_different_length_are_named_with_where_they_look_shifted(tmp_path):
    english = [f"{'word ' * (3 + 7 * (number % 4))}{number}." for number in range(40)]
    german = [f"{'Wort ' * (3 + 7 * (number % 4))}{number}." for number in range(40)]
    del german[20]
    (tmp_path / "train.en").write_text("\n".join(english) + "\n")
    (tmp_path / "train.de").write_text("\n".join(german) + "\n")
    with pytest.raises(UserError, match=r"train.en has 40 lines and .*train.de 39.*shifted from line 2[0-4] on"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("A dog.\n\nA cat.\n", "train.en and train.de, line 2: the sentence is empty"),
        ("A dog.\nB.\n" + "word " * (MOST_WORDS + 1) + "\n", "line 3: 1,001 words, at most 1,000"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, content, words):
    (tmp_path / "train.en").write_text(content)
    (tmp_path / "train.de").write_text("Ein Hund.\nB.\nEine Katze.\n")
    with pytest.raises(UserError, match=words):
        load(tmp_path)


@pytest.mark.parametrize(
    ("path", "settings", "words"),
    [
        ("nowhere", {}, "no such file or folder"),
        ("", {"source": "xx"}, "no file in 'xx'"),
        ("", {"target": "cs"}, "nothing in en and cs"),
        ("", {"target": ","}, "at least one language"),
    ],
)
def test_what_is_not_there_is_named(folder, path, settings, words):
    with pytest.raises(UserError, match=words):
        load(folder / path, **settings)


def test_a_split_that_is_not_there_is_named_with_those_that_are(folder):
    with pytest.raises(UserError, match="no split 'test_2016'; found: train, val"):
        load(folder, "test_2016")


def test_half_a_character_is_no_text():
    with pytest.raises(UserError, match="place: not UTF-8"):
        check_sentence("\ud83d", "place")


def test_the_sample_agrees_in_gender_and_case():
    sentences = generate_sample(3000, seed=1)
    assert len({sentence["en"] for sentence in sentences}) == 3000
    by_english = {sentence["en"]: sentence for sentence in sentences}
    found = [by_english[text] for text in by_english if text.startswith("Today the small dog sees a red house")]
    for sentence in found:
        assert sentence["de"] == "Heute sieht der kleine Hund ein rotes Haus."
        assert sentence["fr"] == "Aujourd'hui le petit chien voit une maison rouge."
    for sentence in sentences:
        # A masculine object in German has its accusative, and an infinitive stands last.
        if " the hat." in sentence["en"]:
            assert "den Hut" in sentence["de"] and "le chapeau." in sentence["fr"]
        if " must " in sentence["en"]:
            assert sentence["de"].removesuffix(".").endswith("n")
        assert tuple(sentence) == LANGUAGES


@pytest.fixture(scope="module")
def tokeniser():
    return fit_tokeniser([*ENGLISH * 9, *GERMAN * 9], 100, fold_case=False)


def test_a_source_begins_with_its_target_language_and_a_target_with_start(tokeniser):
    corpus = Corpus("x", "train", "fr", ENGLISH, FRENCH)
    examples = Examples.encode(corpus, tokeniser, tokeniser, ["de", "fr"], 100)
    assert {row[0] for row in examples.source_ids} == {tokeniser.vocabulary_size + 1}
    assert {row[0] for row in examples.target_ids} == {START}
    assert {row[-1] for row in examples.source_ids + examples.target_ids} == {END}


def test_the_network_foretells_each_id_from_those_before_it(tokeniser):
    rows = tokeniser.encode(GERMAN)
    inputs, targets = as_batch(rows, rows)
    assert (inputs["target_ids"][:, 1:] == targets[:, :-1]).all()
    assert inputs["target_ids"].shape == targets.shape == (4, max(map(len, rows)) - 1)


@given(st.integers(20, 200), st.integers(0, 3))
def test_an_epoch_holds_every_pair_once_in_batches_of_the_size_asked_for(tokens, epoch):
    rng = np.random.default_rng(0)
    rows = [rng.integers(4, 99, rng.integers(3, 12)).astype(np.int32) for _ in range(50)]
    batches = EpochBatches([Examples(rows, rows[::-1], 1.0)], tokens, seed=1, epoch=epoch)
    found = []
    for index in range(len(batches)):
        inputs, targets = batches[index]
        assert inputs["source_ids"].size <= tokens and targets.size <= tokens
        found += [tuple(row[row > 0]) for row in inputs["source_ids"]]
    assert sorted(found) == sorted(map(tuple, rows))


def test_pairs_that_are_too_long_are_left_out(tokeniser):
    corpus = Corpus("x", "train", "de", ["A dog.", "A dog. " * 50], ["Ein Hund.", "Ein Hund. " * 50])
    assert len(Examples.encode(corpus, tokeniser, tokeniser, ["de"], 60).source_ids) == 1
    with pytest.raises(UserError, match="every pair is longer than --most-pieces 8"):
        Examples.encode(Corpus("x", "train", "de", ["A dog. " * 9], ["Hund"]), tokeniser, tokeniser, ["de"], 8)
