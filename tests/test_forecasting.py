"""The forecasting app from end to end: what each verb writes and says, and what it refuses."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from apps.forecasting import Forecaster, backtest, demo, evaluate, infer, train
from apps.forecasting.config import ForecastingSettings
from apps.forecasting.sample import monthly_table, price_table, sample_table
from common.config import read_recipe
from common.errors import UserError

QUICK = [
    "--units",
    "8",
    "--epochs",
    "2",
    "--epoch-windows",
    "1024",
    "--learning-rate",
    "0.01",
    "--precision",
    "float32",
]
PNG = b"\x89PNG"


def table(count: int = 300) -> pd.DataFrame:
    rng, time = np.random.default_rng(0), np.arange(count)
    day = np.sin(2 * np.pi * time / 24)
    return pd.DataFrame(
        {
            "time": pd.date_range("2024-01-01", periods=count, freq="h").astype(str),
            "load": (50 + 10 * day + rng.normal(0, 1, count)).round(3),
            "price": (3 + 0.4 * day + np.cumsum(rng.normal(0, 0.02, count))).round(4),
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A table, and two models of it: one of its two series, one of any."""
    folder = tmp_path_factory.mktemp("forecasting")
    table().to_csv(folder / "table.csv", index=False)
    flags = ["--data", str(folder / "table.csv"), "--look-back", "48", "--horizon", "6", *QUICK]
    train.main([*flags, "--out", str(folder / "own")])
    anything = ["--no-identity", "--scale", "window", "--shortest", "8", "--seasonal", "--no-blend", "--calendar"]
    train.main([*flags, *anything, "--out", str(folder / "any")])
    return folder


@pytest.fixture(scope="module")
def own(folder) -> Forecaster:
    return Forecaster.load(folder / "own")


def metrics(folder) -> list[dict]:
    return json.loads((folder / "metrics.json").read_text())


def test_training_leaves_figures_beside_baselines_that_a_plain_loop_finds(folder):
    [entry] = metrics(folder / "own")
    assert (entry["data"], entry["split"], entry["horizon"], entry["series"]) == ("table", "validation", 6, 2)
    assert set(entry["baselines"]) == {"naive", "seasonal_naive", "drift", "linear"}
    errors: dict[str, list[float]] = {"naive": [], "seasonal_naive": [], "drift": []}
    for name in ("load", "price"):
        values = table()[name].tolist()
        # The first 210 rows are the train part, the 30 behind them the validation part.
        scale = sum(abs(values[i] - values[i - 24]) for i in range(24, 210)) / 186
        for origin in range(210, 235):
            for step in range(6):
                slope = (values[origin - 1] - values[0]) / (origin - 1)
                found = {
                    "naive": values[origin - 1],
                    "seasonal_naive": values[origin - 24 + step],
                    "drift": values[origin - 1] + slope * (step + 1),
                }
                for baseline, point in found.items():
                    errors[baseline].append(abs(point - values[origin + step]) / scale)
    assert entry["examples"] == 2 * 25
    for baseline, found in errors.items():
        assert entry["baselines"][baseline]["mase"] == pytest.approx(sum(found) / len(found))
        assert entry["baselines"][baseline]["skill"] == pytest.approx(sum(found) / len(found) - entry["mase"])


def test_the_scales_of_a_model_are_those_of_the_train_rows(folder):
    scales = json.loads((folder / "own" / "config.json").read_text())["facts"]["scales"]
    assert scales["names"] == ["load", "price"]
    assert scales["means"] == pytest.approx([table()[name][:210].mean() for name in scales["names"]])
    assert scales["scales"] == pytest.approx([table()[name][:210].std(ddof=0) for name in scales["names"]])


def test_a_frame_is_forecast_as_the_file_is_and_its_times_go_on(folder, own, capsys):
    forecasts = own.predict(table())
    by_index = own.predict(table().assign(time=pd.to_datetime(table()["time"])).set_index("time"))
    infer.main(["--model", str(folder / "own"), "--data", str(folder / "table.csv"), "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert [row["series"] for row in rows] == ["load"] * 6 + ["price"] * 6
    np.testing.assert_allclose([row["forecast"] for row in rows], np.concatenate([one.median for one in forecasts]))
    np.testing.assert_allclose([one.median for one in by_index], [one.median for one in forecasts])
    assert forecasts[0].times[:2] == ["2024-01-13 12:00:00", "2024-01-13 13:00:00"]
    assert all(row["low"] < row["forecast"] < row["high"] for row in rows)


def test_a_forecast_shifts_and_grows_with_its_series(folder):
    forecaster = Forecaster.load(folder / "any")
    frame = table()
    one = forecaster.predict(frame)[0].quantiles
    other = forecaster.predict(frame.assign(load=frame["load"] * 1000 - 7e5))[0].quantiles
    np.testing.assert_allclose(other, one * 1000 - 7e5, rtol=1e-4, atol=20)


def test_a_short_history_is_enough_for_a_model_trained_on_short_ones(folder):
    forecaster = Forecaster.load(folder / "any")
    assert np.isfinite(forecaster.predict(table(9), 3)[0].quantiles).all()
    with pytest.raises(UserError, match="7 steps of history, and this model reads 8 or more"):
        forecaster.predict(table(7))


def test_answers_come_as_a_table_csv_paths_and_a_picture(folder, tmp_path, capsys):
    common = [
        "--model",
        str(folder / "own"),
        "--data",
        str(folder / "table.csv"),
        "--horizon",
        "3",
        "--known-rows",
        "3",
    ]
    infer.main([*common, "--plot", str(tmp_path / "out"), "--coverage", "0.6"])
    header, *lines = capsys.readouterr().out.splitlines()
    assert "60% interval" in header
    assert len(lines) == 6
    assert (tmp_path / "out" / "forecast.png").read_bytes().startswith(PNG)
    infer.main([*common, "--csv", "--paths", "4"])
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["time"] for row in rows[:3]] == table()["time"].iloc[-3:].tolist()
    assert len(json.loads(rows[0]["paths"])) == 4


def test_evaluate_by_the_protocol_of_the_field_is_a_plain_loop_over_scaled_values(folder, own, capsys):
    command = [str(folder / "own"), "--protocol", "ltsf_shares", "--split", "test", "--json"]
    evaluate.main(command)
    found = json.loads(capsys.readouterr().out)
    squares, absolutes, inside = [], [], []
    for origin in range(240, 295):
        for one in own.predict(table()[:origin]):
            mean, scale = table()[one.series][:210].mean(), table()[one.series][:210].std(ddof=0)
            truth = table()[one.series][origin : origin + 6].to_numpy()
            squares.append(((truth - one.median) / scale) ** 2)
            absolutes.append(np.abs((truth - mean) / scale - (one.median - mean) / scale))
            inside.append((truth >= one.interval()[0]) & (truth <= one.interval()[1]))
    assert found["mse"] == pytest.approx(np.mean(squares), rel=1e-4)
    assert found["mae"] == pytest.approx(np.mean(absolutes), rel=1e-4)
    assert found["coverage_80"] == pytest.approx(np.mean(inside), abs=0.005)


def test_a_backtest_is_a_slow_plain_loop(folder, own, tmp_path, capsys):
    flags = [str(folder / "own"), "--horizon", "4", "--stride", "7", "--plot", str(tmp_path)]
    backtest.main([*flags, "--json"])
    found = json.loads(capsys.readouterr().out)
    level, relative, naive, right = [], [], [], []
    for origin in range(240, 297, 7):
        for one in own.predict(table()[:origin], 4):
            values = table()[one.series].to_numpy()
            last, truth = values[origin - 1], values[origin : origin + 4]
            level.append(np.abs(truth - one.median).mean())
            relative.append(np.abs(truth - one.median).mean() / last)
            naive.append(np.abs(truth - last).mean() / last)
            right.append(np.sign(one.median[3] - last) == np.sign(truth[3] - last))
    models = found["models"]
    assert (found["examples"], found["origins"]) == (len(level), 9)
    assert models["network"]["mae"] == pytest.approx(np.mean(level), rel=1e-5)
    assert models["network"]["return_mae"] == pytest.approx(np.mean(relative), rel=1e-5)
    assert models["naive"]["return_skill"] == pytest.approx(1 - np.mean(relative) / np.mean(naive), rel=1e-4)
    assert found["direction"]["4"]["share"] == pytest.approx(np.mean(right))
    assert (tmp_path / "backtest.png").read_bytes().startswith(PNG)
    backtest.main(flags)
    assert "the naive forecast is" in capsys.readouterr().out.splitlines()[-1]


def test_a_model_says_no_to_rows_that_it_has_seen(folder):
    with pytest.raises(UserError, match="--protocol ltsf: 300 rows"):
        evaluate.main([str(folder / "own"), "--protocol", "ltsf"])


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--horizon", "0"], "`horizon`: Input should be greater than 0"),
        (["--horizon", "100000"], "`horizon`: Input should be less than or equal to 10000"),
        (["--horizon", "7"], "this model forecasts 1 to 6 steps"),
        (["--target", "colour"], "no column 'colour'; found: time, load, price"),
        (["--target", "load"], r"1 series \(none that is new\), and the model was trained on 2: load, price"),
        (["--known-rows", "260"], "40 steps of history, and this model reads 48 or more"),
        (["--known-rows", "300"], "load has 300 rows"),
        (["--coverage", "0.5"], "0.5 is not among those of the model: 0.8, 0.6, 0.4, 0.2"),
    ],
)
def test_what_infer_cannot_do_it_says(folder, flags, words):
    with pytest.raises(UserError, match=words):
        infer.main(["--model", str(folder / "own"), "--data", str(folder / "table.csv"), *flags])


@pytest.mark.parametrize(
    ("text", "words"),
    [("1 2 three", "no row of numbers"), ("1 2 inf", "'inf' is no finite number"), ("4 4 4", "all 3")],
)
def test_numbers_that_are_none_are_named(folder, text, words):
    with pytest.raises(UserError, match=words):
        infer.main(["--model", str(folder / "own"), text])


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--horizon", "100000"], "less than or equal to 10000"),
        (["--look-back", "400"], "210 rows at most, and a look-back of 400 with a horizon of 24 needs 424"),
        (["--horizon", "50"], "the validation part has 30 rows at most, too few for a horizon of 50"),
        (["--look-back", "48", "--segment", "7"], "--segment 7: does not divide the look-back of 48"),
        (["--quantiles", "0.2", "--quantiles", "0.5"], "--quantiles"),
        (["--architecture", "steps", "--backbone", "dense"], "--architecture steps"),
    ],
)
def test_what_cannot_be_trained_is_told_before_it_begins(folder, tmp_path, flags, words):
    with pytest.raises(UserError, match=words):
        train.main(["--data", str(folder / "table.csv"), "--out", str(tmp_path / "model"), *flags])


def test_the_step_by_step_network_is_trained_and_asked_like_the_other(folder, tmp_path, capsys):
    flags = [
        "--data",
        str(folder / "table.csv"),
        "--architecture",
        "steps",
        "--look-back",
        "24",
        "--horizon",
        "4",
        *QUICK,
    ]
    train.main([*flags, "--epochs", "1", "--out", str(tmp_path / "steps")])
    infer.main(["--model", str(tmp_path / "steps"), "--data", str(folder / "table.csv"), "--json"])
    assert len(json.loads(capsys.readouterr().out)) == 8


def test_covariates_known_ahead_must_reach_over_the_horizon(tmp_path):
    frame = table().assign(holiday=np.arange(300) % 7 == 0, rain=np.arange(300) % 5)
    frame["holiday"] = frame["holiday"].astype(int)
    frame.to_csv(tmp_path / "table.csv", index=False)
    columns = ["--target", "load", "--known", "holiday", "--past", "rain", "--look-back", "24", "--horizon", "4"]
    train.main(
        ["--data", str(tmp_path / "table.csv"), *columns, *QUICK, "--epochs", "1", "--out", str(tmp_path / "model")]
    )
    forecaster = Forecaster.load(tmp_path / "model")
    with pytest.raises(UserError, match="holiday must be known for all 4 steps ahead; add 4 rows without a target"):
        forecaster.predict(frame)
    ahead = pd.DataFrame(
        {"time": pd.date_range("2024-01-13 12:00", periods=4, freq="h").astype(str), "holiday": [0, 1, 0, 0]}
    )
    calm, busy = (
        forecaster.predict(pd.concat([frame, ahead.assign(holiday=holiday)], ignore_index=True))[0]
        for holiday in ([0, 0, 0, 0], [0, 1, 0, 1])
    )
    assert calm.times[0] == "2024-01-13 12:00:00"
    assert np.abs(calm.median - busy.median).max() > 0


def test_the_samples_are_those_that_the_project_makes():
    hours = pd.read_csv(demo.SAMPLES / "hours.csv", parse_dates=["time"])
    pd.testing.assert_frame_equal(hours, sample_table(480, 2), check_dtype=False)
    pd.testing.assert_frame_equal(pd.read_csv(demo.SAMPLES / "months.csv"), monthly_table(), check_dtype=False)
    prices = pd.read_csv(demo.SAMPLES / "prices.csv", parse_dates=["date"])
    pd.testing.assert_frame_equal(prices, price_table(), check_dtype=False)


@pytest.mark.parametrize("recipe", ["etth1", "global", "quick"])
def test_a_recipe_holds_settings_that_there_are(recipe):
    path = Path(train.__file__).parent / "recipes" / f"{recipe}.toml"
    assert ForecastingSettings.from_values(read_recipe(path), recipe).horizon in (24, 96)


def test_the_shipped_model_forecasts_series_that_it_never_saw(capsys):
    demo.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines if ".csv" in line] == ["hours.csv"] * 4 + ["months.csv"] * 2 + [
        "prices.csv"
    ] * 3
    assert all((demo.DRAWINGS / name / "forecast.png").is_file() for name in ("hours", "months", "prices"))
    forecaster, day = Forecaster.load(demo.MODEL), 24
    frame = sample_table(480, 2)
    forecasts = {one.series: one.median for one in forecaster.predict(frame[:-day], day)}
    for name in ("trend", "season"):
        truth, last = frame[name].to_numpy()[-day:], frame[name].iloc[-day - 1]
        assert np.abs(forecasts[name] - truth).mean() < 0.8 * np.abs(last - truth).mean()
