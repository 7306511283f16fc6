"""Greedy and beam search over any step function, in `keras.ops`: compiled, batched, without a Python loop a token."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from common.backend import keras, ops
from common.text import END, PADDING, START, UNKNOWN

Tensor = Any
State = Any
# Token ids `(batch, beam)` and a state -> log probabilities float32 `(batch, beam, vocabulary)` and the next state.
Step = Callable[[Tensor, State], tuple[Tensor, State]]

_NEVER = -1e9


@dataclass(frozen=True)
class SearchOptions:
    """How a sequence is looked for.

    Attributes:
        beam: hypotheses kept at each step; 1 is greedy search.
        length_penalty: scores are divided by length ** length_penalty; 0 favours short sequences, 1 takes the mean. A
            number, or where a graph takes it as an input, float32 without axes.
        best: how many sequences must be certain before the search ends, at most `beam`.
        forbidden: token ids that are never written.
        repeats: whether the same token may stand twice in a row.
    """

    beam: int = 5
    length_penalty: float | Tensor = 1.0
    best: int = 1
    forbidden: tuple[int, ...] = (PADDING, UNKNOWN, START)
    repeats: bool = True


def beam_search(step: Step, state: State, limits: Tensor, most_steps: Tensor, options: SearchOptions) -> tuple:
    """Looks for the most probable sequences that end in END.

    A hypothesis that ends leaves the beam and is worked on no more; a row of the batch is done when it has as many
    ended hypotheses as it has beams, or when none that is alive can overtake the best. At its limit a row can only end.

    Args:
        step: continues hypotheses; called with START first.
        state: arrays `(batch, beam, ...)` in any nesting, before START was read.
        limits: most tokens of each row, END among them: int32 `(batch,)`.
        most_steps: the largest of the limits, which sizes the outputs.
        options: beam, length penalty and the like.

    Returns:
        Token ids int32 `(batch, beam, most_steps)`, best first, padded with PADDING; their scores float32
        `(batch, beam)`, -1e9 or less where fewer sequences than beams ended; and the number of steps taken.
    """
    rows, beam = ops.shape(limits)[0], options.beam
    nothing = ops.zeros((rows, beam, most_steps), "int32")
    # All beams are the same at first, so only one of them counts.
    alive = ops.broadcast_to(ops.where(ops.arange(beam) == 0, 0.0, _NEVER), (rows, beam))
    ended = ops.full((rows, beam), 2 * _NEVER, "float32")
    token = ops.full((rows, beam), START, "int32")

    def goes_on(t, token, state, alive, written, ended, finals):
        return ops.logical_not(ops.all(_is_done(t, alive, ended, limits, options)))

    def extend(t, token, state, alive, written, ended, finals):
        log_probabilities, state = step(token, state)
        log_probabilities = _allowed(log_probabilities, token, t + 1 >= limits, options)
        size = log_probabilities.shape[-1]
        totals = ops.reshape(alive[..., None] + log_probabilities, (rows, beam * size))
        # Half of twice as many may end, and a full beam stays alive.
        scores, places = ops.top_k(totals, 2 * beam)
        parents, tokens = places // size, ops.cast(places % size, "int32")
        candidates = _write(_pick(written, parents, beam), tokens, t)
        has_ended = tokens == END
        # Only what greedy search would have ended too: hypotheses among the first `beam`.
        counts = ops.logical_and(has_ended, ops.logical_and(ops.arange(2 * beam) < beam, scores > _NEVER / 2))
        counts = ops.logical_and(counts, ops.logical_not(_is_done(t, alive, ended, limits, options))[:, None])
        final_scores = ops.where(counts, scores / _length_norm(t + 1, options), 2 * _NEVER)
        ended, kept = ops.top_k(ops.concatenate([ended, final_scores], axis=1), beam)
        finals = _pick(ops.concatenate([finals, candidates], axis=1), kept, 3 * beam)
        alive, kept = ops.top_k(ops.where(has_ended, scores + _NEVER, scores), beam)
        token, parents = (ops.take_along_axis(array, kept, axis=1) for array in (tokens, parents))
        state = keras.tree.map_structure(lambda array: _pick(array, parents, beam), state)
        return t + 1, token, state, alive, _pick(candidates, kept, 2 * beam), ended, finals

    start = (ops.convert_to_tensor(0, "int32"), token, state, alive, nothing, ended, nothing)
    steps, _, _, _, _, ended, finals = ops.while_loop(goes_on, extend, start)
    return finals, ended, steps


def _is_done(t: Tensor, alive: Tensor, ended: Tensor, limits: Tensor, options: SearchOptions) -> Tensor:
    """Which rows need no more steps, `(batch,)`."""
    # Scores are negative, so the longest a hypothesis may become is the best it can hope for.
    bound = alive[:, 0] / _length_norm(limits, options)
    is_certain = ended[:, options.best - 1] >= bound
    return ops.logical_or(t >= limits, ops.logical_or(is_certain, ended[:, -1] > _NEVER))


def _length_norm(length: Tensor, options: SearchOptions) -> Tensor:
    return ops.power(ops.cast(length, "float32"), options.length_penalty)


def _allowed(log_probabilities: Tensor, token: Tensor, must_end: Tensor, options: SearchOptions) -> Tensor:
    """Log probabilities with those of forbidden tokens, and at the limit of all but END, out of reach.

    By sums, which cost a fraction of what a choice of each number does in a graph for small devices.
    """
    size = log_probabilities.shape[-1]
    ids = np.arange(size)
    never, unless_end = (np.float32(_NEVER) * chosen for chosen in (np.isin(ids, options.forbidden), ids != END))
    closed = never + ops.cast(must_end, "float32")[:, None, None] * unless_end
    if not options.repeats:
        # What is alive has not ended, so its last token is not END.
        closed = closed + _NEVER * ops.one_hot(token, size, dtype="float32")
    return log_probabilities + closed


def _pick(array: Tensor, indices: Tensor, size: int) -> Tensor:
    """`array[row, indices[row]]` for each row: `(batch, size, ...)`, `(batch, n)` -> `(batch, n, ...)`."""
    rows, count, rest = ops.shape(indices)[0], indices.shape[1], tuple(ops.shape(array)[2:])
    flat = ops.reshape(ops.arange(rows, dtype="int32")[:, None] * size + ops.cast(indices, "int32"), (-1,))
    picked = ops.take(ops.reshape(array, (rows * size, *rest)), flat, axis=0)
    return ops.reshape(picked, (rows, count, *rest))


def _write(sequences: Tensor, tokens: Tensor, t: Tensor) -> Tensor:
    """Puts `tokens` `(batch, n)` at place `t` of sequences `(batch, n, time)`."""
    here = ops.cast(ops.arange(ops.shape(sequences)[-1]) == t, "int32")
    return sequences * (1 - here) + tokens[..., None] * here


def search(network: Any, inputs: Tensor, limits: Tensor, options: SearchOptions) -> tuple[Tensor, Tensor]:
    """The beam search of a network.

    Args:
        network: has `begin(inputs, beam)`, which returns a step function and its first state.
        inputs: of the network.
        limits: most tokens of each row, int32 `(batch,)`.
        options: beam, length penalty and the like.

    Returns:
        Token ids and scores as in `beam_search`.
    """
    step, state = network.begin(inputs, options.beam)
    token_ids, scores, _ = beam_search(step, state, limits, ops.max(limits), options)
    return token_ids, scores


class Searcher(keras.Model):
    """A network's beam search as a model, so that `predict_on_batch` compiles it on every backend.

    Args:
        network: as in `search`.
        options: beam, length penalty and the like.
    """

    def __init__(self, network: keras.Model, options: SearchOptions):
        super().__init__(name="searcher")
        self.network, self.options = network, options

    def build(self, shapes: Any) -> None:
        """Nothing: the network is built."""

    def call(self, inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """`inputs` of the network and `limits` int32 `(batch,)` -> token ids and scores as in `beam_search`."""
        return search(self.network, inputs["inputs"], inputs["limits"], self.options)
