"""Files and folders written whole or not at all."""

import os
from pathlib import Path

import pytest

from common.errors import UserError
from common.files import make_folder, replace_folder, write_atomically

FULL = Path("/dev/full")


def fill_disk(file) -> None:
    file.write(b"half of it")
    with FULL.open("wb", buffering=0) as full:
        full.write(b"the rest")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_stood_there_stays_until_the_new_file_is_complete(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")

    def write(file):
        file.write(b"new, ")
        assert path.read_bytes() == b"old"
        file.write(b"and whole")

    write_atomically(path, write)
    assert contents(tmp_path) == {"a.txt": b"new, and whole"}


def test_folders_above_a_file_are_made(tmp_path):
    write_atomically(tmp_path / "deep" / "er" / "a.txt", lambda file: file.write(b"x"))
    assert contents(tmp_path) == {"deep/er/a.txt": b"x"}


@pytest.mark.skipif(not FULL.exists(), reason="needs a device that is always full")
def test_a_full_disk_is_told_and_leaves_what_stood_there(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    with pytest.raises(UserError, match=r"a\.txt: the disk is full"):
        write_atomically(path, fill_disk)
    assert contents(tmp_path) == {"a.txt": b"old"}


def test_a_file_where_a_folder_should_be_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"kept")
    with pytest.raises(UserError, match=r"file/a\.txt: cannot be written"):
        write_atomically(tmp_path / "file" / "a.txt", lambda file: file.write(b"x"))
    with pytest.raises(UserError, match=r"file/deep/a\.txt: cannot be written"):
        write_atomically(tmp_path / "file" / "deep" / "a.txt", lambda file: file.write(b"x"))
    for path in (tmp_path / "file", tmp_path / "file" / "deep"):
        with pytest.raises(UserError, match=f"{path}: cannot be written"):
            make_folder(path)
    assert contents(tmp_path) == {"file": b"kept"}


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="no folder is closed to root")
def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    closed = make_folder(tmp_path / "closed")
    closed.chmod(0o500)
    with pytest.raises(UserError, match="closed/model: cannot be written: permission denied"):
        make_folder(closed / "model")
    with pytest.raises(UserError, match=r"closed/a\.txt: cannot be written: permission denied"):
        write_atomically(closed / "a.txt", lambda file: file.write(b"x"))


def test_a_folder_is_made_with_those_above_and_may_be_there_already(tmp_path):
    for _ in range(2):
        assert make_folder(tmp_path / "a" / "b").is_dir()


@pytest.mark.parametrize("left_over", [False, True], ids=["tidy", "after a kill"])
def test_a_finished_folder_takes_the_place_of_another_whole(tmp_path, left_over):
    names = ["new", "place"] + ["place.old"] * left_over
    for name in names:
        write_atomically(tmp_path / name / f"of {name}", lambda file: file.write(b"x"))
    replace_folder(tmp_path / "new", tmp_path / "place")
    assert contents(tmp_path) == {"place/of new": b"x"}


def test_a_finished_folder_takes_an_empty_place(tmp_path):
    write_atomically(tmp_path / "new" / "a", lambda file: file.write(b"x"))
    replace_folder(tmp_path / "new", tmp_path / "place")
    assert contents(tmp_path) == {"place/a": b"x"}


def test_a_place_that_cannot_be_taken_is_named(tmp_path):
    write_atomically(tmp_path / "new" / "a", lambda file: file.write(b"x"))
    with pytest.raises(UserError, match="nowhere/place: cannot be written"):
        replace_folder(tmp_path / "new", tmp_path / "nowhere" / "place")
    assert contents(tmp_path) == {"new/a": b"x"}
