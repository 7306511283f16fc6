"""What is to be exported: a function of tensors, and how small it is to become."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Quantise = Literal["none", "float16", "int8"]


@dataclass(frozen=True)
class Signature:
    """A function to be exported.

    Attributes:
        function: takes tensors by the names of `inputs`, gives tensors by name.
        inputs: shapes, None where an axis is free, and types; each a `keras.KerasTensor`.
        meaning: what each input and output is, by its name.
        keeps: objects that the function needs beside the weights, such as a tokeniser.
    """

    function: Callable[..., dict[str, Any]]
    inputs: Mapping[str, Any]
    meaning: Mapping[str, str]
    keeps: Sequence[Any] = ()
