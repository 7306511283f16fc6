"""Rows of a TSV, CSV or JSON-lines file, plain or compressed, each with where it stands."""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.sources import read_lines

# A field longer than the csv module's own limit is told to the user as too long, not as a broken file.
csv.field_size_limit(2**30)


def read_table(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yields `("FILE, row N", {column: value})`, row 1 being the first after the header.

    TSV is read without quoting, CSV with it, JSON-lines as one object a line.

    Raises:
        UserError: a column is missing (those found are named), a row has too few fields, is not JSON or badly quoted.
    """
    lines = read_lines(path)
    if ".jsonl" in path.suffixes:
        yield from _read_json_lines(path, lines, columns)
        return
    tabs = ".tsv" in path.suffixes
    quoting = csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL
    # A quoted field may go on over a line end, which is part of it.
    ended = (line + "\n" for line in lines)
    rows = _rows(path, csv.reader(ended, delimiter="\t" if tabs else ",", quoting=quoting, strict=True))
    header = next(rows, None)
    if header is None:
        raise UserError(f"{path}: the file is empty")
    if twice := [name for name in header if header.count(name) > 1]:
        raise UserError(f"{path}: two columns are called {twice[0]!r}; rename one")
    check_columns(str(path), header, columns)
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise UserError(f"{path}, row {number}: {len(row)} fields where the header has {len(header)}")
        yield f"{path}, row {number}", dict(zip(header, row, strict=True))


def check_columns(where: str, found: Sequence[str], wanted: Sequence[str]) -> None:
    """Raises UserError if a wanted column is not there, with those found."""
    missing = [column for column in wanted if column not in found]
    if missing:
        raise UserError(f"{where}: no column {missing[0]!r}; found: {', '.join(found) or 'none'}")


def _rows(path: Path, reader: Any) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: badly quoted or broken: {error}") from error


def _read_json_lines(path: Path, lines: Iterator[str], columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    number = 0
    for number, line in enumerate(lines, start=1):
        where = f"{path}, row {number}"
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise UserError(f"{where}: not JSON: {error}") from error
        if not isinstance(row, dict):
            raise UserError(f"{where}: one JSON object a line is needed")
        check_columns(where, list(row), columns)
        if nested := [column for column in columns if isinstance(row[column], list | dict)]:
            raise UserError(f"{where}: {nested[0]!r} must be a text or a number. Received: {row[nested[0]]!r:.40}")
        yield where, {key: "" if value is None else str(value) for key, value in row.items()}
    if not number:
        raise UserError(f"{path}: the file is empty")
