"""Beam search against brute force over every sequence, greedy search by a plain loop, and rows one by one."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.backend import keras, ops
from common.decoding import Searcher, SearchOptions, beam_search
from common.text import END, PADDING, START, UNKNOWN

VOCABULARY = 6


class Chain(keras.Model):
    """Stands for a network: the next token depends on the last two, a table for each row of the batch."""

    def __init__(self, tables: np.ndarray):
        super().__init__()
        self.tables = tables

    def begin(self, inputs, beam):
        tables = ops.take(ops.convert_to_tensor(self.tables), inputs, axis=0)
        flat = ops.reshape(tables, (-1, VOCABULARY**2, VOCABULARY))

        def step(token_ids, state):
            places = state * VOCABULARY + token_ids
            return ops.take_along_axis(flat, places[..., None], axis=1), token_ids

        return step, ops.zeros((ops.shape(inputs)[0], beam), "int32")


def make_tables(rows: int, seed: int = 0) -> np.ndarray:
    """Log probabilities `(rows, before, last, next)`."""
    logits = np.random.default_rng(seed).normal(0, 1.5, (rows, VOCABULARY, VOCABULARY, VOCABULARY))
    return (logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))).astype(np.float32)


def score(table: np.ndarray, sequence: tuple[int, ...], length_penalty: float) -> float:
    total, before, last = 0.0, 0, START
    for token in sequence:
        total += table[before, last, token]
        before, last = last, token
    return total / len(sequence) ** length_penalty


def brute_force(table: np.ndarray, limit: int, length_penalty: float, repeats: bool = True) -> list[tuple]:
    """All sequences that end within the limit, best first, with their scores."""
    words = [token for token in range(VOCABULARY) if token not in (PADDING, UNKNOWN, START, END)]
    sequences = [(*words_, END) for n in range(limit) for words_ in itertools.product(words, repeat=n)]
    if not repeats:
        sequences = [found for found in sequences if all(a != b for a, b in itertools.pairwise(found))]
    return sorted(((score(table, found, length_penalty), found) for found in sequences), reverse=True)


def search(tables: np.ndarray, limits: list[int], **options) -> tuple[np.ndarray, np.ndarray]:
    inputs = {"inputs": np.arange(len(tables), dtype=np.int32), "limits": np.array(limits, np.int32)}
    return Searcher(Chain(tables), SearchOptions(**options)).predict_on_batch(inputs)


def trimmed(token_ids: np.ndarray) -> tuple[int, ...]:
    return tuple(int(token) for token in token_ids if token != PADDING)


@pytest.mark.parametrize("length_penalty", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_a_beam_that_holds_everything_finds_what_brute_force_finds(length_penalty, seed):
    tables, limit = make_tables(2, seed), 4
    # Two words are left to write: 1 + 2 + 4 + 8 sequences.
    token_ids, scores = search(tables, [limit, limit], beam=16, length_penalty=length_penalty, best=15)
    for row in range(2):
        expected = brute_force(tables[row], limit, length_penalty)
        assert [trimmed(found) for found in token_ids[row, :15]] == [found for _, found in expected]
        np.testing.assert_allclose(scores[row, :15], [value for value, _ in expected], rtol=1e-5)
        # There is no sixteenth.
        assert scores[row, 15] < -1e8


def greedy(table: np.ndarray, limit: int) -> tuple[int, ...]:
    written, before, last = [], 0, START
    while last != END:
        allowed = table[before, last].copy()
        allowed[[PADDING, UNKNOWN, START]] = -np.inf
        token = END if len(written) + 1 == limit else int(allowed.argmax())
        written.append(token)
        before, last = last, token
    return tuple(written)


def test_a_beam_of_one_is_greedy_search():
    tables, limits = make_tables(20, seed=5), list(range(1, 21))
    token_ids, scores = search(tables, limits, beam=1)
    expected = [greedy(table, limit) for table, limit in zip(tables, limits, strict=True)]
    assert [trimmed(found[0]) for found in token_ids] == expected
    rescored = [score(table, found, 1.0) for table, found in zip(tables, expected, strict=True)]
    np.testing.assert_allclose(scores[:, 0], rescored, rtol=1e-4)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=5), st.integers(0, 1000))
def test_rows_of_a_batch_do_not_know_each_other(limits, seed):
    tables = make_tables(len(limits), seed)
    together, scores = search(tables, limits, beam=3, best=3)
    for row, limit in enumerate(limits):
        alone, alone_scores = search(tables[row : row + 1], [limit], beam=3, best=3)
        assert [trimmed(found) for found in together[row]] == [trimmed(found) for found in alone[0]]
        np.testing.assert_allclose(scores[row], alone_scores[0], rtol=1e-5)


def test_the_n_best_are_sorted_and_all_different():
    token_ids, scores = search(make_tables(6, seed=2), [8] * 6, beam=5, best=5)
    for row, values in zip(token_ids, scores, strict=True):
        assert list(values) == sorted(values, reverse=True)
        found = {trimmed(sequence) for sequence, value in zip(row, values, strict=True) if value > -1e8}
        assert len(found) == np.sum(values > -1e8) > 1


def test_every_sequence_ends_within_its_limit_and_holds_no_special_token():
    limits = [1, 2, 5, 9]
    # A table that never wants to end.
    tables = make_tables(4, seed=3)
    tables[..., END] = -20.0
    token_ids, _ = search(tables, limits, beam=4)
    for row, limit in zip(token_ids, limits, strict=True):
        best = trimmed(row[0])
        assert best[-1] == END and len(best) <= limit
        assert not {UNKNOWN, START, END} & set(best[:-1])


def test_where_repeats_are_refused_no_token_stands_twice_in_a_row():
    tables, limit = make_tables(3, seed=4), 4
    for token in (4, 5):
        tables[:, :, token, token] = 0.0
    tables[..., END] -= 3
    token_ids, _ = search(tables, [limit] * 3, beam=16, repeats=False, best=1)
    found = [trimmed(row[0]) for row in token_ids]
    assert found == [brute_force(table, limit, 1.0, repeats=False)[0][1] for table in tables]
    assert any(a == b for row in brute_force(tables[0], limit, 1.0)[:1] for a, b in itertools.pairwise(row[1]))


def test_the_search_stops_when_nothing_better_can_come():
    """A network that ends at once is asked once more at most, not until the limit."""
    table = make_tables(1)
    table[...] = -10.0
    table[..., END] = -1e-3
    step, state = Chain(table).begin(np.array([0], np.int32), 1)
    _, _, steps = beam_search(step, state, ops.convert_to_tensor([50]), 50, SearchOptions(beam=1))
    assert int(steps) == 1
