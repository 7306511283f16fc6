"""What a translator asks of a network, and how a Keras model and a LiteRT file answer it."""

from typing import Protocol

import numpy as np

from common.litert import LITERT, LiteRTNetwork
from common.sequences import READ, ExportedSearches, Searches


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


class KerasNetwork(Searches):
    """A Keras model of `apps.translation.model` as a `Network`."""

    def attend(self, source_ids, target_ids):
        from common.backend import ops

        return ops.convert_to_numpy(self.model.attend(source_ids, target_ids))

    def losses(self, source_ids, target_ids):
        from common.backend import ops
        from common.losses import token_losses

        logits = self.model.predict_on_batch({"source_ids": source_ids, "target_ids": target_ids[:, :-1]})
        return ops.convert_to_numpy(token_losses(target_ids[:, 1:], logits))


class ExportedNetwork(ExportedSearches):
    """A LiteRT file of `apps.translation.export` as a `Network`.

    Args:
        exported: the file.
        where: the file, for messages.
    """

    def __init__(self, exported: LiteRTNetwork, where: str = LITERT):
        super().__init__(exported, "source_ids", where)
        self._read = exported.function(READ)

    def attend(self, source_ids, target_ids):
        return self._read({"source_ids": source_ids, "target_ids": target_ids})["attention"]

    def losses(self, source_ids, target_ids):
        return self._read({"source_ids": source_ids, "target_ids": target_ids})["losses"]
