"""Rows of a TSV, CSV or JSON-lines file, plain or compressed, each with where it stands."""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from common.errors import UserError
from common.sources import read_lines

# A field longer than the csv module's own limit is told to the user as too long, not as a broken file.
csv.field_size_limit(2**30)


def read_table(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yields `("FILE, row N", {column: value})`, row 1 being the first after the header.

    TSV is read without quoting, CSV with it, JSON-lines as one object a line.

    Raises:
        UserError: a column is missing (those found are named), a row has too few fields or is not JSON.
    """
    lines = read_lines(path)
    if ".jsonl" in path.suffixes:
        yield from _read_json_lines(path, lines, columns)
        return
    tabs = ".tsv" in path.suffixes
    reader = csv.reader(lines, delimiter="\t" if tabs else ",", quoting=csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL)
    header = next(reader, None)
    if header is None:
        raise UserError(f"{path}: the file is empty")
    check_columns(str(path), header, columns)
    for number, row in enumerate(reader, start=1):
        if len(row) != len(header):
            raise UserError(f"{path}, row {number}: {len(row)} fields where the header has {len(header)}")
        yield f"{path}, row {number}", dict(zip(header, row, strict=True))


def check_columns(where: str, found: Sequence[str], wanted: Sequence[str]) -> None:
    """Raises UserError if a wanted column is not there, with those found."""
    missing = [column for column in wanted if column not in found]
    if missing:
        raise UserError(f"{where}: no column {missing[0]!r}; found: {', '.join(found)}")


def _read_json_lines(path: Path, lines: Iterator[str], columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    number = 0
    for number, line in enumerate(lines, start=1):
        where = f"{path}, row {number}"
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(f"{where}: not JSON: {error}") from error
        if not isinstance(row, dict):
            raise UserError(f"{where}: one JSON object a line is needed")
        check_columns(where, list(row), columns)
        yield where, {key: str(value) for key, value in row.items()}
    if not number:
        raise UserError(f"{path}: the file is empty")
