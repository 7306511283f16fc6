"""Tables of the forecasting app: read, checked, mended only as asked, and parted in time."""

import gzip

import numpy as np
import pandas as pd
import pytest

from apps.forecasting.config import ForecastingSettings
from apps.forecasting.data import build_panel, load_panel
from apps.forecasting.sample import sample_table, varied_series
from apps.forecasting.splits import check_unseen, split_rows
from apps.forecasting.times import Frequency, find_time_column, infer_frequency, parse_times
from common.errors import UserError
from common.sources import Source


def panel_of(frame: pd.DataFrame, ahead: int = 0, **settings):
    return build_panel(frame, ForecastingSettings(**settings), "t.csv", "t", ahead)


def hours(count: int, **columns) -> pd.DataFrame:
    return pd.DataFrame({"time": pd.date_range("2024-01-01", periods=count, freq="h").astype(str), **columns})


def load(path, **settings):
    return load_panel(Source.parse(str(path)), ForecastingSettings(**settings))


def test_a_table_becomes_a_series_a_column_of_numbers(tmp_path):
    (tmp_path / "t.csv").write_text("date,a,b,note\n2024-01-01,1,5,x\n2024-01-02,2,4,y\n2024-01-03,4,3,z\n")
    panel = load(tmp_path / "t.csv")
    assert [one.name for one in panel.series] == ["a", "b"]
    np.testing.assert_array_equal(panel.series[1].values, [5, 4, 3])
    assert (panel.frequency.name, panel.series[0].season) == ("1 day", 7)
    assert panel.notes == ["column 'note' is left out, its cells are no numbers"]


def test_a_table_without_header_or_times_has_columns_by_number(tmp_path):
    with gzip.open(tmp_path / "t.txt.gz", "wt") as file:
        file.write("1.5,7\n2.5,8\n3.5,6\n")
    panel = load(tmp_path / "t.txt.gz", target=("2",))
    assert panel.frequency is None
    np.testing.assert_array_equal(panel.series[0].values, [7, 8, 6])
    (tmp_path / "bad.txt").write_text("1,2\n3\n")
    with pytest.raises(UserError, match="row 2: 1 fields where the first has 2"):
        load(tmp_path / "bad.txt")


def test_many_series_of_one_table_keep_their_own_lengths(tmp_path):
    rows = [
        f"{name}\tJan {day} 2000\t{value}"
        for name, count in (("x", 4), ("y", 3))
        for day, value in zip(range(1, count + 1), (3, 1, 2, 5), strict=False)
    ]
    (tmp_path / "t.tsv").write_text("\n".join(["symbol\tdate\tprice", *rows]) + "\n")
    panel = load(tmp_path / "t.tsv", series="symbol", target=("price",))
    assert [(one.name, one.values.tolist()) for one in panel.series] == [("x", [3, 1, 2, 5]), ("y", [3, 1, 2])]
    assert [one.first_row for one in panel.series] == [1, 5]


@pytest.mark.parametrize(
    ("start", "freq", "name", "season"),
    [
        ("2024-01-01", "15min", "15 minutes", 96),
        ("2024-01-01", "h", "1 hour", 24),
        ("2024-01-01", "D", "1 day", 7),
        ("2024-01-01", "B", "business days", 5),
        ("2024-01-01", "7D", "1 week", 52),
        ("2024-01-31", "ME", "1 month", 12),
        ("2024-01-01", "QS", "3 months", 4),
        ("2024-01-01", "YS", "1 year", 1),
    ],
)
def test_the_frequency_is_found_and_continued_as_pandas_does(start, freq, name, season):
    times = pd.date_range(start, periods=40, freq=freq)
    frequency = infer_frequency(times[:30], "t")
    assert (frequency.name, frequency.season) == (name, season)
    np.testing.assert_array_equal(frequency.after(times[:30], 10), times[30:])
    np.testing.assert_allclose(frequency.numbers(times), np.arange(40))


def test_holidays_are_no_gaps_among_trading_days():
    days = pd.bdate_range("2001-08-01", periods=60)
    closed = days.drop(pd.to_datetime(["2001-09-11", "2001-09-12", "2001-09-13", "2001-09-14"]))
    frame = pd.DataFrame({"date": closed.astype(str), "close": np.arange(56.0)})
    panel = panel_of(frame)
    assert (len(panel.series[0].values), panel.frequency) == (56, Frequency("business_days"))
    with pytest.raises(UserError, match=r"15 steps of business days are missing in 1 places.*row 21"):
        panel_of(frame.drop(index=range(20, 35 - 4)).reset_index(drop=True))


@pytest.mark.parametrize(
    "texts", [["13/01/2024", "14/01/2024"], ["05/01/2024", "14/01/2024"], ["Jan 5 2024", "Jan 14 2024"]]
)
def test_days_and_months_are_told_apart_by_all_rows(texts):
    assert parse_times(pd.Series(texts, name="t"), "t").month.tolist() == [1, 1]


def test_dates_in_two_formats_are_refused_with_the_row():
    frame = pd.DataFrame({"date": ["2024-01-01", "2024-01-02", "Jan 3 2024"], "x": [1, 2, 3]})
    with pytest.raises(UserError, match=r"row 3, column 'date': 'Jan 3 2024' .* format of the first row"):
        panel_of(frame)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x": [1, 2, "high", 4]}, r"row 3, column 'x': 'high' is no finite number"),
        ({"x": [1, 2, 3, "inf"]}, r"row 4, column 'x': 'inf' is no finite number"),
        ({"x": [1, "", 3, 4]}, r"row 2, column 'x': no value; 1 are missing; mend .*--fill"),
        ({"x": [1, "NaN", 3, 4]}, r"row 2, column 'x': no value"),
        ({"x": [2, 2, 2, 2]}, r"column 'x': all 4 values are 2"),
        ({"time": ["2024-01-01", "2024-01-02", "2024-01-02", "2024-01-03"]}, r"row 2: 2024-01-02.* is there twice"),
        (
            {"time": ["2024-01-01", "2024-01-03", "2024-01-02", "2024-01-04"]},
            r"row 3: 2024-01-02.* before the row above",
        ),
        (
            {"time": ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-06"]},
            r"2 steps of 1 day are missing in 1 places",
        ),
        ({"time": ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04 07:00"]}, "row 4"),
    ],
)
def test_what_is_wrong_with_a_cell_is_told_with_its_row(change, words):
    good = {"time": ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"], "x": [1, 2, 3, 4]}
    assert panel_of(pd.DataFrame(good)).series[0].values.tolist() == [1, 2, 3, 4]
    with pytest.raises(UserError, match=words):
        panel_of(pd.DataFrame({**good, **change}), target=("x",))


def test_a_column_that_is_not_there_is_named_with_those_found(tmp_path):
    with pytest.raises(UserError, match=r"no column 'price'; found: time, x"):
        panel_of(hours(4, x=[1, 2, 3, 4]), target=("price",))
    with pytest.raises(UserError, match="there is no such file"):
        load(tmp_path / "nothing.csv")


@pytest.mark.parametrize(("fill", "middle"), [("forward", [1, 1]), ("linear", [2, 3])])
def test_what_is_missing_out_of_order_or_there_twice_is_mended_as_asked_and_told(fill, middle):
    times = ["2024-01-04", "2024-01-01", "2024-01-05", "2024-01-05"]
    panel = panel_of(pd.DataFrame({"time": times, "x": [4, 1, 9, 6]}), fill=fill)
    assert panel.series[0].values.tolist() == [1, *middle, 4, 6]
    assert panel.series[0].times.tolist() == pd.date_range("2024-01-01", periods=5).tolist()
    assert len(panel.notes) == 4
    assert all(f"mended by --fill {fill}" in note for note in panel.notes)


def test_rows_behind_the_last_target_give_what_is_known_ahead():
    frame = hours(5, x=[1, 2, 4, "", ""], holiday=[0, 0, 1, 1, 0], rain=[3, 4, 5, "", ""])
    [one] = panel_of(frame, known=("holiday",), past=("rain",), target=("x",)).series
    assert one.values.tolist() == [1, 2, 4]
    assert one.known[:, 0].tolist() == [0, 0, 1, 1, 0]
    assert one.past[:, 0].tolist() == [3, 4, 5]


def test_the_calendar_reaches_into_the_future():
    [one] = panel_of(hours(30, x=np.arange(30.0)), ahead=4, calendar=True).series
    assert one.known.shape == (34, 6)
    np.testing.assert_allclose(one.known[6, [0, 3]], [1, 0], atol=1e-12)
    np.testing.assert_allclose(one.known[33], one.known[9] * [1, 0, 0, 1, 0, 0] + one.known[33] * [0, 1, 1, 0, 1, 1])
    with pytest.raises(UserError, match="--calendar needs a column of times"):
        panel_of(pd.DataFrame({"x": [1, 2, 3]}), calendar=True)


def test_the_field_takes_months_of_thirty_days_and_others_shares():
    ett = panel_of(hours(17420, x=np.arange(17420.0)))
    assert split_rows(ett, "ltsf") == [{"train": (0, 8640), "validation": (8640, 11520), "test": (11520, 14400)}]
    shares = [{"train": (0, 7), "validation": (7, 8), "test": (8, 10)}]
    assert split_rows(panel_of(hours(10, x=np.arange(10.0))), "own") == shares
    assert split_rows(panel_of(pd.DataFrame({"x": np.arange(10.0)})), "ltsf") == shares
    with pytest.raises(UserError, match="20 months of 30 days are 14,400"):
        split_rows(panel_of(hours(10, x=np.arange(10.0))), "ltsf")


def test_a_model_is_not_measured_on_rows_that_it_has_seen():
    panel = panel_of(hours(17420, x=np.arange(17420.0)))
    check_unseen(panel, "ltsf", "ltsf", "test")
    check_unseen(panel, "own", "own", "test")
    with pytest.raises(UserError, match=r"begins at row 11,521.*has seen rows up to 13,936"):
        check_unseen(panel, "own", "ltsf", "test")


def test_the_sample_is_what_it_says():
    frame = sample_table()
    assert list(frame) == ["time", "trend", "season", "shift", "walk"]
    by_hour = frame["season"].groupby(frame["time"].dt.hour).mean()
    assert by_hour.max() - by_hour.min() > 12
    pd.testing.assert_frame_equal(frame, sample_table())


def test_varied_series_differ_in_length_season_and_kind():
    found = varied_series(40)
    assert all(300 <= len(values) < 2000 and np.isfinite(values).all() and np.ptp(values) > 0 for values, _ in found)
    assert len({season for _, season in found}) > 5
    np.testing.assert_array_equal(found[3][0], varied_series(40)[3][0])


def test_a_column_called_like_a_time_is_one_only_if_it_holds_times():
    panel = panel_of(pd.DataFrame({"day": [1, 2, 3], "Month": ["Jan 2017", "Feb 2017", "Mar 2017"], "x": [1, 2, 4]}))
    assert [one.name for one in panel.series] == ["day", "x"]
    assert panel.frequency == Frequency("months", 1)
    assert find_time_column(pd.DataFrame({"day": [1, 2], "x": [1, 2]})) is None


def test_a_set_of_tensorflow_datasets_is_read_where_it_is_a_table():
    tfds = pytest.importorskip("tensorflow_datasets")
    with tfds.testing.mock_data(num_examples=12):
        panel = load("tfds:titanic", target=("fare",))
        rows = list(tfds.as_numpy(tfds.builder("titanic").as_dataset(split="train")))
        with pytest.raises(UserError, match="the feature 'image' is no single value"):
            load("tfds:mnist")
    np.testing.assert_allclose(panel.series[0].values, [row["fare"] for row in rows])
