"""The tabular app from end to end: what each verb writes and says, and what it refuses."""

import json

import numpy as np
import pandas as pd
import pytest

from apps.tabular import Estimate, Prediction, TabularPredictor, benchmark, evaluate, infer, train
from apps.tabular.columns import fit_columns
from apps.tabular.config import TabularSettings
from common import verbs
from common.errors import UserError, WorkFailed
from tests.kit import run_app

QUICK = ["--epochs", "8", "--units", "16", "--learning-rate", "0.02"]
ROW = "size=1.5,weight=,colour=red"


def rows(count: int) -> pd.DataFrame:
    """The kind is told by the size and the colour, the price by both; weights are noise and sometimes missing."""
    rng = np.random.default_rng(0)
    size, is_red = rng.normal(size=count).round(3), rng.random(count) < 0.5
    frame = pd.DataFrame({"size": size, "weight": rng.normal(size=count), "colour": np.where(is_red, "red", "blue")})
    frame.loc[::10, "weight"] = np.nan
    return frame.assign(
        kind=np.where(size + 2 * is_red > 1, "big", "small"), price=(10 + 3 * size + 5 * is_red).round(3)
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A table, and a model for each kind of target."""
    folder = tmp_path_factory.mktemp("tabular")
    rows(300).to_csv(folder / "table.csv", index=False)
    data = ["--data", str(folder / "table.csv"), *QUICK]
    train.main([*data, "--target", "kind", "--ignore", "price", "--out", str(folder / "classes")])
    train.main([*data, "--target", "price", "--ignore", "kind", "--out", str(folder / "numbers")])
    return folder


@pytest.fixture
def classifier(folder) -> TabularPredictor:
    return TabularPredictor.load(folder / "classes")


def metrics(folder) -> list[dict]:
    return json.loads((folder / "metrics.json").read_text())


def test_training_leaves_a_model_that_has_learnt_and_its_figures_beside_baselines(folder):
    [classes], [numbers] = metrics(folder / "classes"), metrics(folder / "numbers")
    assert classes["accuracy"] > 0.9
    assert numbers["r2"] > 0.8
    assert set(classes["baselines"]) == {"logistic", "boosting"}
    assert set(numbers["baselines"]) == {"ridge", "boosting"}
    for entry, score in ((classes, "accuracy"), (numbers, "r2")):
        for found in entry["baselines"].values():
            assert found["low"] <= found["skill"] <= found["high"]
            assert found["skill"] == pytest.approx(entry[score] - found[score])
        assert (entry["data"], entry["split"], entry["examples"], entry["seed"]) == ("table", "test", 60, 1)
    assert (folder / "classes" / "curves.png").exists()
    assert not (folder / "classes.training").exists()


def test_what_was_fitted_is_plain_json_and_of_train_rows_alone(folder):
    facts = json.loads((folder / "classes" / "config.json").read_text())["facts"]
    [size, weight] = facts["columns"]["numbers"]
    assert (size["name"], size["missing"], weight["name"]) == ("size", 0, "weight")
    # 192 of the 300 rows are in train.
    assert 0 < weight["missing"] < 30
    assert facts["columns"]["categories"] == [{"name": "colour", "values": ["blue", "red"], "missing": 0}]
    assert facts["columns"]["left_out"] == {"price": "as told"}


def test_the_columns_are_listed_on_standard_error(folder, tmp_path, capsys):
    options = ["--data", str(folder / "table.csv"), "--target", "kind", "--balance", *QUICK, "--epochs", "1"]
    train.main([*options, "--out", str(tmp_path / "model")])
    captured = capsys.readouterr()
    assert captured.out == ""
    for line in (
        "192 rows in train, 60 rows in test, 48 rows in validation",
        "target kind: 2 classes",
        "3 columns of numbers: size, weight",
        "1 columns of categories: colour",
        "beside logistic, accuracy",
    ):
        assert line in captured.err


def test_rows_are_predicted_from_the_command_line(folder):
    done = run_app("apps.tabular.infer", "--model", folder / "classes", ROW, "--row", "size=-2,weight=1,colour=blue")
    assert done.status == 0
    first, second = done.stdout.splitlines()
    assert first.startswith("row 1  big  ")
    assert second.startswith("row 2  small  ")
    assert done.stderr == ""


def test_one_json_document_and_csv_hold_the_same_answers(folder, capsys):
    arguments = ["--model", str(folder / "numbers"), "--file", str(folder / "table.csv")]
    infer.main([*arguments, "--json"])
    answers = json.loads(capsys.readouterr().out)
    infer.main([*arguments, "--csv"])
    lines = capsys.readouterr().out.splitlines()
    assert len(answers) == len(lines) - 1 == 300
    assert lines[0] == "value,low,high,unknown"
    assert float(lines[1].split(",")[0]) == answers[0]["value"]
    assert answers[0]["low"] < answers[0]["value"] < answers[0]["high"]


def test_a_category_never_seen_is_answered_and_told(folder, capsys):
    infer.main(["--model", str(folder / "classes"), "--row", "size=9,weight=1,colour=green"])
    captured = capsys.readouterr()
    assert captured.out.strip().endswith("[not known: colour 'green']")
    assert captured.err == "note: colour: 1 cells of a category that training did not know, such as 'green'\n"


def test_python_gives_the_same_for_a_frame_and_for_dictionaries(classifier):
    frame = rows(20).drop(columns=["kind", "price"])
    found = classifier.predict(frame)
    assert found == classifier.predict(frame.to_dict("records")) == classifier.predict(frame[::-1])[::-1]
    assert isinstance(found[0], Prediction)
    assert found[0].probability == max(found[0].probabilities.values())
    assert sum(found[0].probabilities.values()) == pytest.approx(1)


def test_a_number_comes_with_its_interval(folder):
    [found] = TabularPredictor.load(folder / "numbers").predict([{"size": 0, "weight": 0, "colour": "red"}])
    assert isinstance(found, Estimate)
    assert found.low < found.value < found.high


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--row", "size=1,weight=1"], "no colour; write colour= where a value is not known"),
        (["--row", ROW + ",shape=round"], "no column 'shape'; the model reads size, weight, colour"),
        (["--row", ROW + ",size=2"], "a column is given twice"),
        (["--row", "size"], "'size' is not COLUMN=VALUE"),
        (["--row", "size=big,weight=1,colour=red"], "the rows given, row 1, column 'size': 'big' is no number"),
        (["--file", "nowhere.csv"], "nowhere.csv: no such file"),
    ],
)
def test_wrong_rows_are_refused_with_the_mend(folder, arguments, message):
    with pytest.raises(UserError, match=message):
        infer.main(["--model", str(folder / "classes"), *arguments])


def test_text_in_a_column_of_numbers_is_named_with_row_and_value(folder, tmp_path):
    (tmp_path / "new.csv").write_text("size,weight,colour\n1,1,red\nhuge,1,red\n")
    done = run_app("apps.tabular.infer", "--model", folder / "classes", "--file", tmp_path / "new.csv")
    assert done.status == 2
    assert done.stderr == f"error: {tmp_path}/new.csv, row 2, column 'size': 'huge' is no number\n"


def test_the_evaluation_of_the_data_trained_on_gives_the_figures_of_the_training(folder, capsys):
    for model in ("classes", "numbers"):
        [entry] = metrics(folder / model)
        evaluate.main([str(folder / model), "--json"])
        found = json.loads(capsys.readouterr().out)
        origin = ("command", "seed", "baselines", "date")
        assert found == {
            **{name: entry[name] for name in entry if name not in origin},
            "command": found["command"],
            "date": found["date"],
        }


def test_another_table_is_measured_whole_and_unknown_categories_are_told(folder, tmp_path, capsys):
    rows(300)[:100].replace("red", "crimson").to_csv(tmp_path / "other.csv", index=False)
    evaluate.main([str(folder / "classes"), "--data", str(tmp_path / "other.csv"), "--json"])
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert (found["data"], found["split"], found["examples"]) == ("other", "all", 100)
    assert found["unknown_cells"] > 0
    assert f"note: {found['unknown_cells']} cells of categories" in captured.err


def test_figures_are_recorded_and_pictures_drawn_when_asked(folder, tmp_path):
    rows(50).to_csv(tmp_path / "new.csv", index=False)
    for model, pictures in (("classes", {"confusion.png", "reliability.png"}), ("numbers", {"predictions.png"})):
        options = ["--data", str(tmp_path / "new.csv"), "--record", "--plot", str(tmp_path / model)]
        evaluate.main([str(folder / model), *options])
        assert {path.name for path in (tmp_path / model / "new").iterdir()} == pictures
        assert [entry["data"] for entry in metrics(folder / model)] == ["table", "new"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target", "cost"], "no column 'cost'; found: size, weight, colour, kind, price"),
        (["--target", "same"], "the target 'same' is 'x' in every row"),
        (["--target", "price", "--balance"], "--balance: weighs classes, and the target is a number"),
        (["--target", "kind", "--task", "regression"], "column 'kind': '(big|small)' is no number"),
    ],
)
def test_a_target_that_cannot_be_learnt_is_refused(tmp_path, arguments, message):
    frame = rows(40)
    if "same" in arguments:
        frame["same"] = "x"
    frame.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(UserError, match=message):
        train.main(["--data", str(tmp_path / "a.csv"), "--out", str(tmp_path / "model"), *QUICK, *arguments])
    assert not (tmp_path / "model").exists()


def test_a_wrong_command_ends_with_one_line_and_status_2(tmp_path):
    done = run_app("apps.tabular.train", "--target", "stage", "--out", tmp_path / "model")
    assert (done.status, done.stdout) == (2, "")
    assert done.stderr.startswith("error: sample: no column 'stage'; found: mean radius, ")
    assert done.stderr.count("\n") == 1


def test_a_network_no_better_than_a_baseline_fails_where_told(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(verbs, "beats_baselines", lambda entries: False)
    options = ["--data", str(folder / "table.csv"), "--target", "kind", *QUICK, "--epochs", "1"]
    with pytest.raises(WorkFailed, match="a baseline is at least as good"):
        train.main([*options, "--out", str(tmp_path / "model"), "--fail-below-baseline"])
    assert (tmp_path / "model" / "config.json").exists()


def test_the_benchmark_prints_a_line_for_each_set(capsys):
    for options in ([], ["--inner"]):
        benchmark.main(["--sets", "iris", "--seeds", "1", "--epochs", "1", *options])
        assert capsys.readouterr().out.startswith("iris: network 0.")


class Fake:
    """A network that gives each row what its first number says."""

    def __init__(self, outputs: int):
        self.outputs, self.calls = outputs, 0

    def __call__(self, arrays) -> np.ndarray:
        self.calls += 1
        return np.repeat(arrays["numbers"][:, :1], self.outputs, axis=1)


def fake(values: list, target: list) -> TabularPredictor:
    frame = pd.DataFrame({"x": values, "y": target})
    columns = fit_columns(frame, TabularSettings(target="y"), "t")
    return TabularPredictor(Fake(columns.target.outputs), columns)


def test_the_interval_holds_nine_of_ten_of_the_rows_held_out():
    # The network gives 0, 1, ..., 19 back; these rows miss by 0.1, 0.2, ..., 1.9, of which the eighteenth is the bound:
    # the ceiling of 0.9 * (19 + 1).
    predictor = fake(list(range(20)), [value + 0.5 * (value == 7) - 0.5 * (value == 8) for value in range(20)])
    held_out = predictor.columns.encode(pd.DataFrame({"x": range(19)}), "t")
    misses = np.random.default_rng(0).permutation(np.arange(1, 20) / 10)
    predictor.calibrate(held_out, predictor.answers(held_out) + misses)
    assert predictor.half_width == pytest.approx(1.8, rel=1e-3)


def test_few_rows_held_out_give_no_interval():
    predictor = fake(list(range(30)), [value + 0.5 for value in range(30)])
    predictor.calibrate(predictor.columns.encode(pd.DataFrame({"x": range(8)}), "t"), np.arange(8))
    assert predictor.half_width is None
    [found] = predictor.predict([{"x": 3}])
    assert (found.low, found.high) == (None, None)
    assert infer.as_line(found, 1) == f"row 1  {found.value:.6g}"


def test_many_rows_go_through_the_network_in_parts(monkeypatch):
    monkeypatch.setattr("apps.tabular.predictor._ROWS_AT_ONCE", 4)
    predictor = fake(list(range(30)), [value + 0.5 for value in range(30)])
    values = [found.value for found in predictor.predict([{"x": x} for x in range(30)])]
    assert predictor.network.calls == 8
    assert values == sorted(values)


def test_no_rows_are_refused():
    with pytest.raises(UserError, match="rows: no rows"):
        fake([0, 1, 2, 3], ["a", "b", "a", "b"]).predict([])
