"""The command line's manners: one line and a status for what went wrong, texts in, rows out."""

import csv
import io
import json
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from common.errors import UserError, WorkFailed
from common.sources import decode_line, read_lines


def run(main: Callable[[list[str]], None], arguments: list[str] | None = None) -> None:
    """Calls `main` with the arguments and exits: 0 done, 1 failed while working, 2 wrong use or bad input.

    Only what is the user's to mend becomes one line; a bug keeps its traceback.
    """
    try:
        main(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except UserError as error:
        _exit(2, error)
    except WorkFailed as error:
        _exit(1, error)
    except BrokenPipeError:
        # The reader of our output, such as `head`, has seen enough; what Python still holds for it goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        _exit(130, "stopped; a training goes on with --resume")


def say(line: str) -> None:
    """Progress and notes go to standard error, so that standard output holds answers alone."""
    print(line, file=sys.stderr, flush=True)


def as_command(prog: str, arguments: Sequence[str]) -> str:
    """A command line as it can be typed again, for the record of a figure."""
    return shlex.join([*prog.split(), *arguments])


def gather_texts(texts: Sequence[str], file: Path | None) -> list[tuple[str, str]]:
    """Texts from arguments, else the lines of a file, else those of standard input, each with where it stands.

    Raises:
        UserError: there is none, or the file cannot be read.
    """
    if texts:
        return [(f"text {number}", text) for number, text in enumerate(texts, start=1)]
    if file is not None:
        rows = [(f"{file}, line {number}", line) for number, line in enumerate(read_lines(file), start=1)]
    elif sys.stdin is None or sys.stdin.isatty():
        raise UserError("no text given: write it behind the command, name a --file, or pipe lines in")
    else:
        rows = [(f"standard input, line {number}", line) for number, line in enumerate(_stdin_lines(), start=1)]
    if not rows:
        raise UserError(f"{file or 'standard input'}: no lines")
    return rows


def format_rows(rows: Sequence[dict[str, Any]], style: str) -> str:
    """Rows as one `json` document or as `csv`; values that are lists or dicts stand in CSV as JSON."""
    if style == "json":
        return json.dumps(list(rows), indent=2, ensure_ascii=False)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(dict.fromkeys(key for row in rows for key in row)))
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _flat(value) for key, value in row.items()})
    return text.getvalue().rstrip("\r\n")


def _flat(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value


def _stdin_lines() -> list[str]:
    return [decode_line(line, number, "standard input") for number, line in enumerate(sys.stdin.buffer, start=1)]


def _exit(status: int, message: object) -> None:
    say(f"error: {' '.join(str(message).split())}")
    sys.exit(status)
