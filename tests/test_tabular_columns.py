"""Columns of a table: found, fitted on train, and the way from rows to arrays."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.tabular.columns import Columns, as_texts, fit_columns, is_classification
from apps.tabular.config import TabularSettings
from common.errors import UserError

FRAME = pd.DataFrame(
    {
        "size": ["1", "2", "NA", "5", "4"],
        "colour": ["red", "blue", "red", "", "blue"],
        "kind": ["a", "b", "a", "b", "a"],
    }
)
KIND = TabularSettings(target="kind")


def fit(frame: pd.DataFrame, **options) -> Columns:
    return fit_columns(frame, TabularSettings(**{"target": "kind", **options}), "t.csv")


def with_target(**columns: list) -> pd.DataFrame:
    size = len(next(iter(columns.values())))
    return pd.DataFrame({**columns, "kind": (["a", "b"] * size)[:size]})


def test_numbers_and_categories_are_told_apart():
    columns = fit(FRAME)
    assert [column.name for column in columns.numbers] == ["size"]
    assert [(column.name, column.values) for column in columns.categories] == [("colour", ("blue", "red"))]
    assert columns.target.labels == ("a", "b")


def test_the_columns_and_their_missing_cells_are_told():
    assert fit(FRAME, ignore=("colour",)).summary().splitlines() == [
        "target kind: 2 classes",
        "1 columns of numbers: size (1 missing)",
        "0 columns of categories: none",
        "left out: colour, as told",
    ]


def test_a_number_is_scaled_by_mean_and_deviation_and_missing_ones_are_marked_medians():
    # Worked through by hand: 1, 2, 5, 4 have the mean 3, the deviation sqrt(10 / 4) and the median 3.
    arrays = fit(FRAME).encode(pd.DataFrame({"size": ["3", "5", None], "colour": [""] * 3}), "t.csv")
    np.testing.assert_allclose(arrays["numbers"], [[0, 0], [2 / np.sqrt(2.5), 0], [0, 1]], rtol=1e-6)
    assert arrays["numbers"].dtype == np.float32


def test_where_train_missed_no_number_a_missing_one_is_the_median_and_no_more():
    arrays = fit(with_target(size=[1, 2, 3, 6])).encode(pd.DataFrame({"size": [None, 2.5]}), "t.csv")
    assert arrays["numbers"].shape == (2, 1)
    np.testing.assert_array_equal(*arrays["numbers"])


def test_a_number_far_out_ends_at_ten_deviations():
    arrays = fit(with_target(size=[0, 2, 0, 2])).encode(pd.DataFrame({"size": [1e29, -1e29]}), "t.csv")
    np.testing.assert_array_equal(arrays["numbers"], [[10], [-10]])


def test_categories_have_ids_from_one_on_and_unknown_ones_zero():
    columns = fit(with_target(colour=["red", "blue", "red", "blue", "", "", "rare"]))
    rows = pd.DataFrame({"colour": ["blue", " red ", "?", "green", "rare"]})
    assert columns.categories[0].values == ("", "blue", "red")
    np.testing.assert_array_equal(columns.encode(rows, "t.csv")["category_ids"][:, 0], [2, 3, 1, 0, 0])


@pytest.mark.parametrize("cell", ["", "  ", "?", "NA", "n/a", "NaN", "null", None, np.nan, pd.NA, pd.NaT])
def test_a_missing_cell_is_known_however_it_is_written(cell):
    assert as_texts(pd.Series([cell, "x"], dtype=object)).tolist() == ["", "x"]


def test_the_same_number_is_the_same_text_from_a_file_and_from_a_frame():
    assert as_texts(pd.Series([1, 2])).tolist() == as_texts(pd.Series([1.0, 2.0])).tolist() == ["1", "2"]


def test_columns_that_tell_nothing_are_left_out_with_the_reason():
    frame = with_target(size=[1, 2, 3, 4], empty=["", "NA", "?", None], same=["x"] * 4, name=["p", "q", "r", "s"])
    columns = fit(frame)
    assert columns.names == ["size"]
    assert columns.left_out == {
        "empty": "no cell has a value",
        "same": "'x' in every row",
        "name": "no category occurs 2 times",
    }


def test_numbers_are_read_as_categories_where_told():
    assert fit(with_target(zone=[1, 2, 1, 2]), categorical=("zone",)).categories[0].values == ("1", "2")


def test_truth_values_are_categories():
    assert fit(with_target(wet=[True, False, True, False])).categories[0].values == ("False", "True")


def test_a_slip_among_numbers_is_refused_with_its_row_and_value():
    frame = with_target(size=[*map(str, range(30)), "3O"])
    with pytest.raises(UserError, match=r"t.csv, row 31, column 'size': '3O' is no number.*--categorical"):
        fit(frame)
    assert fit(frame, categorical=("size",), least_count=1).categories[0].name == "size"


@pytest.mark.parametrize("cell", ["inf", "1e400", "-1e31"])
def test_numbers_without_measure_are_refused(cell):
    with pytest.raises(UserError, match="is no number"):
        fit(with_target(size=["1", "2", "3", "4"])).encode(pd.DataFrame({"size": ["1", cell]}), "t.csv")


def test_text_in_a_column_of_numbers_is_refused_with_row_and_value():
    with pytest.raises(UserError, match=r"new.csv, row 2, column 'size': 'big' is no number$"):
        fit(FRAME).encode(pd.DataFrame({"size": ["1", "big"], "colour": ["", ""]}), "new.csv")


def test_a_column_that_is_not_there_is_named_with_those_found():
    with pytest.raises(UserError, match="no column 'colour'; found: size, x"):
        fit(FRAME).encode(pd.DataFrame({"size": [1], "x": [1]}), "new.csv")
    for options in ({"target": "price"}, {"ignore": ("price",)}, {"categorical": ("price",)}):
        with pytest.raises(UserError, match="no column 'price'; found: size, colour, kind"):
            fit(FRAME, **options)


@pytest.mark.parametrize(
    ("target", "task", "expected"),
    [
        (["a", "b"] * 3, "auto", True),
        ([0, 1] * 3, "auto", True),
        ([0.5, 1] * 3, "auto", False),
        ([1, 2, 3, 4, 5, 6], "auto", False),
        (list(range(21)) * 3, "auto", False),
        ([True, False], "auto", True),
        ([0, 1] * 3, "regression", False),
        ([0.5, 1] * 3, "classification", True),
    ],
)
def test_the_task_is_told_by_the_target_or_by_the_user(target, task, expected):
    found = is_classification(pd.DataFrame({"y": target}), TabularSettings(target="y", task=task), "t.csv")
    assert found is expected


def test_labels_that_are_numbers_are_in_their_order():
    assert fit(pd.DataFrame({"x": range(6), "kind": [10, 2, 1] * 2})).target.labels == ("1", "2", "10")


def test_a_target_of_numbers_has_their_mean_and_deviation():
    target = fit(pd.DataFrame({"x": [1, 2, 3], "kind": [0.5, 1.5, 4]})).target
    assert (target.labels, target.outputs, target.mean) == ((), 1, 2)
    assert target.scale == pytest.approx(np.std([0.5, 1.5, 4]))


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        (["a"] * 4, {}, "the target 'kind' is 'a' in every row"),
        ([2.5] * 4, {}, "the target 'kind' is '2.5' in every row"),
        (["a", "b", "c", "d"], {}, "has 4 classes in 4 rows; too many"),
        (["a", "", "b", ""], {}, r"row 2, column 'kind': '' is no target.* \(2 such rows\)"),
        (["a", "b"] * 2, {"task": "regression"}, r"row 1, column 'kind': 'a' is no number"),
    ],
)
def test_a_target_that_cannot_be_learnt_is_refused(target, options, message):
    with pytest.raises(UserError, match=message):
        fit(pd.DataFrame({"x": [1, 2, 3, 4], "kind": target}), **options)


def test_nothing_to_predict_from_is_refused():
    with pytest.raises(UserError, match="no column is left to predict 'kind' from"):
        fit(with_target(x=[1, 1, 1, 1]))


def test_an_unknown_class_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match="row 1, column 'kind': 'c' is none of the classes trained on: a, b"):
        fit(FRAME).target.encode(pd.DataFrame({"kind": ["c"]}), "t.csv")


CELLS = st.one_of(st.none(), st.floats(-1e6, 1e6), st.sampled_from(["", "red", "blue", "?"]))
ROWS = st.lists(
    st.fixed_dictionaries({"size": st.one_of(st.none(), st.floats(-1e6, 1e6)), "colour": CELLS}), min_size=4, max_size=8
)


@settings(deadline=None, max_examples=25)
@given(ROWS, ROWS)
def test_whatever_the_rows_their_arrays_are_finite_and_come_back_from_json(train, new):
    frame = pd.DataFrame(train).assign(steady=range(len(train)), kind=(["a", "b"] * len(train))[: len(train)])
    columns = fit(frame, categorical=("colour",))
    twin = Columns.from_values(json.loads(json.dumps(columns.model_dump(mode="json"))), "config.json")
    assert twin == columns
    rows = pd.DataFrame(new).assign(steady=0)
    arrays, again = columns.encode(rows, "new"), twin.encode(rows[::-1], "new")
    assert arrays["numbers"].shape == (len(new), columns.number_width)
    assert np.isfinite(arrays["numbers"]).all()
    for name, array in arrays.items():
        # Each row stands for itself: their order changes nothing.
        np.testing.assert_array_equal(array, again[name][::-1])
