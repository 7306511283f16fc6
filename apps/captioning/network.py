"""What a captioner asks of a network, and how a Keras model answers it."""

from typing import Protocol

import numpy as np

from common.sequences import Searches


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
