"""Figures for captions beside those that people wrote, as the field computes them.

BLEU by sacreBLEU (Post, 2018), CIDEr-D and ROUGE-L as in the evaluation code of COCO's captions (Chen et al., 2015,
https://arxiv.org/abs/1504.00325), all on the words of `tokenise`. That code takes its words from the Penn Treebank
tokeniser, which needs Java; the rule here differs from it in little more than "man's", which it makes two words.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

import numpy as np

Texts = Sequence[str]
ORDERS = 4
# Of the Gaussian by which CIDEr-D holds lengths together, in words.
_SIGMA = 6.0
# How many times as much recall counts as precision in ROUGE-L.
_BETA = 1.2
_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")


def tokenise(caption: str) -> list[str]:
    """Lower-cased words without punctuation: "A dog's T-shirt , wet ." -> ["a", "dog's", "t-shirt", "wet"].

    A hyphen or an apostrophe within a word stays. All that reads the words of a caption, reads these.
    """
    return _WORD.findall(caption.lower())


def find_grams(words: Texts) -> Iterator[tuple[str, ...]]:
    """All runs of one to four words."""
    return (
        tuple(words[start : start + order]) for order in range(1, ORDERS + 1) for start in range(len(words) - order + 1)
    )


def caption_report(written: Texts, references: Sequence[Texts]) -> dict[str, float]:
    """All figures of one caption a picture, on the words of `tokenise`.

    Args:
        written: a caption for each picture.
        references: what people wrote about each, any number from one on.

    Returns:
        `examples`, how many; `bleu1` to `bleu4`, corpus BLEU (Papineni et al., 2002) up to that order, without
        smoothing, beside the reference of nearest length, from 0 to 1; `cider`, the mean of `sentence_cider`, where
        0.55 is what tables call 55.0; `rouge_l`, the mean of `sentence_rouge_l`; `distinct`, the share of captions
        that differ from each other; `length`, words a caption.

    Raises:
        ValueError: the lengths differ, there are no pictures, or a picture has no references.
    """
    _check(written, references)
    words = [tokenise(caption) for caption in written]
    return {
        "examples": len(written),
        **_corpus_bleu(words, references),
        "cider": float(sentence_cider(written, references).mean()),
        "rouge_l": float(sentence_rouge_l(written, references).mean()),
        "distinct": len(set(map(tuple, words))) / len(words),
        "length": float(np.mean([len(caption) for caption in words])),
    }


def sentence_cider(written: Texts, references: Sequence[Texts]) -> np.ndarray:
    """CIDEr-D of each caption, float64 `(pictures,)` from 0 to 10, document frequencies from these references.

    Raises:
        ValueError: the lengths differ, there are no pictures, or a picture has no references.
    """
    _check(written, references)
    return CiderScorer(references).score(written, references)


def sentence_rouge_l(written: Texts, references: Sequence[Texts]) -> np.ndarray:
    """ROUGE-L of each caption (Lin & Och, 2004), float64 `(pictures,)` from 0 to 1.

    From the longest common subsequence with each reference, the highest precision and the highest recall, which may
    come from two references; recall counts 1.2 times as much.
    """
    scores = []
    for caption, theirs in zip(written, references, strict=True):
        words, theirs = tokenise(caption), [tokenise(reference) for reference in theirs]
        common = [_common_length(words, reference) for reference in theirs]
        precision = max(common) / max(len(words), 1)
        recall = max(length / max(len(reference), 1) for length, reference in zip(common, theirs, strict=True))
        scores.append((1 + _BETA**2) * precision * recall / (recall + _BETA**2 * precision) if recall else 0.0)
    return np.array(scores)


class CiderScorer:
    """CIDEr-D (Vedantam et al., 2015, https://arxiv.org/abs/1411.5726) with document frequencies fitted once.

    A caption is a vector of its n-grams, each weighed by how often it stands there and how rare it is among the
    pictures. The score is 10 times the mean, over orders 1 to 4 and the references, of the cosine of two such vectors,
    with counts clipped to the reference's, times exp(-d^2 / 72) for a difference of d words.
    """

    def __init__(self, references: Sequence[Texts], with_end: bool = False):
        """Counts in how many pictures each n-gram stands.

        Args:
            references: captions of each picture.
            with_end: whether the end of a caption counts as a word; who is rewarded without it learns to break off.
        """
        self._end = ["."] if with_end else []
        pictures: Counter[tuple[str, ...]] = Counter()
        for captions in references:
            pictures.update({gram for caption in captions for gram in _count_grams(self._words(caption))})
        self._rarest = math.log(max(len(references), 1))
        self._rarity = {gram: self._rarest - math.log(count) for gram, count in pictures.items()}

    def score(self, written: Texts, references: Sequence[Texts]) -> np.ndarray:
        """The score of each caption, float64 `(pictures,)` from 0 to 10.

        Args:
            written: a caption for each picture.
            references: captions of the same pictures, which need not be those of the document frequencies.
        """
        vectors: dict[str, _Vector] = {}

        def vector(caption: str) -> _Vector:
            if caption not in vectors:
                vectors[caption] = self._vector(caption)
            return vectors[caption]

        pairs = zip(written, references, strict=True)
        return np.array([fmean(_similarity(vector(text), vector(one)) for one in theirs) for text, theirs in pairs])

    def _words(self, caption: str) -> list[str]:
        return tokenise(caption) + self._end

    def _vector(self, caption: str) -> "_Vector":
        words = self._words(caption)
        weights: list[dict[tuple[str, ...], float]] = [{} for _ in range(ORDERS)]
        for gram, count in _count_grams(words).items():
            weights[len(gram) - 1][gram] = count * self._rarity.get(gram, self._rarest)
        norms = [math.hypot(*part.values()) for part in weights]
        return _Vector(weights, norms, len(words))


class _Vector(NamedTuple):
    """Weights of the n-grams of each order, their norms, and the number of words."""

    weights: Sequence[Mapping[tuple[str, ...], float]]
    norms: Sequence[float]
    length: int


def _similarity(written: _Vector, reference: _Vector) -> float:
    total = 0.0
    for ours, theirs, norm, their_norm in zip(
        written.weights, reference.weights, written.norms, reference.norms, strict=True
    ):
        if norm and their_norm:
            shared = ours.keys() & theirs.keys()
            total += sum(min(ours[gram], theirs[gram]) * theirs[gram] for gram in shared) / (norm * their_norm)
    apart = written.length - reference.length
    return 10 / ORDERS * total * math.exp(-(apart**2) / (2 * _SIGMA**2))


def _corpus_bleu(words: Sequence[Texts], references: Sequence[Texts]) -> dict[str, float]:
    import sacrebleu

    written = [" ".join(caption) for caption in words]
    most = max(map(len, references))
    # One stream for the first reference of each picture, one for the second, ...; None where a picture has fewer.
    rows = [[" ".join(tokenise(one)) for one in theirs] + [None] * (most - len(theirs)) for theirs in references]
    streams = list(map(list, zip(*rows, strict=True)))
    figures = {}
    for order in range(1, ORDERS + 1):
        bleu = sacrebleu.BLEU(tokenize="none", smooth_method="none", max_ngram_order=order)
        figures[f"bleu{order}"] = bleu.corpus_score(written, streams).score / 100
    return figures


def _count_grams(words: Texts) -> Counter[tuple[str, ...]]:
    return Counter(find_grams(words))


def _common_length(words: Texts, others: Texts) -> int:
    """The length of the longest common subsequence, row by row of the usual table."""
    row = [0] * (len(others) + 1)
    for word in words:
        above = 0
        for column, other in enumerate(others, start=1):
            above, row[column] = row[column], above + 1 if word == other else max(row[column], row[column - 1])
    return row[-1]


def _check(written: Texts, references: Sequence[Texts]) -> None:
    if len(written) != len(references) or not written or not all(references):
        empty = sum(not theirs for theirs in references)
        raise ValueError(
            "There must be one caption and at least one reference for each picture. "
            f"Received: {len(written)} captions, {len(references)} pictures, {empty} of them without references"
        )
