"""Exports of the apps that take numbers: the answers of the predictors, in a process without this project."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from apps.__main__ import run
from apps.forecasting.config import ForecastingSettings
from apps.forecasting.export import plan_export as plan_forecaster
from apps.forecasting.forecaster import Forecaster
from apps.forecasting.linear import Linear
from apps.forecasting.model import Shape
from apps.forecasting.model import build_model as build_forecasting
from apps.forecasting.scaling import Scales
from apps.tabular.columns import fit_columns
from apps.tabular.config import TabularSettings
from apps.tabular.export import input_names
from apps.tabular.model import build_model as build_tabular
from apps.tabular.predictor import TabularPredictor
from common.checkpoint import weights_by_path
from common.litert import LITERT
from common.model_folder import ModelFolder, read_metrics, save_model
from tests.test_export import ask_a_stranger

SAVED_MODEL_HOST = """
import json, sys
import tensorflow as tf

model = tf.saved_model.load("saved_model")
serve = model.signatures["serving_default"]
kinds = serve.structured_input_signature[1]
given = json.loads(sys.argv[1])
found = serve(**{name: tf.constant(given[name], kinds[name].dtype) for name in kinds})
plain = {name: value.numpy().tolist() for name, value in found.items()}
print(json.dumps(plain, default=bytes.decode))
"""

LITERT_HOST = """
import json, sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter

run = Interpreter("model.tflite").get_signature_runner("serving_default")
given = json.loads(sys.argv[1])
kinds = {name: details["dtype"] for name, details in run.get_input_details().items()}
found = [run(**{name: np.array(given[name], kinds[name]) for name in kinds}) for _ in range(2)]
assert all((found[0][name] == found[1][name]).all() for name in found[0])
print(json.dumps({name: value.tolist() for name, value in found[1].items()}))
"""


def random_weights(model) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    found = weights_by_path(model)
    return {name: rng.normal(scale=0.4, size=value.shape).astype(np.float32) for name, value in found.items()}


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "mean size": rng.normal(5, 2, 200),
            "mean-size": np.where(rng.uniform(size=200) < 0.2, np.nan, rng.normal(0, 1e4, 200)),
            "colour": rng.choice(["red", "blue", "", "gr\u00fcn"], 200),
            "kind": rng.choice(["big", "small", "odd"], 200),
            "price": rng.normal(1e5, 2e4, 200),
        }
    )


def save_tabular(folder: Path, frame: pd.DataFrame, target: str, ignore: tuple[str, ...]) -> Path:
    options = TabularSettings(units=6, target=target, ignore=ignore)
    columns = fit_columns(frame, options, "test")
    weights = random_weights(build_tabular(options, columns))
    half_width = None if columns.target.labels else 3e4
    facts = {"columns": columns.model_dump(mode="json"), "temperature": 1.3, "half_width": half_width}
    save_model(folder, ModelFolder("tabular", options.model_dump(mode="json"), weights, facts=facts), "")
    return folder


@pytest.mark.parametrize(
    ("target", "ignore"),
    [
        ("kind", ("price",)),
        ("price", ("kind",)),
        ("kind", ("price", "colour")),
        ("price", ("mean size", "mean-size")),
    ],
    ids=["classes", "values", "no categories", "no numbers"],
)
def test_a_table_is_answered_as_by_the_predictor(tmp_path, frame, target, ignore):
    model, out = save_tabular(tmp_path / "model", frame, target, ignore), tmp_path / "out"
    run(["export", str(model), "--out", str(out), "--format", "litert", "--format", "saved_model"])
    assert [entry["data"] for entry in read_metrics(out)] == [LITERT, "saved_model"]
    predictor = TabularPredictor.load(model)
    rows = frame.drop(columns=target).head(5)
    if "colour" in predictor.columns.names:
        rows.loc[1, "colour"], rows.loc[2, "colour"] = " red\u00a0", "N/A"
    expected = predictor.predict(rows)
    names = input_names(predictor.columns)
    given = {names[name]: rows[name].tolist() for name in predictor.columns.names}
    found = ask_a_stranger(SAVED_MODEL_HOST, out, json.dumps(given))
    if target == "kind":
        assert found["label"] == [one.label for one in expected]
        np.testing.assert_allclose(found["probability"], [one.probability for one in expected], atol=1e-5)
    else:
        for name in ("value", "low", "high"):
            np.testing.assert_allclose(found[name], [getattr(one, name) for one in expected], rtol=1e-5)
    arrays = {name: array.tolist() for name, array in predictor.columns.encode(rows, "rows").items()}
    outputs = ask_a_stranger(LITERT_HOST, out, json.dumps(arrays))["outputs"]
    np.testing.assert_allclose(outputs, predictor.outputs(predictor.columns.encode(rows, "rows")), atol=1e-5)
    same = TabularPredictor.load(out, runtime="litert").predict(rows)
    assert [one.unknown for one in same] == [one.unknown for one in expected]


def test_columns_have_names_that_a_signature_can_hold(frame):
    columns = fit_columns(frame, TabularSettings(target="kind", ignore=("price",)), "test")
    assert input_names(columns) == {"mean size": "mean_size", "mean-size": "column_2", "colour": "colour"}


NETWORKS = {
    "own scale": {"scale": "window", "seasonal": True, "identity": False, "shortest": 6, "backbone": "simple_rnn"},
    "covariates": {"identity": True, "known": ("holiday",), "past": ("rain", "wind")},
    "steps": {"architecture": "steps", "identity": False},
    "dense": {"backbone": "dense", "identity": False},
}


def save_forecasting(folder: Path, changes: dict) -> Path:
    options = ForecastingSettings(units=6, horizon=5, look_back=24, segment=6, quantiles=(0.1, 0.3, 0.5, 0.7, 0.9))
    options = options.model_copy(update=changes)
    covariates = {}
    if options.known:
        covariates = {"known_means": (0.5,), "known_scales": (2.0,), "past_means": (1, 2), "past_scales": (3, 4)}
    is_named = options.scale == "train"
    scales = Scales(
        names=("north", "south") if is_named else (),
        means=(10.0, -5.0) if is_named else (),
        scales=(3.0, 0.5) if is_named else (),
        **covariates,
    )
    rng = np.random.default_rng(1)
    weights = random_weights(build_forecasting(options, Shape(**scales.shape())))
    linear = Linear(rng.normal(scale=0.1, size=(24, 5)).astype(np.float32), rng.normal(size=5).astype(np.float32))
    facts = {"scales": scales.model_dump(mode="json"), "widths": [[2.0] * 5, [0.1, 3, 1, 1, 1]]}
    facts |= {"memory": 0.5, "share": 0.6}
    files = {"linear.npz": linear.to_bytes()}
    save_model(folder, ModelFolder("forecasting", options.model_dump(mode="json"), weights, files, facts), "")
    return folder


@pytest.mark.parametrize("changes", NETWORKS.values(), ids=NETWORKS)
def test_a_history_goes_on_as_in_the_forecaster(tmp_path, changes):
    """The command compares 100 forecasts itself; a stranger gets one that a table would get."""
    model, out = save_forecasting(tmp_path / "model", changes), tmp_path / "out"
    run(["export", str(model), "--out", str(out), "--format", "litert", "--format", "saved_model"])
    assert all(entry["largest_difference"] < 1e-4 for entry in read_metrics(out))
    forecaster = Forecaster.load(model)
    if changes.get("known"):
        return
    values = np.random.default_rng(2).normal(3, 2, 40)
    table = pd.DataFrame({"value": values})
    [expected] = forecaster.predict(table, target=("value",), season=7)
    given = {"history": [values.tolist()], "series": ["value"], "season": [7]}
    found = ask_a_stranger(SAVED_MODEL_HOST, out, json.dumps(given))
    np.testing.assert_allclose(found["forecast"][0], expected.median, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found["quantiles"][0], expected.quantiles, rtol=1e-4, atol=1e-4)
    [same] = Forecaster.load(out, runtime="litert").predict(table, target=("value",), season=7)
    np.testing.assert_allclose(same.quantiles, expected.quantiles, rtol=1e-4, atol=1e-4)


def test_the_samples_of_a_forecaster_differ_in_length_and_in_what_they_give(tmp_path):
    from common.model_folder import load_model

    plan = plan_forecaster(load_model(save_forecasting(tmp_path / "model", NETWORKS["own scale"]), "forecasting"))
    lengths = {batch["history"].shape for batch in plan.raw_samples.batches}
    assert lengths == {(1, 24), (3, 74), (48, 6), (48, 48)}
    answers = np.concatenate([plan.reference(batch)["quantiles"][:, -1, 2] for batch in plan.raw_samples.batches])
    assert answers.std() > 0.1
