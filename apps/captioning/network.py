"""What a captioner asks of a network, and how a Keras model and a LiteRT file answer it."""

from typing import Protocol

import numpy as np

from common.litert import LITERT, LiteRTNetwork
from common.sequences import READ, ExportedSearches, Searches


class Network(Protocol):
    """A trained decoder, whatever runs it. Pictures are as the encoder gives them; ids are int32, padded on the right.

    Attributes:
        can_look: whether it has attention.
    """

    can_look: bool

    def search(
        self, pictures: np.ndarray, limits: np.ndarray, beam: int, length_penalty: float, n_best: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Pictures and the most tokens of each caption -> ids `(batch, beam, time)`, scores `(batch, beam)`."""
        ...

    def attend(self, pictures: np.ndarray, token_ids: np.ndarray) -> np.ndarray:
        """Pictures and what was written, from START on, `(batch, time)` -> weights `(batch, time, places)`."""
        ...


class KerasNetwork(Searches):
    """A Keras model of `apps.captioning.model` as a `Network`."""

    def __init__(self, model):
        super().__init__(model, repeats=False)
        self.can_look = model.can_look

    def attend(self, pictures, token_ids):
        from common.backend import ops

        return ops.convert_to_numpy(self.model.attend(pictures, token_ids))


class ExportedNetwork(ExportedSearches):
    """A LiteRT file of `apps.captioning.export` as a `Network`, whose pictures are pixels.

    Args:
        exported: the file.
        where: the file, for messages.
    """

    def __init__(self, exported: LiteRTNetwork, where: str = LITERT):
        super().__init__(exported, "pixels", where)
        self.can_look = READ in exported.signatures
        self._read = exported.function(READ) if self.can_look else None

    def attend(self, pictures, token_ids):
        return self._read({"pixels": pictures, "token_ids": token_ids})["attention"]
