"""Sequences that a network writes: the search for them, and what it found as people read it, free of TensorFlow."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from common.config import Runtime
from common.errors import UserError
from common.litert import LITERT, LiteRTNetwork
from common.text import PADDING, START, Tokeniser

# The function of a LiteRT file that reads what was written; it searches by the other.
READ = "read"
# Beams that found no sequence come with scores far below this.
_NO_SEQUENCE = -1e8


@dataclass(frozen=True)
class Alternative:
    """One of several answers, and its score: the log probability divided by length ** length_penalty."""

    text: str
    score: float


@dataclass(frozen=True)
class Written:
    """What was written for one input, best first.

    Attributes:
        alternatives: the n best.
        token_ids: of the best, from its first token to END, `(time,)`, padded.
    """

    alternatives: list[Alternative]
    token_ids: np.ndarray

    @classmethod
    def of(cls, sequences: np.ndarray, scores: np.ndarray, tokeniser: Tokeniser, n_best: int) -> "Written":
        """From token ids `(beam, time)` and scores `(beam,)` of one input, as `Searches.search` gives them."""
        usable = [(ids, float(score)) for ids, score in zip(sequences, scores, strict=True) if score > _NO_SEQUENCE]
        best, *others = [Alternative(tokeniser.decode(ids), score) for ids, score in usable]
        # A beam that ran short of sequences may hold that of no words.
        return cls([best, *(one for one in others if one.text)][:n_best], usable[0][0])


def as_plain_row(answer: Any, *without: str) -> dict[str, Any]:
    """An answer with `alternatives` as plain values; left out where there is only one, as others named are."""
    row = asdict(answer)
    if len(answer.alternatives) < 2:
        del row["alternatives"]
    for name in without:
        del row[name]
    return row


class Searches:
    """The beam searches of a Keras model, each compiled once.

    Args:
        model: has `begin(inputs, beam)`, as `common.decoding.Searcher` asks for.
        repeats: whether the same token may stand twice in a row.
    """

    def __init__(self, model: Any, repeats: bool = True):
        self.model = model
        self._repeats = repeats
        self._searchers: dict[Any, Any] = {}

    def search(
        self, inputs: np.ndarray, limits: np.ndarray, beam: int, length_penalty: float, n_best: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and the most tokens of each, int32 `(batch,)` -> ids `(batch, beam, time)`, scores `(batch, beam)`."""
        from common.decoding import Searcher, SearchOptions

        options = SearchOptions(beam, length_penalty, n_best, repeats=self._repeats)
        if options not in self._searchers:
            self._searchers[options] = Searcher(self.model, options)
        return self._searchers[options].predict_on_batch({"inputs": inputs, "limits": limits})


class ExportedSearches:
    """The beam search in a LiteRT file, of the width that it was exported with.

    Args:
        exported: the file.
        inputs: name of what the network takes.
        where: the file, for messages.
    """

    def __init__(self, exported: LiteRTNetwork, inputs: str, where: str = LITERT):
        self.exported = exported
        self.beam = exported.outputs["scores"][-1]
        self._inputs, self._where = inputs, where

    def search(
        self, inputs: np.ndarray, limits: np.ndarray, beam: int, length_penalty: float, n_best: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `Searches.search`; all hypotheses of the beam are certain, whatever `n_best`.

        Raises:
            UserError: the export has another beam.
        """
        self.check_beam(beam)
        given = {self._inputs: inputs, "limits": limits, "length_penalty": np.float32(length_penalty)}
        found = self.exported(given)
        return found["token_ids"], found["scores"]

    def is_wanted(self, runtime: Runtime, beam: int | None) -> bool:
        """Whether it is to answer, where `beam` hypotheses will be kept, if that is known; else Keras is.

        Raises:
            UserError: LiteRT is asked for, with another beam than that of the export.
        """
        if runtime == "litert" and beam is not None:
            self.check_beam(beam)
        return beam in (None, self.beam)

    def check_beam(self, beam: int) -> None:
        """Raises a UserError where `beam` is not that of the export."""
        if beam != self.beam:
            raise UserError(
                f"--beam {beam}: {self._where} was exported with {self.beam}; leave it out, or use --runtime keras"
            )


def check_n_best(n_best: int, beam: int) -> None:
    """Raises a UserError where more answers are asked for than a search keeps."""
    if n_best > beam:
        raise UserError(f"--n-best {n_best}: at most as many as --beam {beam}")


def score_by(
    losses: Callable[[np.ndarray, np.ndarray], np.ndarray],
    inputs: np.ndarray,
    token_ids: np.ndarray,
    length_penalty: float,
) -> np.ndarray:
    """What a network gives to sequences that another wrote.

    Args:
        losses: inputs and ids from START on -> cross-entropy of each id after START, zero at padding.
        inputs: of the network, a row each.
        token_ids: a sequence each up to its END, padded: `(batch, time)`.
        length_penalty: as in `SearchOptions`.

    Returns:
        Scores `(batch,)`.
    """
    given = np.pad(token_ids, ((0, 0), (1, 0)), constant_values=START)
    lengths = (token_ids != PADDING).sum(axis=1)
    return -losses(inputs, given).sum(axis=1) / lengths**length_penalty
