"""Rows of TSV, CSV and JSON-lines files, and what is refused with its place."""

import csv
import gzip
import io
import json
import lzma

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.errors import UserError
from common.tables import check_columns, read_table

# A loaded machine would break the deadline, which says nothing of the code.
properties = settings(
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
WANTED = ("label", "text")
ROWS = [{"label": "pos", "text": "Warm, and funny."}, {"label": "neg", "text": "Schön und wahr."}]
FILES = {
    "a.tsv": "label\ttext\npos\tWarm, and funny.\nneg\tSchön und wahr.\n",
    "a.csv": 'label,text\npos,"Warm, and funny."\nneg,Schön und wahr.\n',
    "a.jsonl": "\n".join(json.dumps(row) for row in ROWS) + "\n",
}


def read(path, columns=WANTED) -> list[dict[str, str]]:
    return [row for _, row in read_table(path, columns)]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(("archive", "pack"), [("", bytes), (".gz", gzip.compress), (".xz", lzma.compress)])
def test_the_same_rows_come_from_every_kind_of_file(tmp_path, name, archive, pack):
    path = tmp_path / (name + archive)
    path.write_bytes(pack(FILES[name].encode()))
    assert list(read_table(path, WANTED)) == [(f"{path}, row {n}", row) for n, row in enumerate(ROWS, start=1)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", "", "the file is empty"),
        ("a.csv", "", "the file is empty"),
        ("a.jsonl", "", "the file is empty"),
        ("a.tsv", "stars\treview\n5\tfine\n", r"no column 'label'; found: stars, review$"),
        ("a.csv", "label\ttext\npos\tfine\n", r"no column 'label'; found: label\ttext$"),
        ("a.csv", "\nlabel,text\n", r"no column 'label'; found: none$"),
        ("a.csv", "label,text,text\n", r"two columns are called 'text'"),
        ("a.jsonl", '{"label": "pos", "text": ""}\n{"label": "pos"}\n', r", row 2: no column 'text'; found: label$"),
        ("a.jsonl", "{}\n", r", row 1: no column 'label'; found: none$"),
        ("a.tsv", "label\ttext\npos\tfine\npos\n", r", row 2: 1 fields where the header has 2$"),
        ("a.tsv", "label\ttext\npos\tfine\tvery\n", r", row 1: 3 fields where the header has 2$"),
        ("a.csv", "label,text\npos,fine, very\n", r", row 1: 3 fields where the header has 2$"),
        ("a.csv", "label,text\npos,fine\n\n", r", row 2: 0 fields where the header has 2$"),
        ("a.csv", 'label,text\npos,fine\nneg,"never closed\npos,fine\n', r", line 4: badly quoted"),
        ("a.csv", 'label,text\npos,"Great" it is not\n', r", line 2: badly quoted"),
        ("a.tsv", "label\ttext\rpos\tfine\r", r", line 1: badly quoted or broken"),
        ("a.jsonl", '{"label": "pos", "text": "fine"}\n{"label": "pos"', r", row 2: not JSON"),
        ("a.jsonl", '{"label": "pos", "text": "fine"}\n\n', r", row 2: not JSON"),
        ("a.jsonl", "[" * 100_000, r", row 1: not JSON"),
        ("a.jsonl", '["pos", "fine"]\n', r", row 1: one JSON object a line"),
        ("a.jsonl", '{"label": "pos", "text": ["fi", "ne"]}\n', r", row 1: 'text' must be a text.*\['fi', 'ne'\]"),
    ],
)
def test_a_wrong_table_is_refused_with_its_place(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content.encode())
    with pytest.raises(UserError, match=name.replace(".", r"\.") + ".*" + message):
        read(path)


def test_a_byte_that_is_not_utf_8_is_named_with_its_line(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_bytes("label\ttext\npos\tfine\nneg\tna\xefve\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"a\.tsv, line 3: not UTF-8"):
        read(path)


def test_a_truncated_archive_is_named_after_the_rows_before_it(tmp_path):
    path = tmp_path / "a.tsv.xz"
    path.write_bytes(lzma.compress(FILES["a.tsv"].encode())[:-20])
    with pytest.raises(UserError, match=r"a\.tsv\.xz, after line \d: damaged or truncated"):
        read(path)


def test_quotes_are_letters_in_tsv_and_signs_in_csv(tmp_path):
    (tmp_path / "a.tsv").write_text('text\n"Well," he said.\n', encoding="utf-8")
    (tmp_path / "a.csv").write_text('text\n"""Well,"" he said."\n', encoding="utf-8")
    for name in ("a.tsv", "a.csv"):
        assert read(tmp_path / name, ["text"]) == [{"text": '"Well," he said.'}]


def test_other_values_of_json_become_text_and_null_nothing(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"label": 1, "text": null, "more": [1]}\n', encoding="utf-8")
    assert read(path) == [{"label": "1", "text": "", "more": "[1]"}]


@pytest.mark.parametrize("name", ["a.tsv", "a.csv"])
def test_a_field_of_a_megabyte_is_read_whole(tmp_path, name):
    path, long = tmp_path / name, "long " * 200_000
    path.write_text(f"text\n{long}\n", encoding="utf-8")
    assert read(path, ["text"]) == [{"text": long}]


FIELDS = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=8)
TABLES = st.lists(st.fixed_dictionaries({"label": FIELDS, "text": FIELDS}), min_size=1, max_size=5)


@properties
@given(TABLES)
def test_csv_is_read_as_the_standard_library_writes_it(tmp_path, rows):
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, WANTED, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path = tmp_path / "a.csv"
    path.write_bytes(text.getvalue().encode())
    assert read(path) == rows


@properties
@given(TABLES)
def test_json_lines_are_read_as_the_standard_library_writes_them(tmp_path, rows):
    path = tmp_path / "a.jsonl"
    path.write_bytes("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())
    assert read(path) == rows


@properties
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n\t\0"), max_size=8), max_size=5))
def test_tsv_is_what_stands_between_tabs_and_line_ends(tmp_path, texts):
    path = tmp_path / "a.tsv"
    path.write_bytes("".join(f"{text}\t{text}.\n" for text in texts).join(["label\ttext\n", ""]).encode())
    assert read(path) == [{"label": text, "text": f"{text}."} for text in texts]


def test_columns_that_are_all_there_are_accepted():
    check_columns("a.tsv", ["id", "text", "label"], WANTED)
