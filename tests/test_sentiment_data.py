"""Labelled texts of the sentiment app: from files, folders, TensorFlow Datasets and the sample to batches."""

import gzip
import lzma
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.sentiment.config import DataSettings, SentimentSettings
from apps.sentiment.data import (
    Corpus,
    EpochBatches,
    Examples,
    TrainingData,
    check_text,
    encode,
    load_corpus,
    shorten,
)
from common.config import parse_settings
from common.errors import UserError
from common.sources import Source
from common.text import END, START, fit_tokeniser

# A loaded machine would break the deadline, which says nothing of the code.
properties = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
RECIPES = Path(__file__).resolve().parent.parent / "apps" / "sentiment" / "recipes"
SPLITS = ("train", "validation", "test")


def load(source: object, split: str, **options) -> Corpus:
    return load_corpus(Source.parse(str(source)), split, DataSettings(**options))


def write(path: Path, rows: list[tuple[str, str]]) -> Path:
    path.write_text("label\ttext\n" + "".join(f"{label}\t{text}\n" for label, text in rows), encoding="utf-8")
    return path


def numbered(count: int, start: int = 0) -> list[tuple[str, str]]:
    return [(("neg", "pos")[n % 2], f"Film {n} of many.") for n in range(start, start + count)]


@pytest.fixture
def reviews(tmp_path) -> Path:
    return write(tmp_path / "reviews.tsv", numbered(300))


def test_a_single_file_is_parted_into_train_and_validation_and_is_all_of_test(reviews):
    parts = {split: load(reviews, split, held_out=0.2) for split in SPLITS}
    texts = {split: set(corpus.texts) for split, corpus in parts.items()}
    assert texts["train"] & texts["validation"] == set()
    assert texts["train"] | texts["validation"] == texts["test"] == {text for _, text in numbered(300)}
    assert 30 < len(texts["validation"]) < 90


def test_the_order_of_the_rows_does_not_change_who_is_held_out(reviews):
    before = set(load(reviews, "validation").texts)
    rows = numbered(300)
    random.Random(1).shuffle(rows)
    write(reviews, rows)
    assert set(load(reviews, "validation").texts) == before


def test_labels_stay_with_their_texts(reviews):
    corpus = load(reviews, "train")
    label_of = {text: label for label, text in numbered(300)}
    assert corpus.labels == [label_of[text] for text in corpus.texts]


@pytest.mark.parametrize("validation", ["validation", "valid", "val", "dev"])
def test_a_folder_with_all_splits_holds_nothing_out(tmp_path, validation):
    for name, start, count in (("train", 0, 20), (validation, 20, 5), ("test", 25, 6)):
        write(tmp_path / f"{name}.tsv", numbered(count, start))
    assert [len(load(tmp_path, split).texts) for split in SPLITS] == [20, 5, 6]


def test_a_folder_without_validation_holds_a_part_of_train_out(tmp_path):
    write(tmp_path / "train.tsv", numbered(200))
    write(tmp_path / "test.tsv", numbered(10, 200))
    train, held_out, test = (set(load(tmp_path, split).texts) for split in SPLITS)
    assert train & held_out == set()
    assert len(train) + len(held_out) == 200
    assert len(test) == 10


def test_a_folder_may_hold_packed_files_of_several_kinds_and_splits_of_other_names(tmp_path):
    (tmp_path / "train.csv.gz").write_bytes(gzip.compress(b"text,label\nFine.,pos\nDull.,neg\n"))
    (tmp_path / "test.jsonl.xz").write_bytes(lzma.compress(b'{"text": "Fine.", "label": "pos"}\n'))
    write(tmp_path / "hard.tsv", [("neg", "Fine, if you must.")])
    assert load(tmp_path, "train", held_out=0.0001).texts == ["Fine.", "Dull."]
    assert load(tmp_path, "test").labels == ["pos"]
    assert load(tmp_path, "hard").texts == ["Fine, if you must."]


def test_texts_are_normalised_and_labels_of_other_corpora_read_as_ours(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('stars,review,id\npositive,"It \'s warm .<br />Go!",1\n negative ,Dull,2\n3,So so,3\n', "utf-8")
    corpus = load(path, "test", text_column="review", label_column="stars")
    assert corpus.texts == ["It's warm. Go!", "Dull", "So so"]
    assert corpus.labels == ["pos", "neg", "3"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"label\ttext\n", "no rows in split test"),
        (b"stars\treview\n5\tfine\n", "no column 'text'; found: stars, review"),
        (b"label\ttext\npos\tfine\npos\n", "row 2: 1 fields where the header has 2"),
        (b"label\ttext\npos\tfine\nneg\t \n", "row 2: the text is empty"),
        (b"label\ttext\npos\t<br />\n", "row 1: the text is empty"),
        (b"label\ttext\n\tfine\n", "row 1: the label is empty"),
        (b"label\ttext\npos\tna\xefve\n", "line 2: not UTF-8"),
        (b"label\ttext\npos\t" + b"long " * 200_000 + b"\n", "row 1: the text has 1,000,000 characters"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(tmp_path, content, message):
    path = tmp_path / "a.tsv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"a\.tsv.*{message}"):
        load(path, "test")


def test_half_a_character_in_json_is_refused_with_its_place(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"label": "pos", "text": "fine \\ud83d"}\n', encoding="utf-8")
    with pytest.raises(UserError, match=r"a\.jsonl, row 1: not UTF-8 .* at character 6"):
        load(path, "test")


def test_a_truncated_archive_is_refused_by_name(tmp_path):
    path = tmp_path / "a.tsv.xz"
    path.write_bytes(lzma.compress(b"label\ttext\npos\tfine\n")[:-10])
    with pytest.raises(UserError, match=r"a\.tsv\.xz, after line \d: damaged or truncated"):
        load(path, "train")


@pytest.mark.parametrize("split", ["train", "validation", "elsewhere"])
def test_a_folder_without_the_split_asked_for_names_those_found(tmp_path, split):
    write(tmp_path / "test.tsv", numbered(3))
    write(tmp_path / "dull.tsv", numbered(3))
    with pytest.raises(UserError, match=f"no split '{split}'; found: test$"):
        load(tmp_path, split)


@pytest.mark.parametrize("name", ["nowhere", "long" * 2000])
def test_a_path_where_nothing_is_is_refused(name):
    with pytest.raises(UserError, match=f"--data no/{name}: there is no such file or folder"):
        load(f"no/{name}", "train")


def test_a_label_that_the_model_does_not_know_is_named_with_its_text():
    corpus = Corpus("mine", "test", ["Good.", "Hard to say."], ["pos", "mixed"])
    with pytest.raises(UserError, match=r"mine, test: unknown label 'mixed'.*'Hard to say\.'.*neg, pos"):
        corpus.label_ids(["neg", "pos"])
    assert corpus.label_ids(["mixed", "neg", "pos"]).tolist() == [2, 0]


def test_a_summary_counts_every_label():
    corpus = Corpus("mine", "train", ["a"] * 1500, ["pos"] * 1200 + ["neg"] * 300)
    assert corpus.summary() == "mine, train: 1,500 texts (300 neg, 1,200 pos)"


def test_all_of_one_label_is_nothing_to_learn(tmp_path):
    path = write(tmp_path / "a.tsv", [("pos", text) for _, text in numbered(100)])
    with pytest.raises(UserError, match=r"a\.tsv: all labels are 'pos'; two or more are needed"):
        TrainingData.load(SentimentSettings(data=(str(path),)))


def test_several_sources_keep_their_weights_and_share_their_labels(tmp_path, reviews):
    write(tmp_path / "stars.tsv", [("mixed", text) for _, text in numbered(100, 300)])
    data = TrainingData.load(SentimentSettings(data=(f"{reviews}@2", f"{tmp_path}/stars.tsv@0.5")))
    assert [(corpus.name, corpus.weight) for corpus in data.train] == [("reviews", 2), ("stars", 0.5)]
    assert data.labels == ["mixed", "neg", "pos"]
    assert [data.labels[i] for i in data.train_ids()] == [x for corpus in data.train for x in corpus.labels]
    assert len(data.train_texts()) == sum(len(corpus.texts) for corpus in data.train)


def test_the_splits_of_the_sample_share_no_text():
    parts = [load("sample", split) for split in SPLITS]
    assert [len(part.texts) for part in parts] == [4000, 500, 500]
    assert len({text for part in parts for text in part.texts}) == 5000
    for part in parts:
        share = Counter(part.labels)["pos"] / len(part.labels)
        assert 0.4 < share < 0.6


@pytest.mark.parametrize(
    ("source", "split", "words"),
    [
        ("sample", "elsewhere", "the sample has train, validation, test"),
        ("sample:iris", "train", "there is no such sample"),
        ("sample:everyday", "test", "sample:everyday has train, validation"),
    ],
)
def test_a_sample_or_split_that_is_not_there_is_refused(source, split, words):
    with pytest.raises(UserError, match=words):
        load(source, split)


@pytest.mark.parametrize("text", ["", "  \t", "<br /><br />"])
def test_an_empty_text_is_refused_with_its_place(text):
    with pytest.raises(UserError, match="line 3: the text is empty"):
        check_text(text, "line 3")


def test_a_text_of_a_megabyte_is_refused_and_one_of_a_hundred_thousand_characters_read():
    with pytest.raises(UserError, match="line 3: the text has 1,000,000 characters, at most 100,000"):
        check_text("x" * 1_000_000, "line 3")
    assert check_text("x" * 100_000, "line 3") == "x" * 100_000


def test_a_byte_of_the_command_line_that_is_not_utf_8_is_refused():
    with pytest.raises(UserError, match="text 1: not UTF-8"):
        check_text(b"na\xefve".decode("utf-8", "surrogateescape"), "text 1")


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (3, [0, 1, 2]),
        (8, [0, 1, 2, 3, 4, 5, 6, 7]),
        (9, [0, 1, 3, 4, 5, 6, 7, 8]),
        (20, [0, 1, 14, 15, 16, 17, 18, 19]),
    ],
)
def test_a_long_row_keeps_a_quarter_from_its_start_and_the_rest_from_its_end(length, expected):
    assert shorten(np.arange(length), 8).tolist() == expected


def test_shortened_texts_still_start_and_end():
    tokeniser = fit_tokeniser(["a good film", "a bad film"] * 10, 300, fold_case=True)
    short, long = encode(tokeniser, ["good", "bad film " * 100], 16)
    assert len(long) == 16
    for row in (short, long):
        assert (row[0], row[-1]) == (START, END)


def epochs_of(sizes, weights, count, **options) -> list[list[tuple[int, int]]]:
    """The (token, class) of every example in each of `count` epochs; the token is the example's number, the class its
    corpus."""
    first = np.cumsum([1, *sizes])
    rows = [
        [np.full(1 + n % 3, start + n, np.int32) for n in range(size)]
        for start, size in zip(first, sizes, strict=False)
    ]
    label_ids = [np.full(size, corpus, np.int32) for corpus, size in enumerate(sizes)]
    options = SentimentSettings(batch_tokens=64, **options)
    epochs = [EpochBatches(Examples(rows, label_ids, weights), options, epoch) for epoch in range(count)]
    return [
        [(row[0], label) for index in range(len(epoch)) for row, label in zip(*epoch[index], strict=True)]
        for epoch in epochs
    ]


@properties
@given(st.lists(st.tuples(st.integers(1, 12), st.sampled_from([0.25, 0.5, 1.0, 2.0])), min_size=1, max_size=3))
def test_each_source_gives_its_weight_times_its_size_and_all_its_rows_in_turn(sources):
    sizes, weights = zip(*sources, strict=True)
    epochs = epochs_of(sizes, weights, 12)
    first = np.cumsum([1, *sizes])
    for corpus, (size, weight) in enumerate(sources):
        per_epoch = max(round(size * weight), 1)
        seen = [[token for token, label in epoch if label == corpus] for epoch in epochs]
        assert [len(part) for part in seen] == [per_epoch] * 12
        counts = Counter(token for part in seen for token in part)
        assert set(counts) <= set(range(first[corpus], first[corpus] + size))
        # No example is ever two turns ahead of another.
        times = [counts[token] for token in range(first[corpus], first[corpus] + size)]
        assert max(times) - min(times) <= 1


def test_an_epoch_is_the_same_each_time_it_is_made_and_differs_from_the_next():
    first, second = epochs_of([30], [1.0], 2)
    assert epochs_of([30], [1.0], 2) == [first, second]
    assert first != second
    assert epochs_of([30], [1.0], 1, seed=2) != [first]


def test_batches_hold_few_enough_rows():
    examples = Examples([[np.array([1], np.int32)] * 50], [np.zeros(50, np.int32)], [1.0])
    batches = EpochBatches(examples, SentimentSettings(batch_rows=7), 0)
    assert [len(batches[index][0]) for index in range(len(batches))].count(7) == 7
    assert len(batches) == 8


@pytest.mark.parametrize("recipe", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.name)
def test_every_recipe_is_one_that_train_accepts(recipe):
    assert parse_settings(SentimentSettings, ["--config", str(recipe)], "train") != SentimentSettings()
