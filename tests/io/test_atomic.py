"""Atomic writes: a file is complete or absent."""

import stat
import threading
from pathlib import Path

import pytest

from bddseg.errors import BddsegError
from bddseg.io.atomic import write_atomically


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "f"
    contents = [bytes([value]) * 200_000 for value in range(2)]
    write_atomically(path, contents[0])
    stop = threading.Event()
    seen = set()

    def read() -> None:
        while not stop.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(200):
        write_atomically(path, contents[turn % 2])
    stop.set()
    reader.join()
    assert seen <= set(contents)


def test_files_have_the_permissions_that_the_user_gives_to_new_files(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    write_atomically(tmp_path / "ours", b"x")
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_a_failed_write_removes_its_temporary_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(BddsegError, match="folder"):
        write_atomically(tmp_path / "folder", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BddsegError, match=r"Cannot write .*file"):
        write_atomically(tmp_path / "file" / "mask.png", b"x")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs /proc, which is read-only")
def test_a_folder_that_cannot_be_written_is_named() -> None:
    with pytest.raises(BddsegError, match=r"Cannot write /proc/none/mask\.png"):
        write_atomically(Path("/proc/none/mask.png"), b"x")
