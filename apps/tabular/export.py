"""Exports a predictor: encoded rows to outputs for LiteRT, columns by their names to answers for a SavedModel."""

import re
from itertools import pairwise

import numpy as np
import pandas as pd

from apps.tabular.columns import MISSING, Columns
from apps.tabular.predictor import APP, TabularPredictor, build_network
from common import cli
from common.backend import keras, ops
from common.config import parse_settings
from common.export import ExportSettings, Plan, Samples, finish_export, labels_file
from common.litert import Arrays
from common.model_folder import ModelFolder, load_model
from common.signature import Signature

PROG = "python -m apps export"
SETTINGS = ExportSettings

_SAMPLES = 128
_MISSING_SHARE = 0.1


def main(arguments: list[str]) -> None:
    settings = parse_settings(ExportSettings, arguments, PROG)
    finish_export(settings, plan_export(load_model(settings.model, APP)), cli.as_command(PROG, arguments))


def plan_export(saved: ModelFolder) -> Plan:
    """The functions of a predictor, and rows to try them on."""
    network = build_network(saved)
    predictor = TabularPredictor.over(saved, network.predict_on_batch)
    columns, target = predictor.columns, predictor.columns.target
    rows = sample_rows(columns)
    names = input_names(columns)
    arrays = in_batches({name: array for name, array in columns.encode(rows, "samples").items() if array.shape[1]})
    raw = in_batches({names[name]: rows[name].to_numpy() for name in columns.names})
    answer, unit = ("probabilities", 1.0) if target.labels else ("value", target.scale)

    def reference(arrays: Arrays) -> Arrays:
        frame = pd.DataFrame({name: arrays[names[name]] for name in columns.names})
        return {answer: predictor.answers(predictor.columns.encode(frame, "samples"))}

    companions = labels_file(target.labels) if target.labels else {}
    first = {name: array[:1] for name, array in arrays[0].items()}, {name: array[:1] for name, array in raw[0].items()}
    return Plan(
        saved,
        arrays_signature(predictor, network),
        Samples(arrays, first[0], answer, bool(target.labels), unit),
        columns_signature(predictor, network),
        reference,
        Samples(raw, first[1], answer, bool(target.labels), unit),
        companions,
    )


def arrays_signature(predictor: TabularPredictor, network: keras.Model) -> Signature:
    """Numbers and category ids -> `outputs`, and of these probabilities `(batch, classes)` or values `(batch,)`."""
    columns, target = predictor.columns, predictor.columns.target
    widths = {"numbers": ("float32", columns.number_width), "category_ids": ("int32", len(columns.categories))}

    def answer(**arrays):
        some = next(iter(arrays.values()))
        given = {name: ops.cast(some[:, :0], kind) for name, (kind, _) in widths.items()} | arrays
        outputs = network(given, training=False)
        if target.labels:
            return {"outputs": outputs, "probabilities": ops.softmax(outputs / predictor.temperature, axis=-1)}
        return {"outputs": outputs, "value": outputs[:, 0] * target.scale + target.mean}

    inputs = {name: keras.KerasTensor((None, width), kind) for name, (kind, width) in widths.items() if width}
    numbers = ", ".join(f"({one.name} - {one.mean:.6g}) / {one.scale:.6g}" for one in columns.numbers)
    meaning = {
        "numbers": f"float32 (batch, {columns.number_width}), cut at -10 and 10: {numbers}; behind each that missed "
        "cells in training 1 where one is missing",
        "category_ids": f"int32 (batch, {len(columns.categories)}), the place of each value from 1 on, 0 if unknown: "
        + "; ".join(f"{one.name}: {', '.join(one.values)}" for one in columns.categories),
        "outputs": "float32 (batch, outputs), as the network gives them",
    }
    return Signature(answer, inputs, {name: meaning[name] for name in (*inputs, "outputs")} | _answers(predictor))


def columns_signature(predictor: TabularPredictor, network: keras.Model) -> Signature:
    """A column an input -> label, probability and probabilities, or value and the ends of its interval."""
    from common.saved_model import name_labels

    columns, names = predictor.columns, input_names(predictor.columns)
    run = arrays_signature(predictor, network).function

    def answer(**cells):
        found = run(**encode(columns, {name: cells[names[name]] for name in columns.names}))
        if not columns.target.labels:
            value, half = found["value"], predictor.half_width
            return {"value": value} | ({} if half is None else {"low": value - half, "high": value + half})
        return name_labels(found["probabilities"], columns.target.labels)

    kinds = {one.name: "float64" for one in columns.numbers} | {one.name: "string" for one in columns.categories}
    missing = {"float64": "NaN", "string": "an empty text"}
    inputs = {names[name]: keras.KerasTensor((None,), kind) for name, kind in kinds.items()}
    meaning = {names[name]: f"{kind} (batch,), {name}; {missing[kind]} if missing" for name, kind in kinds.items()}
    return Signature(answer, inputs, meaning | _answers(predictor))


def encode(columns: Columns, cells: dict) -> dict:
    """`Columns.encode` in the graph: a tensor `(batch,)` for each column by its name -> the arrays of the network."""
    import tensorflow as tf

    from common.saved_model import places_of, strip

    numbers, ids = [], []
    for column in columns.numbers:
        values = cells[column.name]
        is_missing = tf.math.is_nan(values)
        scaled = (tf.where(is_missing, tf.constant(column.median, tf.float64), values) - column.mean) / column.scale
        numbers += [
            tf.clip_by_value(scaled, -10.0, 10.0),
            *([tf.cast(is_missing, tf.float64)] if column.missing else []),
        ]
    for column in columns.categories:
        texts = strip(cells[column.name])
        is_missing = places_of(tf.strings.lower(texts, "utf-8"), MISSING) > 0
        ids.append(places_of(tf.where(is_missing, "", texts), column.values))
    arrays = {"numbers": tf.cast(tf.stack(numbers, axis=1), tf.float32)} if numbers else {}
    return arrays | ({"category_ids": tf.stack(ids, axis=1)} if ids else {})


def input_names(columns: Columns) -> dict[str, str]:
    """What each column is called where names hold letters, digits and `_` alone: `mean radius` -> `mean_radius`."""
    names: dict[str, str] = {}
    for number, name in enumerate(columns.names, start=1):
        plain = re.sub(r"[^0-9A-Za-z_]+", "_", name).strip("_")
        is_good = plain and not plain[0].isdigit() and plain not in names.values()
        names[name] = plain if is_good else f"column_{number}"
    return names


def sample_rows(columns: Columns) -> pd.DataFrame:
    """Rows like those of the training by the scale and the values of each column, with missing and unknown cells."""
    rng, rows = np.random.default_rng(0), {}
    for column in columns.numbers:
        values = rng.normal(column.mean, 2 * column.scale, _SAMPLES)
        rows[column.name] = np.where(rng.uniform(size=_SAMPLES) < _MISSING_SHARE, np.nan, values)
    for column in columns.categories:
        rows[column.name] = rng.choice([*column.values, "", " N/A", "never seen"], _SAMPLES).astype(object)
    return pd.DataFrame(rows)


def in_batches(arrays: Arrays) -> list[Arrays]:
    """The rows in batches of 1, of 7 and of all others."""
    cuts = [0, 1, 8, _SAMPLES]
    return [{name: array[start:stop] for name, array in arrays.items()} for start, stop in pairwise(cuts)]


def _answers(predictor: TabularPredictor) -> dict[str, str]:
    target = predictor.columns.target
    if target.labels:
        return {"probabilities": f"float32 (batch, classes), calibrated, of {', '.join(target.labels)}"}
    return {"value": f"float32 (batch,), {target.name}"}


if __name__ == "__main__":
    cli.run(main)
