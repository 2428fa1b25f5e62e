"""Reading files: only regular ones, and never waiting for a pipe."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bddseg.data.image import read_image
from bddseg.data.scalabel import read_scalabel
from bddseg.io.png import read_png
from bddseg.io.read import UnreadableFileError, read_file
from bddseg.tasks.bdd100k import DRIVABLE


def test_the_content_of_a_file_is_returned(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    assert read_file(tmp_path / "a") == b"content"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match=r"gone cannot be read: No such file") as caught:
        read_file(tmp_path / "gone")
    assert (caught.value.path, caught.value.reason) == (
        tmp_path / "gone",
        "No such file or directory",
    )
    assert caught.value.hint


def test_a_folder_is_not_a_regular_file(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="it is not a regular file"):
        read_file(tmp_path)


@pytest.fixture(params=["pipe", "socket", "device"])
def special(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A path that is not a regular file, and that may never end."""
    path = tmp_path / "s.json"
    if request.param == "device":
        path.symlink_to("/dev/zero")
    elif request.param == "pipe":
        os.mkfifo(path)
    with socket.socket(socket.AF_UNIX) as server:
        if request.param == "socket":
            server.bind(str(path))
        yield path


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "read", [read_file, read_image, read_png, lambda path: read_scalabel(path, DRIVABLE)]
)
def test_what_may_never_end_is_not_read(special: Path, read: Callable[[Path], object]) -> None:
    with pytest.raises(UnreadableFileError, match="it is not a regular file"):
        read(special)


def test_a_file_that_would_fill_the_memory_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse.png"
    path.touch()
    os.truncate(path, 1 << 40)
    for read in (read_file, read_image, read_png):
        with pytest.raises(UnreadableFileError, match=r"sparse\.png .* it has 1,099,511,627,776 b"):
            read(path)


def test_a_path_with_a_null_byte_is_an_error() -> None:
    for read in (read_file, read_image):
        with pytest.raises(UnreadableFileError, match="embedded null byte"):
            read(Path("a\0.png"))
