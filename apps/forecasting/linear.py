"""Ridge regression of the horizon on the history: the baseline that is hard to beat, and half of a good mixture."""

import io
import zipfile
from dataclasses import dataclass

import numpy as np

from apps.forecasting.windows import Addresses, Arrays, Windows, in_batches, thin
from common.errors import UserError

_STRENGTHS = (1.0, 100.0, 10_000.0)
_MOST_WINDOWS = 60_000
_MOST_STEPS = 336


@dataclass(frozen=True)
class Linear:
    """One regression for all series and windows, each window less its mean.

    Attributes:
        kernel: float32 `(steps, horizon)`; of a longer history the last steps are read.
        bias: float32 `(horizon,)`.
    """

    kernel: np.ndarray
    bias: np.ndarray

    def points(self, inputs: Arrays) -> np.ndarray:
        """Inputs of `Windows.inputs` -> forecasts in their scale, float32 `(batch, horizon)`."""
        history, means = _levelled(inputs)
        return history @ self.kernel + self.bias + means

    def predict(self, windows: Windows, numbers: np.ndarray, origins: np.ndarray) -> np.ndarray:
        """The forecasts of windows by their addresses, `(windows, horizon)`."""
        return np.concatenate([self.points(windows.inputs(*some)) for some in in_batches(numbers, origins, 4096)])

    def to_bytes(self) -> bytes:
        """As a file of a model folder."""
        content = io.BytesIO()
        np.savez_compressed(content, kernel=self.kernel, bias=self.bias)
        return content.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Linear":
        """What `to_bytes` wrote.

        Raises:
            UserError: it is something else.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                return cls(arrays["kernel"], arrays["bias"])
        except (ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
            raise UserError("linear.npz: not the regression of a model") from error


def fit_linear(windows: Windows, train: Addresses, validation: Addresses, horizon: int) -> Linear:
    """Fits on train windows; the strength of the penalty is that which does best on validation.

    Args:
        windows: to learn from; scaled.
        train: numbers and origins of windows in the train part.
        validation: of those that choose the strength.
        horizon: steps to forecast, no more than the windows have.
    """
    from sklearn.linear_model import Ridge

    inputs, targets = _pairs(windows, thin(train, _MOST_WINDOWS), horizon)
    held_inputs, held_targets = _pairs(windows, thin(validation, _MOST_WINDOWS), horizon)
    models = [Ridge(strength).fit(inputs, targets) for strength in _STRENGTHS]
    errors = [
        np.mean(np.square(model.predict(held_inputs).reshape(held_targets.shape) - held_targets)) for model in models
    ]
    best = models[int(np.argmin(errors))]
    kernel = np.asarray(best.coef_, np.float32).reshape(horizon, -1).T
    return Linear(kernel, np.asarray(best.intercept_, np.float32).reshape(horizon))


def best_share(points: np.ndarray, others: np.ndarray, targets: np.ndarray) -> float:
    """The share of `points` in the mixture with `others` whose squared error is least, between 0 and 1.

    The mixture of Bates and Granger (1969), of which both parts err in ways of their own. All `(windows, horizon)`.
    """
    apart = points - others
    power = float(np.sum(np.square(apart)))
    return float(np.clip(np.sum(apart * (targets - others)) / power, 0, 1)) if power else 1.0


def _pairs(windows: Windows, addresses: Addresses, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """Histories and horizons, both less the mean of the history."""
    history, means = _levelled(windows.inputs(*addresses))
    return history, windows.targets(*addresses)[:, :horizon] - means


def _levelled(inputs: Arrays) -> tuple[np.ndarray, np.ndarray]:
    """Histories `(batch, steps)` less their means, zero where there is no value, and the means `(batch, 1)`."""
    history, observed = inputs["history"][:, -_MOST_STEPS:], inputs["observed"][:, -_MOST_STEPS:]
    means = history.sum(axis=1, keepdims=True) / observed.sum(axis=1, keepdims=True)
    return (history - means) * observed, means
