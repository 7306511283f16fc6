"""What looks at a picture before the network does: a pretrained one of `keras.applications`, frozen, or nothing.

TensorFlow and Keras are imported only where a pretrained network is built.
"""

import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from apps.captioning.config import SMALL, SMALL_STRIDE, NetworkSettings
from common.errors import UserError
from common.sources import checksum


class Encoder(Protocol):
    """From pixels to what the network is given of a picture.

    Attributes:
        name: as in the settings, or `PIXELS`.
        size: pixels a side of the pictures that it takes.
        grid: rows and columns of the places that the network looks at.
        shape: of what it gives of one picture.
        dtype: of it.
        weights: checksum of its weights, empty without any.
    """

    name: str
    size: int
    grid: tuple[int, int]
    shape: tuple[int, ...]
    dtype: str
    weights: str

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels uint8 `(batch, size, size, 3)` -> `(batch, *shape)`."""
        ...


@dataclass(frozen=True)
class Architecture:
    """A network of `keras.applications`: its module, its constructor, and the size of pictures it was trained on."""

    module: str
    constructor: str
    size: int = 224


# The name of the encoder that leaves pictures as they are.
PIXELS = "pixels"
# All of them halve the picture five times.
PRETRAINED_STRIDE = 32
PRETRAINED = {
    "mobilenet_v2": Architecture("mobilenet_v2", "MobileNetV2"),
    "efficientnet_v2_b0": Architecture("efficientnet_v2", "EfficientNetV2B0"),
    "resnet50": Architecture("resnet", "ResNet50"),
    "resnet101": Architecture("resnet", "ResNet101"),
    "resnet152": Architecture("resnet", "ResNet152"),
    "convnext_tiny": Architecture("convnext", "ConvNeXtTiny"),
}


class Pixels:
    """The encoder that leaves pictures as they are, for a network that has its own.

    Args:
        size: pixels a side.
        stride: of the network's encoder, pixels from place to place.
    """

    def __init__(self, size: int, stride: int = SMALL_STRIDE):
        self.name, self.weights, self.dtype = PIXELS, "", "uint8"
        self.size, self.shape = size, (size, size, 3)
        self.grid = (size // stride, size // stride)

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        return pixels


class Frozen:
    """A pretrained network: the features of its last grid, such as 7 x 7 x 1,280, as float16 `(places, channels)`.

    Args:
        name: one of `PRETRAINED`.
        model: the network without its top.
    """

    def __init__(self, name: str, model: Any):
        model.trainable = False
        self.name, self.dtype = name, "float16"
        self.size = PRETRAINED[name].size
        _, rows, columns, channels = model.output_shape
        self.grid, self.shape = (rows, columns), (rows * columns, channels)
        self.weights = checksum(b"".join(np.ascontiguousarray(array).tobytes() for array in model.get_weights()))
        self._model, self._prepare = model, preparation(name)

    def weights_by_path(self) -> dict[str, np.ndarray]:
        """The weights, as a network holds them that has this encoder in it."""
        from common.checkpoint import weights_by_path

        return weights_by_path(self._model)

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        features = self._model.predict_on_batch(self._prepare(pixels.astype(np.float32)))
        # Float16 ends at 65,504.
        features = np.clip(features, -6e4, 6e4).astype(self.dtype)
        return features.reshape(len(pixels), *self.shape)

    def in_graph(self, pixels: Any, rounded: bool) -> Any:
        """As a call, of tensors, for an export that holds the encoder: features float32 `(batch, *shape)`.

        Args:
            pixels: uint8 `(batch, size, size, 3)`.
            rounded: to the numbers of float16, as in a call; other kernels may fall on the other side of a step.
        """
        from common.backend import ops

        features = self._model(self._prepare(ops.cast(pixels, "float32")), training=False)
        if rounded:
            features = ops.cast(ops.cast(ops.clip(features, -6e4, 6e4), self.dtype), "float32")
        return ops.reshape(features, (-1, *self.shape))


def load_encoder(settings: NetworkSettings, weights: Path | None) -> Encoder:
    """What looks at pictures before a network of these settings does.

    Args:
        settings: of the network.
        weights: file with ImageNet weights, which a network that sees pixels does not need; see `load_pretrained`.

    Raises:
        UserError: as `load_pretrained`.
    """
    return pixels_for(settings) if settings.sees_pixels else load_pretrained(settings.encoder, weights)


def load_pretrained(name: str, weights: Path | None) -> Frozen:
    """One of `PRETRAINED` with its weights.

    Args:
        name: of it.
        weights: file with ImageNet weights without top, `.weights.h5` or `.h5`; None has Keras download them.

    Raises:
        UserError: the file is not there or does not fit, or there is neither a file nor a connection.
    """
    if weights is None:
        with _Downloading(name):
            model = build_pretrained(name, "imagenet")
    else:
        if not weights.is_file():
            raise UserError(f"--encoder-weights {weights}: there is no such file")
        model = build_pretrained(name)
        try:
            model.load_weights(weights)
        except (OSError, ValueError, KeyError) as error:
            raise UserError(f"--encoder-weights {weights}: not weights of {name} without its top") from error
    return Frozen(name, model)


def take_encoder(name: str, weights: dict[str, np.ndarray]) -> Frozen:
    """Takes a fine-tuned encoder out of a network's weights by path, to be used as it is.

    Args:
        name: one of `PRETRAINED`.
        weights: of the network; those of the encoder are removed.
    """
    from common.checkpoint import assign_by_path

    model = build_pretrained(name)
    assign_by_path(model, {variable.path: weights.pop(variable.path) for variable in model.weights})
    return Frozen(name, model)


def pixels_for(settings: NetworkSettings) -> Pixels:
    """Pictures as the encoder takes them, for a network or an export that holds it."""
    if settings.encoder == SMALL:
        return Pixels(settings.picture_size)
    return Pixels(PRETRAINED[settings.encoder].size, PRETRAINED_STRIDE)


def preparation(name: str) -> Callable[[np.ndarray], np.ndarray]:
    """What brings pixels from 0 to 255 to the range that the network was trained on."""
    from common.backend import keras

    return getattr(keras.applications, PRETRAINED[name].module).preprocess_input


def build_pretrained(name: str, weights: str | None = None) -> Any:
    """One of `PRETRAINED` without its top, with the weights that Keras calls `weights`, or fresh ones; in float32."""
    from common.backend import computing_in, keras

    size = PRETRAINED[name].size
    constructor = getattr(keras.applications, PRETRAINED[name].constructor)
    # Features are the same whatever the arithmetic of the rest, and depthwise convolutions slower in bfloat16.
    with computing_in("float32"):
        return constructor(include_top=False, weights=weights, input_shape=(size, size, 3))


class _Downloading(contextlib.redirect_stdout):
    """Keras tells of a download on standard output, and of its failure by a bare `Exception` over the cause."""

    def __init__(self, name: str):
        super().__init__(sys.stderr)
        self._name = name

    def __exit__(self, kind, error, traceback):
        super().__exit__(kind, error, traceback)
        if error is not None and isinstance(error.__context__, OSError):
            raise UserError(
                f"the ImageNet weights of {self._name} cannot be downloaded ({error.__context__}); "
                "connect, or name a file with --encoder-weights PATH"
            ) from error
