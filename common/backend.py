"""Keras, imported without the chatter of its backend: `from common.backend import keras, ops`.

TensorFlow writes lines about processors and drivers to standard error while it is imported, before any setting of its
own can stop it; a command's errors would drown in them.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from common.terminal import silent_stderr

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with silent_stderr():
    import keras
    from keras import ops

    if keras.backend.backend() == "tensorflow":
        import tensorflow  # noqa: F401

__all__ = ["computing_in", "keras", "ops", "use_precision"]


def use_precision(precision: str) -> None:
    """Sets Keras' policy: `float32`, `mixed_bfloat16`, or by `auto` the faster of the two on this processor."""
    if precision == "auto":
        precision = "mixed_bfloat16" if _multiplies_bfloat16() else "float32"
    keras.config.set_dtype_policy(precision)


@contextlib.contextmanager
def computing_in(precision: str) -> Iterator[None]:
    """Layers that are made within it compute in `precision`, such as `float32`, whatever others do."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)


def _multiplies_bfloat16() -> bool:
    """Whether the processor has instructions for products of bfloat16 (AVX-512 BF16, AMX, Arm's BF16)."""
    description = Path("/proc/cpuinfo")
    words = set(description.read_text().split()) if description.exists() else set()
    return bool(words & {"avx512_bf16", "amx_bf16", "bf16"})
