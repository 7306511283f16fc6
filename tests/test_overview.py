"""The list of models: a row each, read from their folders."""

from dataclasses import replace

import pytest

from common.errors import UserError
from common.model_folder import ModelFolder, save_model
from common.overview import as_table, collect

FIGURES = [
    {"data": "imdb", "split": "test", "examples": 25000, "accuracy": 0.91256, "macro_f1": 0.9, "auc": 0.97},
    {"data": "sst2", "split": "test", "examples": 1821, "accuracy": 0.875},
]
MODEL = ModelFolder("sentiment", {"backbone": "lstm"}, {}, {"tokeniser.model": bytes(1_234_567)}, {}, FIGURES)


@pytest.fixture
def models(tmp_path):
    save_model(tmp_path / "large", MODEL, "")
    save_model(tmp_path / "a dense one", replace(MODEL, settings={"backbone": "dense"}, metrics=[]), "")
    save_model(tmp_path / "prices", replace(MODEL, app="forecasting", settings={}), "")
    save_model(tmp_path / "part", replace(MODEL, app="sentiment.language_model"), "")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes.txt").touch()
    return tmp_path


def test_models_are_found_by_app_and_name_and_other_folders_left_out(models):
    rows = collect(models, ("sentiment", "forecasting"))
    assert [(row["app"], row["model"], row["backbone"]) for row in rows] == [
        ("forecasting", f"{models}/prices", ""),
        ("sentiment", f"{models}/a dense one", "dense"),
        ("sentiment", f"{models}/large", "lstm"),
    ]
    assert rows[2]["figures"] == FIGURES


def test_the_size_is_that_of_all_files(models):
    """The tokeniser has 1,234,567 bytes, and all the rest not a tenth of a megabyte."""
    assert {row["megabytes"] for row in collect(models, ("sentiment",))} <= {1.2, 1.3}


def test_the_table_has_a_line_for_each_app_model_and_figure(models):
    lines = as_table(collect(models, ("sentiment",)), ("sentiment", "tabular")).splitlines()
    size = collect(models, ("sentiment",))[0]["megabytes"]
    assert lines == [
        "sentiment",
        f"  {models}/a dense one  dense  {size} MB",
        f"  {models}/large  lstm  {size} MB",
        "    imdb test: accuracy 0.9126, macro_f1 0.9000",
        "    sst2 test: accuracy 0.8750",
        "tabular",
        "  no trained model; python -m apps.tabular.train makes one",
    ]


def test_a_lab_has_a_line_with_its_command():
    apps, labs = ("tabular",), ("gradient_lab",)
    assert as_table([], apps, labs).splitlines()[2:] == [
        "gradient_lab  python -m apps.gradient_lab.run writes a report; there is no model to train"
    ]


def test_a_folder_of_models_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match="nowhere: there is no such folder"):
        collect(tmp_path / "nowhere", ("sentiment",))


def test_an_empty_folder_has_no_models(tmp_path):
    assert collect(tmp_path, ("sentiment",)) == []


def test_a_damaged_model_is_named(models):
    (models / "large" / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match=r"large/config\.json: damaged"):
        collect(models, ("sentiment",))
