"""Exports a forecaster: windows to quantiles for LiteRT, histories as measured to forecasts for a SavedModel."""

from dataclasses import replace
from typing import Any

import numpy as np

from apps.forecasting.data import Series
from apps.forecasting.forecaster import APP, Forecaster, build_network
from common import cli
from common.backend import keras
from common.config import parse_settings
from common.export import ExportSettings, Plan, Samples, finish_export
from common.litert import Arrays
from common.model_folder import ModelFolder, load_model
from common.signature import Signature

PROG = "python -m apps export"
SETTINGS = ExportSettings

# Rows in each batch that an export is tried on.
_BATCHES = (1, 3, 48, 48)

Tensor = Any


def main(arguments: list[str]) -> None:
    settings = parse_settings(ExportSettings, arguments, PROG)
    finish_export(settings, plan_export(load_model(settings.model, APP)), cli.as_command(PROG, arguments))


def plan_export(saved: ModelFolder) -> Plan:
    """The functions of a forecaster, and histories to try them on."""
    network = build_network(saved)
    forecaster = Forecaster.over(saved, network.predict_on_batch)
    raw = sample_histories(forecaster)
    arrays = [window_arrays(forecaster, batch) for batch in raw]
    unit = float(np.mean(forecaster.scales.scales)) if forecaster.scales.names else 1.0

    def reference(arrays: Arrays) -> Arrays:
        found = [
            forecaster.quantiles(forecaster.windows(series), np.array([number]), np.array([len(series[0].values)]))
            for series, number in series_of(forecaster, arrays)
        ]
        return {"quantiles": np.concatenate(found)}

    return Plan(
        saved,
        arrays_signature(forecaster, network),
        Samples(arrays, arrays[0], "quantiles", has_labels=False),
        history_signature(forecaster, network),
        reference,
        Samples(raw, raw[0], "quantiles", has_labels=False, unit=unit),
    )


def arrays_signature(forecaster: Forecaster, network: keras.Model) -> Signature:
    """The arrays of `Windows.inputs` -> quantiles `(batch, horizon, levels)` in the scale of the windows."""
    settings = forecaster.settings
    back, levels = settings.look_back, ", ".join(f"{level:g}" for level in settings.quantiles)
    meaning = {
        "history": f"float32 (batch, {back}), the last steps, less the mean of the series and over its deviation",
        "observed": f"float32 (batch, {back}), 1 where there is a value and 0 before the first",
        "seasonal": f"float32 (batch, {settings.horizon}), the last season of the history, repeated",
        "series_id": "int32 (batch,), the place of the series in the training",
        "past": f"float32 (batch, {back}, columns), scaled",
        "known": f"float32 (batch, {back + settings.horizon}, columns), scaled",
    }
    inputs = {one.name: one for one in network.inputs}
    answer = {"quantiles": f"float32 (batch, {settings.horizon}, levels) at {levels}, in the scale of the history"}
    return Signature(
        lambda **arrays: {"quantiles": network(arrays, training=False)},
        inputs,
        {name: meaning[name] for name in inputs} | answer,
    )


def history_signature(forecaster: Forecaster, network: keras.Model) -> Signature:
    """Histories as measured, of any length -> the forecast `(batch, horizon)` and calibrated quantiles."""
    settings, scales = forecaster.settings, forecaster.scales
    back, middle = settings.look_back, len(settings.quantiles) // 2
    wanted = {
        "history": ("float64", (None, None), f"the last {back} steps are read, and {forecaster.frame.shortest} needed"),
        "series": ("string", (None,), f"name of the series: {', '.join(scales.names)}"),
        "season": ("int32", (None,), "steps after which the series repeats"),
        "past": ("float64", (None, back, len(scales.past_means)), f"columns {', '.join(settings.past)}"),
        "known": ("float64", (None, back + settings.horizon, len(scales.known_means)), "columns known ahead"),
    }
    inputs = {name: wanted[name] for name in raw_names(forecaster)}

    def answer(**given: Tensor) -> dict[str, Tensor]:
        quantiles = forecast(forecaster, network, given)
        return {"forecast": quantiles[..., middle], "quantiles": quantiles}

    meaning = {
        name: f"{kind} ({', '.join('any' if size is None else str(size) for size in shape)}), {text}"
        for name, (kind, shape, text) in inputs.items()
    }
    meaning["forecast"] = f"float64 (batch, {settings.horizon}), the medians"
    meaning["quantiles"] = f"float64 (batch, {settings.horizon}, levels) at " + ", ".join(
        f"{level:g}" for level in settings.quantiles
    )
    specs = {name: keras.KerasTensor(shape, kind) for name, (kind, shape, _) in inputs.items()}
    return Signature(answer, specs, meaning)


def forecast(forecaster: Forecaster, network: keras.Model, given: dict[str, Tensor]) -> Tensor:
    """`Forecaster.quantiles` in the graph: float64 `(batch, horizon, levels)`, in the units of the histories."""
    import tensorflow as tf

    settings, history = forecaster.settings, given["history"]
    mean, scale, place = _level(forecaster, given)
    missing = tf.maximum(settings.look_back - tf.shape(history)[1], 0)
    padded = tf.pad(history, [[0, 0], [missing, 0]], constant_values=np.nan)[:, -settings.look_back :]
    scaled = tf.cast((padded - mean) / scale, tf.float32)
    observed = tf.math.is_finite(scaled)
    arrays = {"history": tf.where(observed, scaled, 0.0), "observed": tf.cast(observed, tf.float32)}
    if settings.seasonal:
        arrays["seasonal"] = _repeat_season(settings, arrays["history"], observed, given["season"])
    if settings.identity:
        arrays["series_id"] = tf.maximum(place - 1, 0)
    if "past" in given:
        past = (given["past"] - forecaster.scales.past_means) / forecaster.scales.past_scales
        arrays["past"] = tf.cast(past, tf.float32) * tf.expand_dims(arrays["observed"], -1)
    if "known" in given:
        known = (given["known"] - forecaster.scales.known_means) / forecaster.scales.known_scales
        arrays["known"] = tf.cast(known, tf.float32)
    quantiles = network(arrays, training=False)
    if forecaster.linear is not None:
        apart = _linear_points(forecaster, arrays) - quantiles[..., len(settings.quantiles) // 2]
        quantiles += (1 - forecaster.share) * tf.expand_dims(apart, -1)
    widened = _widen(tf.cast(quantiles, tf.float64), forecaster.widths)
    return widened * tf.expand_dims(scale, -1) + tf.expand_dims(mean, -1)


def raw_names(forecaster: Forecaster) -> list[str]:
    """The inputs of `history_signature` that this forecaster takes."""
    scales = forecaster.scales
    taken = {
        "history": True,
        "series": scales.names,
        "season": forecaster.settings.seasonal,
        "past": scales.past_means,
        "known": scales.known_means,
    }
    return [name for name, is_taken in taken.items() if is_taken]


def sample_histories(forecaster: Forecaster) -> list[Arrays]:
    """Waves with trend and noise, in the scales of the series trained on, of several lengths."""
    settings, scales = forecaster.settings, forecaster.scales
    rng, back = np.random.default_rng(0), settings.look_back
    batches = []
    for rows, length in zip(_BATCHES, (back, back + 50, forecaster.frame.shortest, 2 * back), strict=True):
        numbers, times = rng.integers(max(len(scales.names), 1), size=rows), np.arange(length)
        period = rng.integers(4, 60, (rows, 1))
        values = np.sin(2 * np.pi * times / period) + rng.normal(scale=0.3, size=(rows, length))
        values = values + rng.normal(size=(rows, 1)) * times / length
        if scales.names:
            values = values * np.array(scales.scales)[numbers, None] + np.array(scales.means)[numbers, None]
        columns = {"past": (back, scales.past_means), "known": (back + settings.horizon, scales.known_means)}
        batch = {
            "history": values,
            "series": np.array([name.encode() for name in scales.names] or [b""])[numbers],
            "season": period[:, 0].astype(np.int32),
            **{name: rng.normal(size=(rows, steps, len(means))) for name, (steps, means) in columns.items()},
        }
        batches.append({name: batch[name] for name in raw_names(forecaster)})
    return batches


def series_of(forecaster: Forecaster, arrays: Arrays) -> list[tuple[list[Series], int]]:
    """Each row as a series, as often as there are series with vectors of their own, and its place among them."""
    names, found = forecaster.scales.names, []
    back, horizon = forecaster.settings.look_back, forecaster.settings.horizon
    for row, values in enumerate(arrays["history"]):
        name = arrays["series"][row].decode() if names else "sample"
        # Covariates stand over the last steps; before them a longer history has none.
        before = max(len(values) - back, 0)
        past, known = (
            np.pad(arrays[kind][row], ((before, 0), (0, 0))) if kind in arrays else np.zeros((before + steps, 0))
            for kind, steps in (("past", back), ("known", back + horizon))
        )
        season = int(arrays["season"][row]) if "season" in arrays else 1
        one = Series(name, values, known[-len(values) - horizon :], past[-len(values) :], season)
        place = names.index(name) if forecaster.settings.identity else 0
        found.append(([replace(one) for _ in range(place + 1)], place))
    return found


def window_arrays(forecaster: Forecaster, arrays: Arrays) -> Arrays:
    """The arrays that the network is given for histories."""
    parts = [
        forecaster.windows(series).inputs(np.array([number]), np.array([len(series[0].values)]))
        for series, number in series_of(forecaster, arrays)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _level(forecaster: Forecaster, given: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor | None]:
    """Mean and deviation of each series `(batch, 1)`, its own where training did not know it, and its place from 1."""
    import tensorflow as tf

    from common.saved_model import places_of

    mean, deviation = (function(given["history"], axis=1) for function in (tf.reduce_mean, tf.math.reduce_std))
    scale, place, scales = tf.where(deviation > 0, deviation, 1.0), None, forecaster.scales
    if scales.names:
        place = places_of(given["series"], scales.names)
        mean = tf.where(place > 0, tf.gather(tf.constant([0.0, *scales.means], tf.float64), place), mean)
        scale = tf.where(place > 0, tf.gather(tf.constant([1.0, *scales.scales], tf.float64), place), scale)
    return tf.expand_dims(mean, 1), tf.expand_dims(scale, 1), place


def _repeat_season(settings: Any, history: Tensor, observed: Tensor, season: Tensor) -> Tensor:
    """As in `Windows`: the values a whole number of seasons before each step, or the last where those are unseen."""
    import tensorflow as tf

    seasons = tf.expand_dims(tf.minimum(season, settings.look_back), 1)
    places = settings.look_back - seasons + tf.expand_dims(tf.range(settings.horizon), 0) % seasons
    found, is_seen = tf.gather(history, places, batch_dims=1), tf.gather(observed, places, batch_dims=1)
    return tf.where(is_seen, found, history[:, -1:])


def _linear_points(forecaster: Forecaster, arrays: dict[str, Tensor]) -> Tensor:
    """`Linear.points` in the graph."""
    import tensorflow as tf

    steps = len(forecaster.linear.kernel)
    history, observed = arrays["history"][:, -steps:], arrays["observed"][:, -steps:]
    means = tf.reduce_sum(history, axis=1, keepdims=True) / tf.reduce_sum(observed, axis=1, keepdims=True)
    return tf.matmul((history - means) * observed, forecaster.linear.kernel) + forecaster.linear.bias + means


def _widen(quantiles: Tensor, widths: np.ndarray) -> Tensor:
    """`intervals.widen` in the graph."""
    import tensorflow as tf

    columns = tf.unstack(quantiles, axis=-1)
    middle = len(columns) // 2
    factors = [*widths, np.ones_like(widths[0]), *widths[::-1]]
    columns = [columns[middle] + (one - columns[middle]) * factor for one, factor in zip(columns, factors, strict=True)]
    for index in range(middle + 1, len(columns)):
        columns[index] = tf.maximum(columns[index], columns[index - 1])
    for index in reversed(range(middle)):
        columns[index] = tf.minimum(columns[index], columns[index + 1])
    return tf.stack(columns, axis=-1)


if __name__ == "__main__":
    cli.run(main)
