"""Why: what each word of a text did to the probability of its label."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from apps.sentiment.data import shorten
from common.metrics import softmax
from common.text import END, START, UNKNOWN

if TYPE_CHECKING:
    from apps.sentiment.classifier import SentimentClassifier

_MOST_GROUPS = 200


@dataclass(frozen=True)
class WordShare:
    """A word, or a run of words in a long text, and by how much the probability falls when it is unknown."""

    word: str
    share: float


def explain(classifier: "SentimentClassifier", text: str, class_id: int) -> list[WordShare]:
    """Occlusion (Zeiler & Fergus, 2014): the network reads the text again, once for each word, with that word unknown.

    It asks no gradient of the network, and so runs on every runtime. In a text of more than 200 words neighbours are
    taken together.

    Args:
        classifier: what reads.
        text: normalised.
        class_id: the class whose probability is explained.

    Returns:
        The words in order; the share is positive where the word speaks for the class.
    """
    spans = [match.span() for match in re.finditer(r"\S+", text)]
    size = -(-len(spans) // _MOST_GROUPS)
    groups = [(spans[index][0], spans[min(index + size, len(spans)) - 1][1]) for index in range(0, len(spans), size)]
    pieces = classifier.tokeniser.pieces(text)
    token_ids = np.array([START, *(piece.token_id for piece in pieces), END], np.int32)
    variants = [token_ids]
    for start, end in groups:
        # START stands before the pieces, so their places are one further on.
        inside = [place for place, piece in enumerate(pieces, 1) if piece.start < end and piece.end > start]
        variants.append(np.where(np.isin(np.arange(len(token_ids)), inside), UNKNOWN, token_ids))
    rows = [shorten(row, classifier.most_pieces) for row in variants]
    probabilities = softmax(classifier.run(rows), classifier.temperature)[:, class_id]
    return [
        WordShare(text[start:end], float(probabilities[0] - without))
        for (start, end), without in zip(groups, probabilities[1:], strict=True)
    ]
