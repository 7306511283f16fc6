"""Files written whole or not at all."""

import contextlib
import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO

from common.errors import UserError


def write_atomically(path: Path, write: Callable[[IO[bytes]], None]) -> None:
    """Writes to a temporary name beside `path`, then renames: what stood there stays until the new file is complete.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise UserError(_reason(path, error)) from error


def replace_folder(temporary: Path, folder: Path) -> None:
    """Puts a finished folder in the place of another, which goes only when the new one stands.

    Raises:
        UserError: the place cannot be written.
    """
    old = folder.with_name(folder.name + ".old")
    try:
        if folder.exists():
            # Left by a run that was killed before it took the old folder away.
            shutil.rmtree(old, ignore_errors=True)
            os.replace(folder, old)
        os.replace(temporary, folder)
    except OSError as error:
        raise UserError(_reason(folder, error)) from error
    shutil.rmtree(old, ignore_errors=True)


def make_folder(path: Path) -> Path:
    """Creates a folder and those above it.

    Raises:
        UserError: it cannot be created, or a file stands there.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(_reason(path, error)) from error
    return path


def _reason(path: Path, error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return f"{path}: the disk is full; free some space. What was complete before is kept"
    return f"{path}: cannot be written: {(error.strerror or str(error)).lower()}"
