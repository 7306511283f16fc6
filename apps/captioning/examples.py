"""Encoded pictures with the token ids of their captions, and the batches of an epoch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from apps.captioning.data import CaptionedPictures
from apps.captioning.metrics import tokenise
from common.batching import turn
from common.errors import UserError
from common.text import PADDING, Tokeniser


def as_text(caption: str) -> str:
    """A caption as the network learns and writes it: lower-cased words with single spaces, no punctuation."""
    return " ".join(tokenise(caption))


@dataclass(frozen=True)
class Examples:
    """What a training learns from one set of pictures.

    Attributes:
        name: of the set.
        views: what the encoder gave of each picture, `(pictures, ...)`, an array for each way in which it is seen.
        token_ids: for each picture a row for each of its captions, from START to END.
        rows: the pictures that have captions short enough to learn from, `(examples,)`.
        weight: share of the set in an epoch.
    """

    name: str
    views: Sequence[np.ndarray]
    token_ids: list[list[np.ndarray]]
    rows: np.ndarray
    weight: float

    @classmethod
    def encode(
        cls,
        pictures: CaptionedPictures,
        views: Sequence[np.ndarray],
        tokeniser: Tokeniser,
        most_pieces: int,
    ) -> "Examples":
        """The pictures of a set, with those of their captions that are of at most `most_pieces` sub-words with END.

        Raises:
            UserError: no caption is that short.
        """
        flat = iter(tokeniser.encode([as_text(caption) for some in pictures.captions for caption in some]))
        rows = [[next(flat) for _ in some] for some in pictures.captions]
        # START is read, not written.
        token_ids = [[row for row in some if 2 < len(row) <= most_pieces + 1] for some in rows]
        usable = np.flatnonzero([len(some) > 0 for some in token_ids])
        if not len(usable):
            raise UserError(f"{pictures.name}: every caption is longer than --most-pieces {most_pieces}")
        return cls(pictures.name, views, token_ids, usable, pictures.weight)


def pad_captions(captions: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Ids of the captions of each picture -> int32 `(pictures, captions, time)`, PADDING where there is none."""
    most, longest = max(map(len, captions)), max(len(row) for some in captions for row in some)
    padded = np.full((len(captions), most, longest), PADDING, np.int32)
    for rows, some in zip(padded, captions, strict=True):
        for row, token_ids in zip(rows, some, strict=False):
            row[: len(token_ids)] = token_ids
    return padded


class EpochBatches:
    """The batches of one epoch: pictures of all sets in a shuffled order, each with some or all of its captions.

    Each set gives `weight` times its size. Where there are several views of a picture, chance takes one.

    Args:
        examples: all sets.
        batch_pictures: pictures of a batch.
        batch_captions: captions of each, drawn by chance; 0 for all.
        seed: of the order and of the chance.
        epoch: its number; the same number gives the same batches.
    """

    def __init__(self, examples: Sequence[Examples], batch_pictures: int, batch_captions: int, seed: int, epoch: int):
        chosen = [
            (number, part.rows[place])
            for number, part in enumerate(examples)
            for place in turn(len(part.rows), part.weight, seed, epoch)
        ]
        rng = np.random.default_rng((seed, epoch))
        self._order = [chosen[index] for index in rng.permutation(len(chosen))]
        self._views = rng.random(len(chosen))
        self._examples, self._batch_pictures, self._batch_captions = examples, batch_pictures, batch_captions
        self._seed = (seed, epoch)

    def __len__(self) -> int:
        return -(-len(self._order) // self._batch_pictures)

    def __getitem__(self, index: int) -> tuple[dict, np.ndarray]:
        token_ids = pad_captions(self._captions(index))
        return {"token_ids": token_ids[..., :-1], "pictures": self._stack(index)}, token_ids[..., 1:]

    def _places(self, index: int) -> list[tuple[int, int]]:
        """The pictures of a batch, each as its set and its row there."""
        return self._order[index * self._batch_pictures : (index + 1) * self._batch_pictures]

    def _stack(self, index: int) -> np.ndarray:
        """What the encoder gave of the pictures of a batch."""
        places = self._places(index)
        chances = self._views[index * self._batch_pictures :][: len(places)]
        return np.stack([self._picture(*place, chance) for place, chance in zip(places, chances, strict=True)])

    def _captions(self, index: int) -> list[list[np.ndarray]]:
        captions = [self._examples[number].token_ids[row] for number, row in self._places(index)]
        if not self._batch_captions:
            return captions
        rng = np.random.default_rng((*self._seed, index))
        return [[theirs[one] for one in rng.permutation(len(theirs))[: self._batch_captions]] for theirs in captions]

    def _picture(self, number: int, row: int, chance: float) -> np.ndarray:
        views = self._examples[number].views
        return views[int(chance * len(views))][row]
