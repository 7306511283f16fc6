"""Batches of like length, and padding on the right."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.batching import pad, token_batches

# A loaded machine would break the deadline, which says nothing of the code.
properties = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
LENGTHS = st.lists(st.integers(1, 60), max_size=40)
SEEDS = st.integers(0, 2**32)


def batches_of(lengths, tokens, seed=0, **options) -> list[list[int]]:
    return [list(batch) for batch in token_batches(lengths, tokens, np.random.default_rng(seed), **options)]


@properties
@given(LENGTHS, st.integers(1, 200), SEEDS, st.integers(1, 10))
def test_every_example_stands_in_exactly_one_batch(lengths, tokens, seed, most_rows):
    batches = batches_of(lengths, tokens, seed, most_rows=most_rows)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))


@properties
@given(LENGTHS, st.integers(1, 200), SEEDS, st.integers(1, 10))
def test_a_batch_keeps_its_bounds_unless_a_long_row_stands_alone(lengths, tokens, seed, most_rows):
    for batch in batches_of(lengths, tokens, seed, most_rows=most_rows):
        positions = len(batch) * max(lengths[index] for index in batch)
        assert positions <= tokens or len(batch) == 1
        assert 1 <= len(batch) <= most_rows


@properties
@given(LENGTHS, st.integers(1, 200), SEEDS)
def test_the_same_seed_gives_the_same_batches(lengths, tokens, seed):
    assert batches_of(lengths, tokens, seed) == batches_of(lengths, tokens, seed)


def test_another_seed_mixes_neighbours_and_the_order_of_the_batches():
    lengths = [10] * 50 + [100] * 50
    one, other = batches_of(lengths, 200, seed=1), batches_of(lengths, 200, seed=2)
    assert sorted(map(sorted, one)) != sorted(map(sorted, other))
    assert [lengths[batch[0]] for batch in one] != [lengths[batch[0]] for batch in other]


def test_short_rows_do_not_wait_on_long_ones():
    lengths = [1, 100] * 20
    batches = batches_of(lengths, 200)
    assert sorted(lengths[batch[0]] for batch in batches) == [1] + [100] * 10
    assert all(len({lengths[index] for index in batch}) == 1 for batch in batches)


def test_little_of_a_batch_is_padding():
    """A tenth of blur in the order costs a tenth of padding at the most, and a few batches at the edges."""
    lengths = np.random.default_rng(0).integers(5, 500, 2000)
    batches = batches_of(lengths, 16_000)
    positions = sum(len(batch) * lengths[batch].max() for batch in batches)
    assert positions < 1.15 * lengths.sum()


def test_rows_are_padded_on_the_right():
    rows = [np.array([5, 6], np.int32), np.array([7], np.int32), np.array([], np.int32)]
    padded = pad(rows)
    assert padded.dtype == np.int32
    assert padded.tolist() == [[5, 6], [7, 0], [0, 0]]
    assert pad(rows, padding=9).tolist() == [[5, 6], [7, 9], [9, 9]]


@pytest.mark.parametrize("lengths", [[], [3]])
def test_nothing_gives_no_batch_and_one_row_gives_one(lengths):
    assert len(batches_of(lengths, 2)) == len(lengths)
