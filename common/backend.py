"""Keras, imported without the chatter of its backend: `from common.backend import keras, ops`.

TensorFlow writes lines about processors and drivers to standard error while it is imported, before any setting of its
own can stop it; a command's errors would drown in them.
"""

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with _silent_stderr():
    import keras
    from keras import ops

    if keras.backend.backend() == "tensorflow":
        import tensorflow  # noqa: F401

__all__ = ["keras", "ops"]
