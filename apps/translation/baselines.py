"""Translations without a network: the source as it stands, and each word by the one it most often goes with."""

import re
from collections.abc import Callable, Sequence

import numpy as np
from scipy import sparse

from apps.translation.data import Corpus

Baseline = Callable[[Sequence[str]], list[str]]

_WORDS = re.compile(r"\w+(?:'\w+)?|[^\w\s]")
_BEFORE_MARKS = re.compile(r"\s+([.,!?;:])")
# Rarer words go together by chance.
_LEAST_COUNT = 2


def fit_baselines(corpora: Sequence[Corpus]) -> dict[str, Baseline]:
    """The baselines for one target language.

    Args:
        corpora: training pairs in that language.
    """
    words = fit_words(
        [text for corpus in corpora for text in corpus.sources],
        [text for corpus in corpora for text in corpus.references],
    )
    return {"copy": list, "word_for_word": lambda texts: [translate_words(text, words) for text in texts]}


def fit_words(sources: Sequence[str], references: Sequence[str]) -> dict[str, str]:
    """For each source word the target word with the highest Dice coefficient (Dice, 1945; as in Smadja et al., 1996).

    Both count in how many sentences they stand; those that share most of theirs are taken for translations.
    """
    source, source_words = _occurrences(sources)
    target, target_words = _occurrences(references)
    together = (source.T @ target).tocsr()
    source_counts, target_counts = (np.asarray(array.sum(axis=0)).ravel() for array in (source, target))
    words = {}
    for index in np.flatnonzero(source_counts >= _LEAST_COUNT):
        row = together[index]
        dice = 2 * row.data / (source_counts[index] + target_counts[row.indices])
        words[source_words[index]] = target_words[row.indices[dice.argmax()]]
    return words


def translate_words(text: str, words: dict[str, str]) -> str:
    """Word for word in the order of the source, a capital at the start; words that are not known stay as they are."""
    translated = " ".join(words.get(word, word) for word in _split(text))
    translated = _BEFORE_MARKS.sub(r"\1", translated)
    return translated[:1].upper() + translated[1:]


def _occurrences(texts: Sequence[str]) -> tuple[sparse.csr_matrix, list[str]]:
    """Which word stands in which text, `(texts, words)`, and the words."""
    numbers: dict[str, int] = {}
    rows, columns = [], []
    for row, text in enumerate(texts):
        for word in set(_split(text)):
            rows.append(row)
            columns.append(numbers.setdefault(word, len(numbers)))
    shape = (len(texts), len(numbers))
    return sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape), list(numbers)


def _split(text: str) -> list[str]:
    """Words and marks, the first word as it would stand within a sentence."""
    words = _WORDS.findall(text)
    # German nouns keep their capital; a first word that is one loses it, as no rule tells them apart.
    return [words[0].lower(), *words[1:]] if words else []
