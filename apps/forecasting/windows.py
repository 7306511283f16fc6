"""Windows over series: a history, and the horizon behind it; as arrays for the network."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from apps.forecasting.config import ForecastingSettings
from apps.forecasting.data import Series

Arrays = dict[str, np.ndarray]
# The series and the origin of each window, `(windows,)` both.
Addresses = tuple[np.ndarray, np.ndarray]

_LEAST_BATCHES = 100


@dataclass(frozen=True)
class Frame:
    """What a window is made of.

    Attributes:
        look_back: steps of history.
        horizon: steps after it.
        shortest: least steps of history; what is before them is padding.
        seasonal: whether the last season is repeated over the horizon as an input.
        identity: whether the number of the series is an input.
    """

    look_back: int
    horizon: int
    shortest: int
    seasonal: bool = False
    identity: bool = False

    @classmethod
    def of(cls, settings: ForecastingSettings) -> "Frame":
        """The windows of a network whose look-back is settled."""
        shortest = settings.shortest or settings.look_back
        return cls(settings.look_back, settings.horizon, shortest, settings.seasonal, settings.identity)

    def draw_lengths(self, count: int, rng: np.random.Generator) -> np.ndarray | None:
        """Lengths of histories cut short at random, `(count,)`; None where they are always whole."""
        if self.shortest == self.look_back:
            return None
        # Even over the logarithm: a history of 30 steps differs from one of 60 as one of 300 from one of 600.
        return np.exp(rng.uniform(np.log(self.shortest), np.log(self.look_back + 1), count)).astype(int)


class Windows:
    """All windows of some series, addressed by the series and by the first step of the horizon, the origin.

    Values are scaled per series, and laid one behind the other with room for the padding before each, so that a batch
    is one gather.

    Args:
        series: what windows are cut from.
        frame: the form of a window.
        means: subtracted from each series, `(series,)`.
        scales: divides each series, `(series,)`.
    """

    def __init__(self, series: Sequence[Series], frame: Frame, means: np.ndarray, scales: np.ndarray):
        self.frame = frame
        self.means, self.scales = np.asarray(means, np.float64), np.asarray(scales, np.float64)
        self._seasons = np.array([one.season for one in series])
        room = np.full(frame.look_back, np.nan)
        after = np.full(frame.horizon, np.nan)
        parts, starts, place = [], [], 0
        for one, mean, scale in zip(series, self.means, self.scales, strict=True):
            parts += [room, (one.values - mean) / scale, after]
            starts.append(place + frame.look_back)
            place += frame.look_back + len(one.values) + frame.horizon
        self._values = np.concatenate(parts).astype(np.float32)
        self._starts = np.array(starts)
        self._known = self._lay([one.known for one in series])
        self._past = self._lay([one.past for one in series])

    def _lay(self, arrays: list[np.ndarray]) -> np.ndarray | None:
        """Covariates `(time, columns)` of each series in the places of their values, and into the room."""
        if not arrays[0].shape[1]:
            return None
        laid = np.zeros((len(self._values), arrays[0].shape[1]), np.float32)
        for start, array in zip(self._starts, arrays, strict=True):
            laid[start : start + len(array)] = array[: len(laid) - start]
        return laid

    def inputs(self, numbers: np.ndarray, origins: np.ndarray, lengths: np.ndarray | None = None) -> Arrays:
        """What the network sees of windows; nothing of it lies at or behind the origin but covariates known ahead.

        Args:
            numbers: which series, `(batch,)`.
            origins: first step of the horizon, `(batch,)`.
            lengths: steps of history to show, `(batch,)`; all there are, up to the look-back, if None.

        Returns:
            `history` and `observed` float32 `(batch, look_back)`, zero where there is no value; and where the network
            takes them `seasonal` float32 `(batch, horizon)`, `series_id` int32 `(batch,)`, `past` float32
            `(batch, look_back, columns)`, `known` float32 `(batch, look_back + horizon, columns)`.
        """
        back, horizon = self.frame.look_back, self.frame.horizon
        present = self._starts[numbers] + origins
        history = self._values[present[:, None] + np.arange(-back, 0)]
        observed = np.isfinite(history)
        if lengths is not None:
            observed &= np.arange(back) >= back - lengths[:, None]
        arrays = {"history": np.where(observed, history, 0), "observed": observed.astype(np.float32)}
        if self.frame.seasonal:
            arrays["seasonal"] = self._repeat_season(numbers, arrays["history"], observed)
        if self.frame.identity:
            arrays["series_id"] = numbers.astype(np.int32)
        if self._past is not None:
            arrays["past"] = self._past[present[:, None] + np.arange(-back, 0)] * observed[..., None]
        if self._known is not None:
            arrays["known"] = self._known[present[:, None] + np.arange(-back, horizon)]
        return arrays

    def targets(self, numbers: np.ndarray, origins: np.ndarray) -> np.ndarray:
        """The scaled values behind the origins, float32 `(batch, horizon)`, NaN where there is none."""
        return self._values[(self._starts[numbers] + origins)[:, None] + np.arange(self.frame.horizon)]

    def _repeat_season(self, numbers: np.ndarray, history: np.ndarray, observed: np.ndarray) -> np.ndarray:
        """The values a whole number of seasons before each step of the horizon, or the last where those are unseen."""
        back = self.frame.look_back
        seasons = np.minimum(self._seasons[numbers], back)[:, None]
        places = back - seasons + np.arange(self.frame.horizon) % seasons
        rows = np.arange(len(history))[:, None]
        return np.where(observed[rows, places], history[rows, places], history[:, -1:])


def origins_within(series: Series, start: int, stop: int, frame: Frame, stride: int = 1) -> np.ndarray:
    """The origins whose horizon lies in the rows from `start` to `stop`, int `(windows,)`.

    The first is the first row of the part; the history may begin before it.
    """
    first = max(start, frame.shortest)
    return np.arange(first, stop - frame.horizon + 1, stride)


def address(origins: Sequence[np.ndarray]) -> Addresses:
    """Origins of each series -> numbers and origins of all windows, `(windows,)` each."""
    numbers = np.repeat(np.arange(len(origins)), [len(some) for some in origins])
    return numbers, np.concatenate([*origins, np.zeros(0, int)]).astype(int)


def thin(addresses: Addresses, most: int) -> Addresses:
    """Evenly spread windows, at most `most`."""
    step = -(-len(addresses[0]) // most)
    return addresses[0][::step], addresses[1][::step]


class EpochBatches:
    """The batches of one epoch: inputs by name with targets and weights, in an order drawn anew for each epoch.

    The step-by-step network is also given the targets themselves, `future`, for teacher forcing.

    Args:
        windows: where to cut from.
        numbers: series of each window, `(windows,)`.
        origins: of each window, `(windows,)`.
        settings: the size of a batch and of an epoch, and the seed.
        epoch: which epoch.
    """

    def __init__(
        self, windows: Windows, numbers: np.ndarray, origins: np.ndarray, settings: ForecastingSettings, epoch: int
    ):
        rng = np.random.default_rng((settings.seed, epoch))
        count = settings.epoch_windows or max(len(origins), _LEAST_BATCHES * settings.batch_windows)
        order = np.concatenate([rng.permutation(len(origins)) for _ in range(-(-count // len(origins)))])[:count]
        self._windows, self._numbers, self._origins = windows, numbers[order], origins[order]
        self._lengths = windows.frame.draw_lengths(len(order), rng)
        self._size = settings.batch_windows
        self._forced = settings.architecture == "steps"
        self._weighed = settings.scale == "window"

    def __len__(self) -> int:
        return -(-len(self._origins) // self._size)

    def __getitem__(self, index: int) -> tuple[Arrays, np.ndarray, np.ndarray]:
        rows = slice(index * self._size, (index + 1) * self._size)
        numbers, origins = self._numbers[rows], self._origins[rows]
        lengths = None if self._lengths is None else self._lengths[rows]
        inputs, targets = self._windows.inputs(numbers, origins, lengths), self._windows.targets(numbers, origins)
        weights = window_weights(inputs) if self._weighed else np.ones(len(targets), np.float32)
        return (inputs | {"future": targets} if self._forced else inputs), targets, weights


def window_weights(inputs: Arrays) -> np.ndarray:
    """What makes an error one in deviations of its own history, float32 `(batch,)`, so that calm windows count too.

    A history almost without change counts no more than ten usual ones.
    """
    history, observed = inputs["history"], inputs["observed"]
    count = np.maximum(observed.sum(axis=1), 1)
    means = history.sum(axis=1) / count
    squares = (np.square(history - means[:, None]) * observed).sum(axis=1) / count
    return (1 / np.maximum(np.sqrt(squares), 0.1)).astype(np.float32)


def in_batches(numbers: np.ndarray, origins: np.ndarray, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Windows, some at a time, in their order."""
    for start in range(0, len(origins), size):
        yield numbers[start : start + size], origins[start : start + size]
