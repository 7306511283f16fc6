"""Batches of sequences of like length, so that little work is done on padding."""

from collections.abc import Sequence

import numpy as np


def token_batches(
    lengths: Sequence[int], tokens: int, rng: np.random.Generator, most_rows: int = 4096
) -> list[np.ndarray]:
    """Shuffles examples into batches that hold about `tokens` positions each, padding included.

    Rows are sorted by a length blurred by up to a tenth, so that batches mix from pass to pass.

    Args:
        lengths: number of positions of each example.
        tokens: most positions of a batch, `rows * longest`; a longer row stands alone.
        rng: decides the order.
        most_rows: most rows of a batch.

    Returns:
        Batches as arrays of example indices, in a shuffled order; every example stands in exactly one.
    """
    lengths = np.asarray(lengths)
    order = np.argsort(lengths * rng.uniform(0.95, 1.05, len(lengths)), kind="stable")
    batches, batch, longest = [], [], 0
    for index in order:
        longest_with = max(longest, int(lengths[index]))
        if batch and (longest_with * (len(batch) + 1) > tokens or len(batch) == most_rows):
            batches.append(np.array(batch))
            batch, longest_with = [], int(lengths[index])
        batch.append(index)
        longest = longest_with
    if batch:
        batches.append(np.array(batch))
    return [batches[index] for index in rng.permutation(len(batches))]


def turn(size: int, weight: float, seed: int, epoch: int) -> np.ndarray:
    """The examples of a corpus whose turn it is in an epoch, from a fixed shuffle: over the epochs, all equally often.

    Args:
        size: examples of the corpus.
        weight: how many of them an epoch takes, as a share of all; may be more than 1.
        seed: of the shuffles.
        epoch: which one.

    Returns:
        Indices `(round(size * weight),)`.
    """
    count = max(round(size * weight), 1)
    places = np.arange(epoch * count, (epoch + 1) * count)
    passes = {number: np.random.default_rng((seed, number)).permutation(size) for number in set(places // size)}
    return np.array([passes[place // size][place % size] for place in places])


def pad(rows: Sequence[np.ndarray], padding: int = 0) -> np.ndarray:
    """Rows of ids `(time_i,)` -> one int32 array `(batch, time)`, padded on the right."""
    padded = np.full((len(rows), max(map(len, rows))), padding, np.int32)
    for row, token_ids in zip(padded, rows, strict=True):
        row[: len(token_ids)] = token_ids
    return padded
