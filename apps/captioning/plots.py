"""Pictures of a caption: the photograph, and for each word where the network looked."""

from pathlib import Path
from typing import IO

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


def plot_glances(picture: Image.Image, glances: Glances, target: Path | IO[bytes]) -> None:
    """Draws the picture, and behind it a panel a word, bright where the network looked.

    Each panel is as bright as can be where its weight is greatest; the number beside the word is that weight.

    Args:
        picture: RGB.
        glances: words and their weights.
        target: the PNG to write, or a file that is open.
    """
    pixels = shrink(picture)
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
        _draw(axes, darken(pixels, weights), f"{word}  {weights.max():.0%}")
    save_figure(figure, target, _DPI)


def shrink(picture: Image.Image) -> np.ndarray:
    """Pixels as float from 0 to 1 `(height, width, 3)`, its longer side of a panel's size."""
    scale = _SIDE / max(picture.size)
    size = tuple(max(round(side * scale), 1) for side in picture.size)
    return np.asarray(picture.resize(size, Image.Resampling.BICUBIC), np.float32) / 255


def darken(pixels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """A picture that is as it was where the weight is greatest, and dark where there is none.

    Args:
        pixels: `(height, width, 3)`.
        weights: of the places, `(rows, columns)`; they are spread smoothly over the picture.
    """
    shares = Image.fromarray((weights / max(weights.max(), 1e-12)).astype(np.float32))
    spread = np.asarray(shares.resize(pixels.shape[1::-1], Image.Resampling.BICUBIC)).clip(0, 1)
    return pixels * (_DARKEST + (1 - _DARKEST) * spread)[..., None]


def _draw(axes: Axes, pixels: np.ndarray, title: str) -> None:
    axes.imshow(pixels, interpolation="bilinear", vmin=0, vmax=1)
    axes.set_title(title, fontsize=9, color=INK)
