"""The classifier as others use it: texts in, predictions out, whatever runs the network."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from apps.sentiment.config import SentimentSettings
from apps.sentiment.data import check_text, encode, shorten
from apps.sentiment.explain import MOST_PARTS, WordShare, explain
from common.batching import pad, token_batches
from common.config import Runtime
from common.litert import load_exported
from common.metrics import softmax
from common.model_folder import ModelFolder, load_model
from common.text import Tokeniser

APP = "sentiment"
TOKENISER = "tokeniser.model"
_BATCH_TOKENS = 16_384

Network = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Prediction:
    """An answer for one text.

    Attributes:
        text: as it was given.
        label: the most probable one.
        probability: of that label, calibrated.
        probabilities: of every label.
        truncated: whether the middle of the text was too much to read.
        words: what each word did to the probability, if asked for.
    """

    text: str
    label: str
    probability: float
    probabilities: dict[str, float]
    truncated: bool
    words: list[WordShare] | None = None

    def as_row(self) -> dict[str, Any]:
        """Plain values, for JSON and CSV."""
        row = asdict(self)
        if self.words is None:
            del row["words"]
        return row


def build_network(saved: ModelFolder, precision: str = "float32") -> Any:
    """The `keras.Model` of a model folder that has been read."""
    from apps.sentiment.model import build_model
    from common.checkpoint import load_network

    settings = SentimentSettings.from_values(saved.settings, saved.where)
    size, classes = Tokeniser(saved.files[TOKENISER]).vocabulary_size, len(saved.facts["labels"])
    return load_network(lambda: build_model(settings, size, classes), saved.weights, precision)


class SentimentClassifier:
    """Predicts the label of texts.

    Args:
        network: token ids int32 `(batch, time)`, padded on the right -> logits `(batch, classes)`.
        tokeniser: that of the training.
        labels: names of the classes, in order.
        most_pieces: sub-words read of a text.
        temperature: divides the logits, so that probabilities are calibrated (Guo et al., 2017).
    """

    def __init__(
        self, network: Network, tokeniser: Tokeniser, labels: Sequence[str], most_pieces: int, temperature: float = 1.0
    ):
        self.network = network
        self.tokeniser = tokeniser
        self.labels = list(labels)
        self.most_pieces = most_pieces
        self.temperature = temperature

    @classmethod
    def load(cls, folder: str | Path, precision: str = "float32", runtime: Runtime = "keras") -> "SentimentClassifier":
        """Reads a model folder; with `litert`, or `auto` where the model was exported, TensorFlow is not imported.

        Raises:
            UserError: the folder is missing, damaged, of another app, or not exported to what is to run it.
        """
        folder = Path(folder)
        if found := load_exported(folder, APP, runtime):
            saved, exported = found
            return cls.over(saved, lambda token_ids: exported({"token_ids": token_ids})["logits"])
        saved = load_model(folder, APP)
        return cls.over(saved, build_network(saved, precision).predict_on_batch)

    @classmethod
    def over(cls, saved: ModelFolder, network: Network) -> "SentimentClassifier":
        """The classifier of a model folder that has been read, over what runs its network."""
        settings = SentimentSettings.from_values(saved.settings, saved.where)
        tokeniser = Tokeniser(saved.files[TOKENISER])
        return cls(network, tokeniser, saved.facts["labels"], settings.most_pieces, saved.facts["temperature"])

    def predict(
        self,
        texts: Sequence[str],
        with_words: bool = False,
        places: Sequence[str] | None = None,
        most_parts: int = MOST_PARTS,
    ) -> list[Prediction]:
        """Labels texts.

        Args:
            texts: as people write them.
            with_words: whether to find what each word did; costs a pass of the network a word.
            places: where each text stands, for error messages.
            most_parts: words looked at in a text; where it has more, neighbours are taken together.

        Raises:
            UserError: a text is empty or too long.
        """
        places = places or [f"text {number}" for number in range(1, len(texts) + 1)]
        normalised = [check_text(text, place) for text, place in zip(texts, places, strict=True)]
        rows = self.tokeniser.encode(normalised)
        logits = self.run([shorten(row, self.most_pieces) for row in rows])
        probabilities = softmax(logits, self.temperature)
        return [
            self._answer(given, text, len(row) > self.most_pieces, shares, most_parts if with_words else 0)
            for given, text, row, shares in zip(texts, normalised, rows, probabilities, strict=True)
        ]

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """Normalised texts -> logits float32 `(texts, classes)`."""
        return self.run(encode(self.tokeniser, texts, self.most_pieces))

    def run(self, rows: Sequence[np.ndarray]) -> np.ndarray:
        """Rows of token ids -> logits float32 `(rows, classes)`, in batches of like length."""
        logits = np.zeros((len(rows), len(self.labels)), np.float32)
        for batch in token_batches([len(row) for row in rows], _BATCH_TOKENS, np.random.default_rng(0)):
            logits[batch] = self.network(pad([rows[index] for index in batch]))
        return logits

    def _answer(self, given: str, text: str, truncated: bool, shares: np.ndarray, most_parts: int) -> Prediction:
        best = int(shares.argmax())
        by_label = {label: float(share) for label, share in zip(self.labels, shares, strict=True)}
        words = self._explain(text, best, most_parts) if most_parts else None
        return Prediction(given, self.labels[best], float(shares[best]), by_label, truncated, words)

    def _explain(self, text: str, class_id: int, most_parts: int) -> list[WordShare]:
        def score(rows: Sequence[np.ndarray]) -> np.ndarray:
            return softmax(self.run(rows), self.temperature)[:, class_id]

        return explain(text, self.tokeniser, self.most_pieces, score, most_parts)
