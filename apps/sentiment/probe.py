"""A trained classifier with its loss and some texts, for measuring the gradients that flow through it."""

from pathlib import Path

import numpy as np

from apps.sentiment.classifier import APP, TOKENISER
from apps.sentiment.config import SentimentSettings
from apps.sentiment.data import encode, load_corpus
from common.backend import keras
from common.batching import pad
from common.model_folder import load_model
from common.sources import Source
from common.text import Tokeniser

BATCHES, BATCH_ROWS = 2, 32


def load_probe(
    folder: Path, data: str | None, split: str
) -> tuple[keras.Model, keras.losses.Loss, list[tuple[np.ndarray, np.ndarray]]]:
    """The network of a model folder, its loss, and batches `(token ids, class ids)` of one shape.

    Args:
        folder: of the model.
        data: sample, tfds:NAME or a path; None for the first that the model was trained on.
        split: which part of it.

    Raises:
        UserError: the folder or the data cannot be read, or a label is not the model's.
    """
    from apps.sentiment.model import build_model
    from common.checkpoint import assign_by_path
    from common.training import use_precision

    saved = load_model(folder, APP)
    settings = SentimentSettings.from_values(saved.settings, f"{folder}/config.json")
    tokeniser, labels = Tokeniser(saved.files[TOKENISER]), saved.facts["labels"]
    corpus = load_corpus(Source.parse(data or settings.data[0]), split, settings)
    use_precision("float32")
    network = build_model(settings, tokeniser.vocabulary_size, len(labels))
    assign_by_path(network, saved.weights)
    # From all parts of the corpus, which may be sorted by label.
    chosen = np.unique(np.linspace(0, len(corpus.texts) - 1, BATCHES * BATCH_ROWS).astype(int))
    token_ids = pad(encode(tokeniser, [corpus.texts[index] for index in chosen], settings.most_pieces))
    class_ids = corpus.label_ids(labels)[chosen]
    rows = min(len(chosen), BATCH_ROWS)
    starts = range(0, len(chosen) - rows + 1, rows)
    batches = [(token_ids[start : start + rows], class_ids[start : start + rows]) for start in starts]
    return network, keras.losses.SparseCategoricalCrossentropy(from_logits=True), batches
