"""What a search found, as answers: best first, and nothing that is no answer."""

import numpy as np

from common.sequences import Written
from common.text import END, PADDING, fit_tokeniser

TOKENISER = fit_tokeniser(["a dog runs", "a cat sits"], 40, fold_case=True)
NO_SEQUENCE = -2e9


def written(*texts: str | None, n_best: int) -> list[str]:
    """What is left of texts with falling scores; None is a place of the beam where no sequence ended."""
    rows = [[PADDING] if text is None else [*TOKENISER.encode([text])[0][1:]] for text in texts]
    longest = max(map(len, rows))
    sequences = np.array([[*row, *[PADDING] * (longest - len(row))] for row in rows], np.int32)
    scores = np.array([NO_SEQUENCE if text is None else -1.0 - place for place, text in enumerate(texts)])
    return [one.text for one in Written.of(sequences, scores, TOKENISER, n_best).alternatives]


def test_the_best_come_first_and_as_many_as_asked_for():
    assert written("a dog runs", "a cat sits", "a dog sits", n_best=2) == ["a dog runs", "a cat sits"]


def test_a_place_without_a_sequence_and_a_sequence_without_words_are_no_answers():
    assert TOKENISER.encode([""])[0][1:].tolist() == [END]
    assert written("a dog runs", "", "a cat sits", None, n_best=4) == ["a dog runs", "a cat sits"]


def test_nothing_is_an_answer_where_it_is_the_best():
    assert written("", "a cat sits", n_best=2) == ["", "a cat sits"]
