"""Pictures of a caption: the photograph, and for each word where the network looked."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from apps.captioning.captioner import Glances
from common.plots import INK, save_figure

_COLUMNS = 6
_INCHES = 1.9
_SIDE = 224
_DARKEST = 0.2
_DPI = 110


def plot_glances(picture: Image.Image, glances: Glances, path: Path) -> None:
    """Draws the picture, and behind it a panel a word, bright where the network looked.

    Each panel is as bright as can be where its weight is greatest; the number beside the word is that weight.

    Args:
        picture: RGB.
        glances: words and their weights.
        path: the PNG to write.
    """
    pixels = _shrink(picture)
    panels = 1 + len(glances.words)
    columns = min(panels, _COLUMNS)
    rows = -(-panels // columns)
    height = _INCHES * pixels.shape[0] / pixels.shape[1]
    figure = Figure(figsize=(_INCHES * columns, (height + 0.25) * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    _draw(grid[0], pixels, "")
    for axes, word, weights in zip(grid[1:], glances.words, glances.weights, strict=False):
        _draw(axes, pixels * _brightness(weights, pixels.shape[:2])[..., None], f"{word}  {weights.max():.0%}")
    save_figure(figure, path, _DPI)


def _shrink(picture: Image.Image) -> np.ndarray:
    """Pixels as float from 0 to 1 `(height, width, 3)`, its longer side of a panel's size."""
    scale = _SIDE / max(picture.size)
    size = tuple(max(round(side * scale), 1) for side in picture.size)
    return np.asarray(picture.resize(size, Image.Resampling.BICUBIC), np.float32) / 255


def _brightness(weights: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Weights of the places, spread smoothly over the picture: from `_DARKEST` to 1, `(height, width)`."""
    shares = Image.fromarray((weights / max(weights.max(), 1e-12)).astype(np.float32))
    spread = np.asarray(shares.resize(shape[::-1], Image.Resampling.BICUBIC)).clip(0, 1)
    return _DARKEST + (1 - _DARKEST) * spread


def _draw(axes: Axes, pixels: np.ndarray, title: str) -> None:
    axes.imshow(pixels, interpolation="bilinear", vmin=0, vmax=1)
    axes.set_title(title, fontsize=9, color=INK)
