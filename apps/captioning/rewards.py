"""Self-critical training: the network learns from captions of its own, by how well people's agree with each."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from apps.captioning.captioner import LENGTH_PENALTY, ImageCaptioner
from apps.captioning.config import CaptioningSettings
from apps.captioning.data import CaptionedPictures
from apps.captioning.examples import EpochBatches, Examples
from apps.captioning.metrics import CiderScorer
from common.text import PADDING, START


class RewardedBatches(EpochBatches):
    """The batches of one epoch of self-critical training (Rennie et al., 2017, https://arxiv.org/abs/1612.00563).

    Each picture comes with the captions that beam search finds by the weights of the network when the first batch is
    asked for. A caption counts by its CIDEr-D less the mean of its picture's (Cornia et al., 2020,
    https://arxiv.org/abs/1912.08226): what is better than the others becomes likelier, what is worse less likely.

    Args:
        captioner: writes the captions, and is what learns.
        pictures: all sets, with what people wrote.
        examples: the same sets, encoded.
        scorers: with document frequencies of each set.
        settings: pictures of a batch, captions of each, and the seed.
        epoch: its number.
    """

    def __init__(
        self,
        captioner: ImageCaptioner,
        pictures: Sequence[CaptionedPictures],
        examples: Sequence[Examples],
        scorers: Sequence[CiderScorer],
        settings: CaptioningSettings,
        epoch: int,
    ):
        super().__init__(examples, settings.batch_pictures, 0, settings.seed, epoch)
        self._captioner, self._pictures, self._scorers = captioner, pictures, scorers
        self._own = settings.own_captions
        self._written: list[tuple[np.ndarray, np.ndarray]] = []

    def __getitem__(self, index: int) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
        """`pictures` and `token_ids` read, those written `(pictures, captions, time)`, and the weight of each."""
        if not self._written:
            # All at once: weights change from batch to batch, and an epoch must not depend on how far they got.
            places = tqdm(range(len(self)), desc="captions of its own", unit="batch", leave=False)
            self._written = [self._write(place) for place in places]
        token_ids, weights = self._written[index]
        start = np.full_like(token_ids[..., :1], START)
        read = np.concatenate([start, token_ids[..., :-1]], axis=-1)
        return {"token_ids": read, "pictures": self._stack(index)}, token_ids, weights

    def _write(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Token ids and weights of the captions of one batch, `(pictures, captions, time)`."""
        found = list(self._captioner.search(self._stack(index), self._own, LENGTH_PENALTY, self._own))
        token_ids = np.stack([ids for ids, _ in found]).astype(np.int32)
        token_ids = token_ids[..., : max(int((token_ids != PADDING).any(axis=(0, 1)).sum()), 1)]
        real = token_ids != PADDING
        # A beam may have found fewer captions than it has hypotheses.
        is_caption = real.any(axis=-1)
        rewards = np.stack([self._score(place, ids) for place, ids in zip(self._places(index), token_ids, strict=True)])
        means = np.mean(rewards, axis=1, keepdims=True, where=is_caption)
        advantages = np.where(is_caption, rewards - means, 0.0)
        return token_ids, (advantages[..., None] * real / real.sum()).astype(np.float32)

    def _score(self, place: tuple[int, int], token_ids: np.ndarray) -> np.ndarray:
        number, row = place
        written = [self._captioner.tokeniser.decode(ids) for ids in token_ids]
        return self._scorers[number].score(written, [self._pictures[number].captions[row]] * len(written))
