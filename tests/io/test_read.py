"""Reading files: only regular ones, and never waiting for a pipe."""

import os
from pathlib import Path

import pytest

from bddseg.io.read import UnreadableFileError, read_file


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


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.timeout(20)
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnreadableFileError, match="it is not a regular file"):
        read_file(tmp_path / "pipe")
