"""Captions without a network that writes: one for all pictures, and that of the most similar picture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from apps.captioning.data import CaptionedPictures
from apps.captioning.metrics import find_grams, tokenise

# Pictures as the encoder gave them `(pictures, ...)` -> a caption each.
Baseline = Callable[[np.ndarray], list[str]]

_ROWS = 256
_CELLS = 8


def fit_baselines(pictures: Sequence[CaptionedPictures], encoded: Sequence[np.ndarray]) -> dict[str, Baseline]:
    """The baselines.

    Args:
        pictures: those of the training.
        encoded: what the encoder gave of each of these sets.
    """
    captions = [some for part in pictures for some in part.captions]
    central = find_central(captions)
    summaries = np.concatenate([summarise(part) for part in encoded])
    mean = summaries.mean(axis=0)
    known = _unit(summaries - mean)

    def nearest(looked_at: np.ndarray) -> list[str]:
        similarities = _unit(summarise(looked_at) - mean) @ known.T
        return [central.of_each[index] for index in similarities.argmax(axis=1)]

    return {"one_caption": lambda looked_at: [central.of_all] * len(looked_at), "nearest_picture": nearest}


@dataclass(frozen=True)
class Central:
    """The captions that are most like others: of all there are, and of those of each picture."""

    of_all: str
    of_each: list[str]


def find_central(captions: Sequence[Sequence[str]]) -> Central:
    """The captions whose weighted n-grams have the highest mean cosine with those of the others, as CIDEr compares.

    Args:
        captions: those of each picture.
    """
    from scipy import sparse
    from sklearn.feature_extraction.text import TfidfVectorizer

    flat = [caption for some in captions for caption in some]
    owners = np.repeat(np.arange(len(captions)), [len(some) for some in captions])
    vectors = TfidfVectorizer(analyzer=lambda caption: find_grams(tokenise(caption))).fit_transform(flat)
    belongs = sparse.csr_matrix((np.ones(len(flat)), (owners, np.arange(len(flat)))))
    to_all = np.asarray(vectors @ vectors.mean(axis=0).T).ravel()
    to_own = np.asarray(vectors.multiply(belongs.T @ (belongs @ vectors)).sum(axis=1)).ravel()
    # Sorted by picture, then by likeness: the last of each picture is its most central.
    order = np.lexsort((to_own, owners))
    last = order[np.cumsum([len(some) for some in captions]) - 1]
    return Central(flat[int(to_all.argmax())], [flat[index] for index in last])


def summarise(encoded: np.ndarray) -> np.ndarray:
    """A float32 vector a picture `(pictures, size)`: the mean over its places, or of pixels, a picture of 8 x 8."""
    parts = [encoded[start : start + _ROWS].astype(np.float32) for start in range(0, len(encoded), _ROWS)]
    if encoded.ndim == 3:
        return np.concatenate([part.mean(axis=1) for part in parts])
    step = encoded.shape[1] // _CELLS
    cells = [
        part[:, : step * _CELLS, : step * _CELLS].reshape(len(part), _CELLS, step, _CELLS, step, 3) for part in parts
    ]
    return np.concatenate([part.mean(axis=(2, 4)).reshape(len(part), -1) for part in cells])


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
