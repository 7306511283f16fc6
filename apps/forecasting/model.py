"""The networks: a history in, quantiles of the steps that follow out."""

from dataclasses import dataclass
from typing import Any

from apps.forecasting.config import ForecastingSettings
from common.backend import keras, ops
from common.layers import RECURRENT, Backbone

Tensor = Any

# A history without any change would be divided by nothing.
_LEAST_SCALE = 1e-4
_MIDDLE = 0.5


@dataclass(frozen=True)
class Shape:
    """What the data decides of the network: how many series, columns known ahead, and columns of the past."""

    series: int = 1
    known: int = 0
    past: int = 0


@dataclass(frozen=True)
class Networks:
    """Two models with the same weights: `training` also takes `future`, the true values, where it needs them."""

    training: keras.Model
    forecasting: keras.Model


def build_model(settings: ForecastingSettings, shape: Shape) -> keras.Model:
    """The network that forecasts; its inputs are those of `Windows.inputs`.

    Returns:
        A model whose output is float32 `(batch, horizon, quantiles)`, rising along the last axis.
    """
    return build_networks(settings, shape).forecasting


def build_networks(settings: ForecastingSettings, shape: Shape) -> Networks:
    """The network as it is trained and as it forecasts; the same object where the two do not differ."""
    build = {"segments": _build_segments, "steps": _build_steps}[settings.architecture]
    return build(settings, shape, _inputs(settings, shape))


class Pinball(keras.losses.Loss):
    """The mean pinball loss of quantiles (Koenker & Bassett, 1978); steps whose true value is NaN count nothing.

    Args:
        levels: of the quantiles, between 0 and 1.
    """

    def __init__(self, levels: tuple[float, ...], name: str = "pinball"):
        super().__init__(name=name)
        self.levels = levels

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Values `(batch, horizon)` and quantiles `(batch, horizon, quantiles)` -> losses `(batch,)`."""
        is_known = ops.logical_not(ops.isnan(y_true))[..., None]
        error = ops.where(is_known, ops.where(is_known, y_true[..., None], 0.0) - y_pred, 0.0)
        levels = ops.convert_to_tensor(self.levels, "float32")
        losses = ops.maximum(levels * error, (levels - 1) * error)
        counts = ops.sum(ops.cast(is_known, "float32"), axis=(1, 2)) * len(self.levels)
        return ops.sum(losses, axis=(1, 2)) / ops.maximum(counts, 1.0)


class Rising(keras.layers.Layer):
    """Free numbers -> quantiles that never cross: a middle one, and steps away from it that are positive.

    Args:
        quantiles: how many, an odd number.
    """

    def __init__(self, quantiles: int, **arguments: Any):
        super().__init__(**arguments)
        self.half = quantiles // 2

    def call(self, free: Tensor) -> Tensor:
        """`(..., quantiles)` -> the same, rising along the last axis."""
        steps = ops.softplus(free)
        middle = free[..., self.half : self.half + 1]
        below = ops.flip(ops.cumsum(ops.flip(steps[..., : self.half], -1), axis=-1), -1)
        above = ops.cumsum(steps[..., self.half + 1 :], axis=-1)
        return ops.concatenate([middle - below, middle, middle + above], axis=-1)


class SegmentDecoder(keras.layers.Layer):
    """One recurrent step from the last state of the encoder, for all segments of the horizon in parallel.

    What tells the segments apart is a learned vector of each place (Lin et al., 2023, https://arxiv.org/abs/2308.11200).

    Args:
        kind: of the backbone; a feed-forward layer where it is `dense`.
        units: size of the state.
        segments: how many the horizon has.
    """

    def __init__(self, kind: str, units: int, segments: int, **arguments: Any):
        super().__init__(**arguments)
        self.units, self.segments = units, segments
        self.cell = RECURRENT[kind](units, name="cell") if kind in RECURRENT else None
        self.dense = keras.layers.Dense(units, activation="relu", name="dense") if self.cell is None else None

    def build(self, state_shape: tuple[int | None, ...], query_shape: tuple[int | None, ...]) -> None:
        shape = (self.segments, query_shape[-1])
        self.places = self.add_weight(shape, keras.initializers.RandomNormal(stddev=0.5), name="places")
        if self.cell is not None:
            self.cell.build((None, None, query_shape[-1]))
        else:
            self.dense.build((None, self.segments, self.units + query_shape[-1]))

    def call(self, state: Tensor, query: Tensor) -> Tensor:
        """State `(batch, units)`, queries `(batch, segments or 1, features)` -> `(batch, segments, units)`."""
        query = query + ops.cast(self.places, query.dtype)
        state = state[:, None]
        if self.cell is not None:
            states = [state, ops.zeros_like(state)][: self.cell.states]
            return self.cell.step(query, states)[0]
        return self.dense(ops.concatenate([ops.repeat(state, self.segments, axis=1), query], axis=-1))

    def compute_output_spec(self, state, query):
        return keras.KerasTensor((state.shape[0], self.segments, self.units), self.compute_dtype)


def _inputs(settings: ForecastingSettings, shape: Shape) -> dict[str, Tensor]:
    back, horizon = settings.look_back, settings.horizon
    shapes = {"history": (back,), "observed": (back,)}
    shapes |= {"seasonal": (horizon,)} if settings.seasonal else {}
    shapes |= {"past": (back, shape.past)} if shape.past else {}
    shapes |= {"known": (back + horizon, shape.known)} if shape.known else {}
    inputs = {name: keras.Input(shape, dtype="float32", name=name) for name, shape in shapes.items()}
    return inputs | ({"series_id": keras.Input((), dtype="int32", name="series_id")} if settings.identity else {})


def _level(settings: ForecastingSettings, inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """What each history is shifted and divided by, `(batch, 1)` each (Kim et al., 2022, reversible normalisation)."""
    history, observed = inputs["history"], inputs["observed"]
    count = ops.maximum(ops.sum(observed, axis=1, keepdims=True), 1.0)
    mean = ops.sum(history * observed, axis=1, keepdims=True) / count
    centre = history[:, -1:] if settings.centre == "last" else mean
    if settings.scale == "train":
        return centre, ops.ones_like(centre)
    variance = ops.sum(ops.square(history - mean) * observed, axis=1, keepdims=True) / count
    return centre, ops.sqrt(variance + _LEAST_SCALE**2)


def _build_segments(settings: ForecastingSettings, shape: Shape, inputs: dict[str, Tensor]) -> Networks:
    back, horizon, quantiles = settings.look_back, settings.horizon, len(settings.quantiles)
    # The feed-forward network is blind to the order of steps, so it reads all of the history as one.
    segment = back if settings.backbone == "dense" else settings.segment
    ahead = min(settings.segment, horizon)
    segments = -(-horizon // ahead)
    centre, scale = _level(settings, inputs)
    levelled = (inputs["history"] - centre) / scale * inputs["observed"]
    features = [ops.reshape(levelled, (-1, back // segment, segment))]
    if settings.scale == "window":
        # How far each step moved: what the deviation of the whole history does not tell.
        moves = ops.abs(levelled[:, 1:] - levelled[:, :-1]) * inputs["observed"][:, :-1]
        features.append(ops.reshape(ops.pad(moves, ((0, 0), (1, 0))), (-1, back // segment, segment)))
    if settings.shortest:
        features.append(ops.reshape(inputs["observed"], (-1, back // segment, segment)))
    if shape.past:
        features.append(ops.reshape(inputs["past"], (-1, back // segment, segment * shape.past)))
    if shape.known:
        features.append(ops.reshape(inputs["known"][:, :back], (-1, back // segment, segment * shape.known)))
    joined = ops.concatenate(features, axis=-1) if len(features) > 1 else features[0]
    joined = keras.layers.Dense(settings.units, activation="relu", name="projection")(joined)
    read = Backbone(settings.backbone, settings.units, settings.layers, dropout=settings.dropout, name="backbone")
    query = _query(settings, shape, inputs, (centre, scale), (segments, ahead))
    decode = SegmentDecoder(settings.backbone, settings.units, segments, name="decoder")
    hidden = keras.layers.Dropout(settings.dropout)(decode(read(joined)[:, -1], query))
    free = keras.layers.Dense(ahead * quantiles, dtype="float32", name="head")(hidden)
    free = ops.reshape(free, (-1, segments * ahead, quantiles))[:, :horizon]
    outputs = Rising(quantiles, dtype="float32", name="quantiles")(free)
    outputs = outputs * scale[..., None] + centre[..., None]
    model = keras.Model(inputs, outputs, name="segments")
    return Networks(model, model)


def _query(
    settings: ForecastingSettings,
    shape: Shape,
    inputs: dict[str, Tensor],
    level: tuple[Tensor, Tensor],
    ahead: tuple[int, int],
) -> Tensor:
    """What is known of each segment of the horizon before it is forecast: `(batch, segments or 1, units)`."""
    segments, length = ahead
    rest = segments * length - settings.horizon
    features = []
    if settings.seasonal:
        seasonal = (inputs["seasonal"] - level[0]) / level[1]
        features.append(ops.reshape(ops.pad(seasonal, ((0, 0), (0, rest))), (-1, segments, length)))
    if shape.known:
        known = ops.pad(inputs["known"][:, settings.look_back :], ((0, 0), (0, rest), (0, 0)))
        features.append(ops.reshape(known, (-1, segments, length * shape.known)))
    if features:
        joined = ops.concatenate(features, axis=-1) if len(features) > 1 else features[0]
        query = keras.layers.Dense(settings.units, name="ahead")(joined)
    else:
        # Nothing is known but the places, which the decoder adds.
        query = ops.repeat(ops.zeros_like(inputs["history"][:, :1, None]), settings.units, axis=-1)
    if settings.identity:
        embed = keras.layers.Embedding(shape.series, settings.units, name="identity")
        query = query + embed(inputs["series_id"])[:, None]
    return query


class StepDecoder(keras.layers.Layer):
    """The horizon step after step: each step is given the value before it, and forecasts how far it moves.

    Args:
        kind: of the backbone, a recurrent one.
        units: size of the state.
        quantiles: how many.
        forcing: share of steps at which the true value is given in training, the others standing on their own medians
            (Bengio et al., 2015, https://arxiv.org/abs/1506.03099).
    """

    def __init__(self, kind: str, units: int, quantiles: int, forcing: float = 1.0, **arguments: Any):
        super().__init__(**arguments)
        self.quantiles, self.forcing = quantiles, forcing
        self.seed_generator = keras.random.SeedGenerator()
        self.cell = RECURRENT[kind](units, name="cell")
        self.head = keras.layers.Dense(quantiles, dtype="float32", name="head")
        self.rising = Rising(quantiles, dtype="float32", name="rising")

    def build(self, state_shape, first_shape, ahead_shape, future_shape=None) -> None:
        self.cell.build((None, None, 1 + ahead_shape[-1]))
        self.head.build((None, None, self.cell.units))

    def call(
        self, state: Tensor, first: Tensor, ahead: Tensor, future: Tensor | None = None, training: bool = False
    ) -> Tensor:
        """Forecasts, teacher-forced where the future is given, else on its own medians.

        Args:
            state: of the encoder, `(batch, units)`.
            first: the last value of the history, `(batch, 1)`.
            ahead: what is known of each step, `(batch, horizon, features)`.
            future: the true values, `(batch, horizon)`.
            training: whether some of them are withheld.

        Returns:
            Quantiles, float32 `(batch, horizon, quantiles)`.
        """
        states = [state, ops.zeros_like(state)][: self.cell.states]
        if future is None:
            return self._run_free(states, first, ahead)
        before = ops.concatenate([first, future[:, :-1]], axis=1)[..., None]
        if training and self.forcing < 1:
            is_given = keras.random.uniform(ops.shape(before), seed=self.seed_generator) < self.forcing
            return self._run_free(states, first, ahead, before, ops.cast(is_given, before.dtype))
        given = ops.concatenate([ops.cast(before, ahead.dtype), ahead], axis=-1)
        return self._moved(before, self.cell(given, initial_state=states)[0])

    def _run_free(
        self,
        states: list[Tensor],
        first: Tensor,
        ahead: Tensor,
        before: Tensor | None = None,
        is_given: Tensor | None = None,
    ) -> Tensor:
        """Step after step on its own medians, or on the true values `before` where `is_given` is 1."""
        before = ops.zeros_like(ahead[..., :1]) if before is None else before
        is_given = ops.zeros_like(before) if is_given is None else is_given
        parts = [ops.cast(part, "float32") for part in (before, is_given, ahead)]

        def step(carry, known):
            found, *states = carry
            true, told, known = known[:, :1], known[:, 1:2], known[:, 2:]
            median = found[:, self.quantiles // 2 : self.quantiles // 2 + 1]
            value = told * true + (1 - told) * median
            given = ops.cast(ops.concatenate([value, known], axis=-1), ahead.dtype)
            output, states = self.cell.step(given, states)
            carry = (self._moved(value, output), *states)
            # Keras' scan on TensorFlow gives out only what has the shapes of the carry.
            return carry, carry

        start = ops.repeat(ops.cast(first, "float32"), self.quantiles, axis=1)
        steps = ops.transpose(ops.concatenate(parts, axis=-1), (1, 0, 2))
        _, (found, *_) = ops.scan(step, (start, *states), steps)
        return ops.transpose(found, (1, 0, 2))

    def compute_output_spec(self, state, first, ahead, future=None, training=False):
        return keras.KerasTensor((*ahead.shape[:2], self.quantiles), "float32")

    def _moved(self, before: Tensor, outputs: Tensor) -> Tensor:
        return self.rising(self.head(outputs)) + ops.cast(before, "float32")


def _build_steps(settings: ForecastingSettings, shape: Shape, inputs: dict[str, Tensor]) -> Networks:
    back, horizon = settings.look_back, settings.horizon
    centre, scale = _level(settings, inputs)
    history = (inputs["history"] - centre) / scale * inputs["observed"]
    features = [history[..., None], inputs["observed"][..., None]]
    features += [inputs["past"]] if shape.past else []
    features += [inputs["known"][:, :back]] if shape.known else []
    ahead = [ops.zeros_like(inputs["history"][:, :1, None]) + ops.zeros((1, horizon, 1))]
    ahead += [((inputs["seasonal"] - centre) / scale)[..., None]] if settings.seasonal else []
    ahead += [inputs["known"][:, back:]] if shape.known else []
    if settings.identity:
        embed = keras.layers.Embedding(shape.series, settings.units, name="identity")
        ahead.append(ops.repeat(embed(inputs["series_id"])[:, None], horizon, axis=1))
    read = Backbone(settings.backbone, settings.units, settings.layers, dropout=settings.dropout, name="backbone")
    state = keras.layers.Dropout(settings.dropout)(read(ops.concatenate(features, axis=-1))[:, -1])
    quantiles, forcing = len(settings.quantiles), settings.teacher_forcing
    decode = StepDecoder(settings.backbone, settings.units, quantiles, forcing, name="decoder")
    known = ops.cast(ops.concatenate(ahead, axis=-1), state.dtype)
    future = keras.Input((horizon,), dtype="float32", name="future")
    forced = decode(state, history[:, -1:], known, (future - centre) / scale)
    free = decode(state, history[:, -1:], known)
    level = scale[..., None], centre[..., None]
    training = keras.Model({**inputs, "future": future}, forced * level[0] + level[1], name="steps_training")
    return Networks(training, keras.Model(inputs, free * level[0] + level[1], name="steps"))
