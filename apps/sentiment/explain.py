"""Why: what each word of a text did to the probability of its label."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from apps.sentiment.data import shorten
from common.text import END, START, UNKNOWN, Tokeniser

MOST_PARTS = 200


@dataclass(frozen=True)
class WordShare:
    """A word, or a run of words in a long text, and by how much the probability falls when it is unknown."""

    word: str
    share: float


def explain(
    text: str,
    tokeniser: Tokeniser,
    most_pieces: int,
    score: Callable[[Sequence[np.ndarray]], np.ndarray],
    most_parts: int = MOST_PARTS,
) -> list[WordShare]:
    """Occlusion (Zeiler & Fergus, 2014): the network reads the text again, once for each word, with that word unknown.

    It asks no gradient of the network, and so runs on every runtime. In a text of more than `most_parts` words
    neighbours are taken together.

    Args:
        text: normalised.
        tokeniser: that of the network.
        most_pieces: sub-words read of a text.
        score: rows of token ids -> the probability to be explained, `(rows,)`.
        most_parts: how often the text is read again.

    Returns:
        The words in order; the share is positive where the word speaks for the class.
    """
    spans = [match.span() for match in re.finditer(r"\S+", text)]
    size = -(-len(spans) // most_parts)
    groups = [(spans[index][0], spans[min(index + size, len(spans)) - 1][1]) for index in range(0, len(spans), size)]
    pieces = tokeniser.pieces(text)
    token_ids = np.array([START, *(piece.token_id for piece in pieces), END], np.int32)
    variants = [token_ids]
    for start, end in groups:
        # START stands before the pieces, so their places are one further on.
        inside = [place for place, piece in enumerate(pieces, 1) if piece.start < end and piece.end > start]
        variants.append(np.where(np.isin(np.arange(len(token_ids)), inside), UNKNOWN, token_ids))
    probabilities = score([shorten(row, most_pieces) for row in variants])
    return [
        WordShare(text[start:end], float(probabilities[0] - without))
        for (start, end), without in zip(groups, probabilities[1:], strict=True)
    ]
