"""Pictures in a graph of TensorFlow: files decoded and squashed to a square with the numbers of Pillow."""

from typing import Any

import tensorflow as tf

Tensor = Any

# As in `pictures.as_pixels`; what Pillow calls reducing_gap.
_GAP = 3
# Pillow's coefficients are whole numbers of so many bits.
_BITS = 22
_SUPPORT = 2.0


def read_pictures(contents: Tensor, size: int) -> Tensor:
    """Files of JPEG or PNG, strings `(batch,)` -> pixels uint8 `(batch, size, size, 3)`."""
    spec = tf.TensorSpec((size, size, 3), tf.uint8)
    return tf.map_fn(lambda content: resize(decode(content), size), contents, fn_output_signature=spec)


def decode(content: Tensor) -> Tensor:
    """A file of JPEG or PNG -> int32 `(height, width, 3)`, transparent parts white; EXIF's turns are not made."""

    def decode_jpeg() -> Tensor:
        # By default a faster transform is taken, whose numbers are others.
        return tf.cast(tf.io.decode_jpeg(content, channels=3, dct_method="INTEGER_ACCURATE"), tf.int32)

    def decode_png() -> Tensor:
        above = tf.cast(tf.io.decode_png(content, channels=4), tf.int32)
        colour, alpha = above[..., :3], above[..., 3:]
        # A division by 255 as Pillow rounds it.
        total = (colour * alpha + 255 * (255 - alpha)) * 128 + 128 * 128
        return tf.bitwise.right_shift(tf.bitwise.right_shift(total, 8) + total, 15)

    return tf.cond(tf.io.is_jpeg(content), decode_jpeg, decode_png)


def resize(picture: Tensor, size: int) -> Tensor:
    """`pictures.as_pixels`: int32 `(height, width, 3)` -> uint8 `(size, size, 3)`.

    Large pictures are first reduced by the mean of boxes; then each axis is filtered, by coefficients of whole numbers.
    """
    sides = tf.cast(tf.shape(picture)[:2], tf.float64)
    factors = tf.maximum(tf.cast(sides / size / _GAP, tf.int32), 1)
    reduced, sides = _reduce(picture, factors), sides / tf.cast(factors, tf.float64)
    pixels = tf.cast(reduced, tf.float64)
    down, across = (_coefficients(tf.shape(reduced)[axis], sides[axis], size) for axis in range(2))

    def filter_down(pixels: Tensor) -> Tensor:
        return _round(tf.einsum("oh,hwc->owc", down, pixels))

    def filter_across(pixels: Tensor) -> Tensor:
        return _round(tf.einsum("ow,hwc->hoc", across, pixels))

    # The order matters, since what lies between is rounded; Pillow 13 begins with height where that is much larger.
    more = tf.shape(reduced)[:2] - size
    is_tall = more[0] > tf.maximum(2 * more[1], 0)
    filtered = tf.cond(is_tall, lambda: filter_across(filter_down(pixels)), lambda: filter_down(filter_across(pixels)))
    return tf.cast(filtered, tf.uint8)


def _reduce(picture: Tensor, factors: Tensor) -> Tensor:
    """Means of boxes of `factors` pixels, divided by numbers of 24 bits as in Pillow; at edges boxes are smaller."""
    shape = tf.shape(picture)[:2]
    counts = -(-shape // factors)
    missing = tf.stack([tf.zeros_like(shape), counts * factors - shape], axis=1)

    def sums(array: Tensor) -> Tensor:
        padded = tf.pad(array, tf.concat([missing, [[0, 0]]], axis=0))
        boxes = tf.reshape(padded, [counts[0], factors[0], counts[1], factors[1], array.shape[-1]])
        return tf.reduce_sum(boxes, axis=[1, 3])

    pixels = tf.cast(sums(tf.ones_like(picture[..., :1])), tf.int64)
    share = tf.cast(2.0**24 / tf.cast(pixels, tf.float32), tf.int64)
    return tf.bitwise.right_shift((tf.cast(sums(picture), tf.int64) + pixels // 2) * share, 24)


def _coefficients(pixels: Tensor, length: Tensor, size: int) -> Tensor:
    """Of a bicubic filter as wide as the reduction asks for: whole numbers in float64, `(size, pixels)`.

    Args:
        pixels: of the axis.
        length: of the axis in these pixels, of which the last may be a part.
        size: of the result.
    """
    scale = length / size
    stretch = tf.maximum(scale, 1.0)
    centres = (tf.range(size, dtype=tf.float64) + 0.5) * scale
    first = tf.maximum(tf.floor(centres - _SUPPORT * stretch + 0.5), 0.0)
    last = tf.minimum(tf.floor(centres + _SUPPORT * stretch + 0.5), tf.cast(pixels, tf.float64))
    places = tf.range(tf.cast(pixels, tf.float64), dtype=tf.float64)[None]
    weights = _bicubic((places - centres[:, None] + 0.5) / stretch)
    is_inside = tf.logical_and(places >= first[:, None], places < last[:, None])
    weights = tf.where(is_inside, weights, 0.0)
    weights = weights / tf.reduce_sum(weights, axis=1, keepdims=True) * 2.0**_BITS
    return tf.sign(weights) * tf.floor(tf.abs(weights) + 0.5)


def _bicubic(x: Tensor) -> Tensor:
    """The filter of Keys (1981) with a = -0.5."""
    x = tf.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * -0.5
    return tf.where(x < 1, near, tf.where(x < _SUPPORT, far, 0.0))


def _round(sums: Tensor) -> Tensor:
    return tf.clip_by_value(tf.floor((sums + 2.0 ** (_BITS - 1)) / 2.0**_BITS), 0.0, 255.0)
