"""Figures for captions: by hand, by the formulas written out, and by the field's own code on the same captions."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.captioning.metrics import CiderScorer, caption_report, sentence_cider, sentence_rouge_l, tokenise

WRITTEN = ["A couple in a parking lot .", "A boy in his shirt", "A black dog jumping to catch a rope toy"]
REFERENCES = [
    ["A blond woman is on the street hailing a taxi .", "A couple in a lot."],
    ["A boy smiles for the camera at a beach ."],
    ["A black dog playing fetch with a ball of rope .", "A black dog pounces to get a rope toy .", "A dog plays"],
]
# What pycocoevalcap 1.2 gives for them, on the words of `tokenise`.
THE_FIELDS = {
    "bleu1": 0.6024955834,
    "bleu2": 0.4939982159,
    "bleu3": 0.3915129948,
    "bleu4": 0.2617733445,
    "cider": 1.9618649431,
    "rouge_l": 0.6579117080,
}


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("A dog's T-shirt , wet .", ["a", "dog's", "t-shirt", "wet"]),
        ('Two "wet" dogs - one white -- run!', ["two", "wet", "dogs", "one", "white", "run"]),
        ("dog,cat;BIRD", ["dog", "cat", "bird"]),
        ("Ein Mädchen läuft, 3 Hunde ruhen.", ["ein", "mädchen", "läuft", "3", "hunde", "ruhen"]),
        (" . ", []),
    ],
)
def test_words_are_lower_case_and_without_punctuation(caption, words):
    assert tokenise(caption) == words


def test_the_figures_are_those_of_the_field():
    report = caption_report(WRITTEN, REFERENCES)
    assert {name: report[name] for name in THE_FIELDS} == pytest.approx(THE_FIELDS, rel=1e-9)
    assert report["examples"] == 3 and report["distinct"] == 1 and report["length"] == pytest.approx((6 + 5 + 9) / 3)


def test_a_caption_that_somebody_wrote_is_perfect():
    report = caption_report([theirs[-1] for theirs in REFERENCES[:2]], REFERENCES[:2])
    assert [report[f"bleu{order}"] for order in range(1, 5)] == pytest.approx([1, 1, 1, 1])
    assert report["rouge_l"] == pytest.approx(1)


def test_cider_is_ten_for_the_only_reference_and_nothing_for_what_shares_no_word():
    references = [["a dog runs on grass"], ["two men play in snow"], ["one cat sleeps quite well"]]
    scores = sentence_cider(["a dog runs on grass", "a dog runs on grass", "one cat sleeps quite well"], references)
    assert scores == pytest.approx([10, 0, 10])


def test_bleu_by_hand():
    """Three of four words, two of three pairs, one of two triples; four words beside five."""
    report = caption_report(["the dog runs fast"], [["the dog runs very far", "a cat"]])
    brevity = math.exp(1 - 5 / 4)
    assert report["bleu1"] == pytest.approx(brevity * 3 / 4)
    assert report["bleu2"] == pytest.approx(brevity * (3 / 4 * 2 / 3) ** (1 / 2))
    assert report["bleu3"] == pytest.approx(brevity * (3 / 4 * 2 / 3 * 1 / 2) ** (1 / 3))
    assert report["bleu4"] == pytest.approx(0, abs=1e-6)


def test_rouge_l_by_hand():
    """The longest common subsequence is "a dog grass": 3 of 4 words written, 3 of 5 to be found."""
    [score] = sentence_rouge_l(["a brown dog grass"], [["a dog on the grass"]])
    assert score == pytest.approx((1 + 1.44) * 0.75 * 0.6 / (0.6 + 1.44 * 0.75))


def literal_cider(written: list[list[str]], references: list[list[list[str]]]) -> list[float]:
    """The formula of CIDEr-D as in the paper and the field's code, with nothing kept or shortened."""
    pictures = len(references)

    def grams(words, order):
        return [tuple(words[start : start + order]) for start in range(len(words) - order + 1)]

    def weight(gram, words):
        found = sum(any(gram in grams(reference, len(gram)) for reference in theirs) for theirs in references)
        return grams(words, len(gram)).count(gram) * (math.log(pictures) - math.log(max(found, 1)))

    def similarity(ours, theirs, order):
        everything = set(grams(ours, order)) | set(grams(theirs, order))
        a, b = ([weight(gram, words) for gram in everything] for words in (ours, theirs))
        norm = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(y * y for y in b))
        apart = max(len(ours) - 1, 0) - max(len(theirs) - 1, 0)
        shared = sum(min(x, y) * y for x, y in zip(a, b, strict=True))
        return shared / norm * math.exp(-(apart**2) / 72) if norm else 0.0

    return [
        10 * sum(similarity(ours, one, order) for one in theirs for order in (1, 2, 3, 4)) / (4 * len(theirs))
        for ours, theirs in zip(written, references, strict=True)
    ]


captions = st.lists(st.sampled_from(["a", "dog", "cat", "runs", "sits"]), max_size=6)
pictures = st.lists(st.tuples(captions, st.lists(captions, min_size=1, max_size=3)), min_size=1, max_size=5)


@given(pictures)
@settings(deadline=None)
def test_cider_is_its_formula(pairs):
    written, references = map(list, zip(*pairs, strict=True))
    scores = sentence_cider([" ".join(words) for words in written], [list(map(" ".join, one)) for one in references])
    assert scores == pytest.approx(literal_cider(written, references), abs=1e-9)


@given(pictures)
@settings(deadline=None)
def test_figures_stay_in_their_range_and_do_not_depend_on_the_order_of_pictures(pairs):
    written = [" ".join(words) for words, _ in pairs]
    references = [list(map(" ".join, theirs)) for _, theirs in pairs]
    report, turned = caption_report(written, references), caption_report(written[::-1], references[::-1])
    assert report == pytest.approx(turned)
    assert 0 <= report["cider"] <= 10 + 1e-9
    assert all(0 <= report[name] <= 1 + 1e-9 for name in ("bleu1", "bleu2", "bleu3", "bleu4", "rouge_l", "distinct"))


def test_document_frequencies_are_those_of_the_references_fitted():
    """A word in every fitted picture says nothing; a word in none of them says most."""
    scorer = CiderScorer([["a dog"], ["a cat"], ["a dog and a cat"]])
    common, rare = scorer.score(["a", "a zebra"], [["a"], ["a zebra"]])
    assert common == 0 and rare > 2
    everyone = [["a dog runs"], ["a cat sits"]]
    both = ["a dog runs", "a cat runs"]
    np.testing.assert_allclose(CiderScorer(everyone).score(both, everyone), sentence_cider(both, everyone))
    np.testing.assert_allclose(CiderScorer(everyone).score(both[1:], everyone[1:]), sentence_cider(both, everyone)[1:])


def test_one_caption_for_all_is_told():
    assert caption_report(["A dog.", "a dog", "a cat", "A dog !"], [["x"]] * 4)["distinct"] == 0.5


def test_a_caption_without_words_scores_nothing():
    assert sentence_rouge_l([""], [["a dog"]]) == 0 and sentence_rouge_l(["a"], [["."]]) == 0
    assert sentence_cider(["", "a"], [["a dog"], ["."]]) == pytest.approx([0, 0])


@pytest.mark.parametrize(("written", "references"), [([], []), (["a"], []), (["a"], [[]]), (["a", "b"], [["a"], []])])
def test_what_cannot_be_compared_is_refused(written, references):
    with pytest.raises(ValueError, match="one caption and at least one reference for each picture"):
        caption_report(written, references)


def test_a_caption_that_breaks_off_is_worth_less_where_its_end_counts():
    references = [["a dog on the grass"], ["a man in the snow"], ["a cat on the roof"]]
    written = ["a dog on the", *references[0]]
    scorers = [CiderScorer(references, with_end) for with_end in (False, True)]
    broken, whole = np.transpose([scorer.score(written, references[:1] * 2) for scorer in scorers])
    assert broken[1] < broken[0] - 1
    assert whole == pytest.approx([10, 10])
