"""Three tasks that only a network can learn whose gradient reaches far back, drawn anew for every batch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Examples = tuple[np.ndarray, np.ndarray]
# What a measurement came to, by name.
Row = dict[str, Any]

HELD_OUT_SEED = 1_000_003
RECALLED, ALPHABET = 5, 8
_DISTRACTORS = 4


@dataclass(frozen=True)
class SequenceTask:
    """A task without end: examples are drawn, never seen twice.

    Attributes:
        draw: rows, steps, random generator -> inputs float32 `(rows, time, features)` and targets.
        features: width of an input.
        outputs: numbers in an answer, or classes.
        reads: the states an answer is read from: `last`, the `recalled` last ones, or the `mean` of all.
        loss: `mse`, or `cross_entropy`.
        guess: the score of the best answer that looks at no input.
        solved: the score that counts as solved, a mean squared error or else a share of right answers.
    """

    draw: Callable[[int, int, np.random.Generator], Examples]
    features: int
    outputs: int
    reads: str
    loss: str
    guess: float
    solved: float

    def score(self, targets: np.ndarray, predicted: np.ndarray) -> float:
        if self.loss == "mse":
            return float(np.mean(np.square(predicted - targets, dtype=np.float64)))
        return float(np.mean(predicted.argmax(axis=-1) == targets))

    def is_solved(self, score: float) -> bool:
        return score < self.solved if self.loss == "mse" else score > self.solved


def draw_adding(rows: int, steps: int, rng: np.random.Generator) -> Examples:
    """The adding problem (Hochreiter & Schmidhuber, 1997), as Arjovsky et al. (2016) pose it.

    Each step has a number from [0, 1) and a mark; one step of the first half and one of the second are marked 1.

    Returns:
        Inputs `(rows, steps, 2)`, and the sum of the two marked numbers, `(rows, 1)`.
    """
    numbers, marks = rng.random((rows, steps)), np.zeros((rows, steps))
    for places in _two_places(rows, steps, rng):
        marks[np.arange(rows), places] = 1
    inputs = np.stack([numbers, marks], axis=-1)
    return inputs.astype(np.float32), (numbers * marks).sum(axis=1, keepdims=True).astype(np.float32)


def draw_copy(rows: int, steps: int, rng: np.random.Generator) -> Examples:
    """The copy task (Hochreiter & Schmidhuber, 1997; Arjovsky et al., 2016): some symbols, to be told after a silence.

    Returns:
        One-hot inputs `(rows, RECALLED + steps + RECALLED, ALPHABET + 2)`: symbols, blanks, the last of which is
        the sign to begin, and blanks to answer in; and the symbols, `(rows, RECALLED)`.
    """
    blank, begin = ALPHABET, ALPHABET + 1
    symbols = rng.integers(0, ALPHABET, (rows, RECALLED))
    shown = np.full((rows, steps + 2 * RECALLED), blank)
    shown[:, :RECALLED] = symbols
    shown[:, RECALLED + steps - 1] = begin
    return np.eye(ALPHABET + 2, dtype=np.float32)[shown], symbols.astype(np.int32)


def draw_order(rows: int, steps: int, rng: np.random.Generator) -> Examples:
    """The temporal order problem (Hochreiter & Schmidhuber, 1997): two X or Y among other symbols; which, in order?

    Returns:
        One-hot inputs `(rows, steps, 6)`, and the class of XX, XY, YX or YY, `(rows,)`.
    """
    shown = rng.integers(0, _DISTRACTORS, (rows, steps))
    signs = rng.integers(0, 2, (2, rows))
    for places, sign in zip(_two_places(rows, steps, rng), signs, strict=True):
        shown[np.arange(rows), places] = _DISTRACTORS + sign
    return np.eye(_DISTRACTORS + 2, dtype=np.float32)[shown], (2 * signs[0] + signs[1]).astype(np.int32)


def _two_places(rows: int, steps: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A step of the first half and one of the second, `(rows,)` each."""
    half = steps // 2
    return rng.integers(0, half, rows), rng.integers(half, steps, rows)


TASKS = {
    # The variance of the sum of two uniform numbers is 2 / 12.
    "adding": SequenceTask(draw_adding, 2, 1, "last", "mse", 1 / 6, 0.01),
    "copy": SequenceTask(draw_copy, ALPHABET + 2, ALPHABET, "recalled", "cross_entropy", 1 / ALPHABET, 0.99),
    "order": SequenceTask(draw_order, _DISTRACTORS + 2, 4, "mean", "cross_entropy", 1 / 4, 0.99),
}
# Who sees the symbols and not their order cannot tell XY from YX, and is right in half of these.
WITHOUT_ORDER = 3 / 4
