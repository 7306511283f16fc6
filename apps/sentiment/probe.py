"""A trained classifier with its loss and some texts, to follow the gradients through it."""

from pathlib import Path

import numpy as np

from apps.sentiment.classifier import APP, TOKENISER
from apps.sentiment.config import SentimentSettings
from apps.sentiment.data import encode, load_corpus
from apps.sentiment.model import build_model
from common.backend import keras
from common.batching import pad
from common.checkpoint import load_network
from common.model_folder import load_model
from common.sources import Source
from common.text import Tokeniser

TEXTS = 16


def load_probe(
    folder: Path, data: str | None, split: str
) -> tuple[keras.Model, keras.losses.Loss, list[tuple[np.ndarray, np.ndarray]]]:
    """The network of a model folder, its loss, and texts to measure it on, one by one.

    Args:
        folder: of the model.
        data: sample, tfds:NAME or a path; None for the first that the model was trained on.
        split: which part of it.

    Returns:
        The network, the loss, and examples, all of one shape: token ids `(1, time)` and a class id `(1,)`.

    Raises:
        UserError: the folder or the data cannot be read, or a label is not the model's.
    """
    saved = load_model(folder, APP)
    settings = SentimentSettings.from_values(saved.settings, saved.where)
    tokeniser, labels = Tokeniser(saved.files[TOKENISER]), saved.facts["labels"]
    corpus = load_corpus(Source.parse(data or settings.data[0]), split, settings)
    # From all parts of the corpus, which may be sorted by label.
    chosen = np.unique(np.linspace(0, len(corpus.texts) - 1, TEXTS).astype(int))
    token_ids = pad(encode(tokeniser, [corpus.texts[index] for index in chosen], settings.most_pieces))
    class_ids = corpus.label_ids(labels)[chosen]
    examples = [(token_ids[row : row + 1], class_ids[row : row + 1]) for row in range(len(chosen))]
    size = tokeniser.vocabulary_size
    network = load_network(lambda: build_model(settings, size, len(labels)), saved.weights, "float32")
    return network, keras.losses.SparseCategoricalCrossentropy(from_logits=True), examples
