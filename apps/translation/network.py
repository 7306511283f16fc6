"""What a translator asks of a network, and how a Keras model answers it."""

from typing import Protocol

import numpy as np


class Network(Protocol):
    """A trained encoder-decoder, whatever runs it. Ids are int32, padded on the right."""

    def search(
        self, source_ids: np.ndarray, limits: np.ndarray, beam: int, length_penalty: float, n_best: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Sources `(batch, time)` and the most tokens of each -> ids `(batch, beam, time)`, scores `(batch, beam)`."""
        ...

    def attend(self, source_ids: np.ndarray, target_ids: np.ndarray) -> np.ndarray:
        """Sources and what was written, from START on -> weights `(batch, target, source)`."""
        ...

    def losses(self, source_ids: np.ndarray, target_ids: np.ndarray) -> np.ndarray:
        """Sources and references, from START to END -> cross-entropy of each id after START, zero at padding."""
        ...


class KerasNetwork:
    """A Keras model as a `Network`; each beam is compiled once.

    Args:
        model: of `apps.translation.model`.
    """

    def __init__(self, model):
        self.model = model
        self._searchers: dict = {}

    def search(self, source_ids, limits, beam, length_penalty, n_best):
        from common.decoding import Searcher, SearchOptions

        options = SearchOptions(beam, length_penalty, n_best)
        if options not in self._searchers:
            self._searchers[options] = Searcher(self.model, options)
        return self._searchers[options].predict_on_batch({"inputs": source_ids, "limits": limits})

    def attend(self, source_ids, target_ids):
        from common.backend import ops

        return ops.convert_to_numpy(self.model.attend(source_ids, target_ids))

    def losses(self, source_ids, target_ids):
        from common.backend import ops
        from common.losses import token_losses

        logits = self.model.predict_on_batch({"source_ids": source_ids, "target_ids": target_ids[:, :-1]})
        return ops.convert_to_numpy(token_losses(target_ids[:, 1:], logits))
