"""The command line's manners: statuses, one line for what is the user's to mend, texts in and rows out."""

import csv
import gzip
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common import cli
from common.errors import UserError, WorkFailed

ROOT = Path(__file__).resolve().parent.parent
# A loaded machine would break the deadline, which says nothing of the code.
properties = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])


def pipe_in(monkeypatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (UserError("x.tsv: the file\n  is empty"), 2, "error: x.tsv: the file is empty\n"),
        (WorkFailed("the loss exploded"), 1, "error: the loss exploded\n"),
        (KeyboardInterrupt(), 130, "error: stopped; a training goes on with --resume\n"),
    ],
)
def test_what_is_not_a_bug_becomes_one_line_and_a_status(capsys, error, status, line):
    def fail(arguments):
        raise error

    with pytest.raises(SystemExit) as ended:
        cli.run(fail, [])
    assert (ended.value.code, capsys.readouterr()) == (status, ("", line))


def test_a_bug_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        cli.run(lambda arguments: 1 / 0, [])


def test_arguments_reach_the_command_and_success_returns():
    seen = []
    cli.run(seen.extend, ["a", "--b"])
    assert seen == ["a", "--b"]


@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_reader_that_has_seen_enough_is_no_error(lines):
    """As in `... | head -1`: what is written after the reader has gone is lost without a word."""
    code = f"import sys; from common import cli; cli.run(lambda _: (sys.stdin.read(), print('x\\n' * {lines})))"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=buffered, **pipes) as command:
        command.stdout.close()
        command.stdin.close()
        assert command.stderr.read() == b""
    assert command.returncode == 0


def test_texts_from_arguments_come_before_a_file_and_are_counted(tmp_path):
    assert cli.gather_texts(["a", "b"], tmp_path / "unread.txt") == [("text 1", "a"), ("text 2", "b")]


def test_texts_from_a_file_stand_at_its_lines(tmp_path):
    path = tmp_path / "texts.txt.gz"
    path.write_bytes(gzip.compress("Gut.\r\nSchön.\n".encode()))
    assert cli.gather_texts([], path) == [(f"{path}, line 1", "Gut."), (f"{path}, line 2", "Schön.")]


def test_texts_from_standard_input_stand_at_its_lines(monkeypatch):
    pipe_in(monkeypatch, "Gut.\r\nSchön.".encode())
    assert cli.gather_texts([], None) == [
        ("standard input, line 1", "Gut."),
        ("standard input, line 2", "Schön."),
    ]


@pytest.mark.parametrize("content", ["\ufeffa\nb\n", "a\n\nb", "a\u2028b\x85c\x0cd\n", "a\rb\r\nc\r\n", "\n"])
def test_standard_input_is_read_like_a_file(tmp_path, monkeypatch, content):
    path = tmp_path / "texts.txt"
    path.write_bytes(content.encode())
    pipe_in(monkeypatch, content.encode())
    from_file, from_pipe = cli.gather_texts([], path), cli.gather_texts([], None)
    assert [text for _, text in from_pipe] == [text for _, text in from_file]
    assert len(from_pipe) == len(content.removesuffix("\n").split("\n"))


def test_bytes_on_standard_input_that_are_not_utf_8_are_named_with_their_line(monkeypatch):
    pipe_in(monkeypatch, "fine\nsch\xf6n\n".encode("latin-1"))
    with pytest.raises(UserError, match="standard input, line 2: not UTF-8"):
        cli.gather_texts([], None)


def test_no_text_at_all_is_refused(tmp_path, monkeypatch):
    pipe_in(monkeypatch, b"")
    with pytest.raises(UserError, match="standard input: no lines"):
        cli.gather_texts([], None)
    (tmp_path / "empty.txt").touch()
    with pytest.raises(UserError, match=r"empty\.txt: no lines"):
        cli.gather_texts([], tmp_path / "empty.txt")


def test_a_terminal_is_not_waited_for(monkeypatch):
    pipe_in(monkeypatch, b"typed later")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    with pytest.raises(UserError, match=r"no text given.*--file"):
        cli.gather_texts([], None)


def test_notes_leave_standard_output_alone(capsys):
    cli.say("reading")
    assert capsys.readouterr() == ("", "reading\n")


ROWS = st.lists(
    st.fixed_dictionaries({"text": st.text('ab,"\n é…', max_size=8), "share": st.floats(0, 1)}), min_size=1, max_size=5
)


@properties
@given(ROWS)
def test_rows_come_back_from_json(rows):
    assert json.loads(cli.format_rows(rows, "json")) == rows


@properties
@given(ROWS)
def test_rows_come_back_from_csv(rows):
    read = list(csv.DictReader(io.StringIO(cli.format_rows(rows, "csv"), newline="")))
    assert read == [{"text": row["text"], "share": str(row["share"])} for row in rows]


def test_json_keeps_letters_and_csv_holds_nested_values_as_json():
    rows = [{"label": "süß", "shares": {"süß": 1.0}, "words": ["a", "b"]}]
    assert "süß" in cli.format_rows(rows, "json")
    [read] = csv.DictReader(io.StringIO(cli.format_rows(rows, "csv")))
    assert read["label"] == "süß"
    assert json.loads(read["shares"]) == {"süß": 1.0}
    assert json.loads(read["words"]) == ["a", "b"]
