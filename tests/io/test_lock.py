"""Locks of folders, between processes."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bddseg.errors import BddsegError, BddsegWarning
from bddseg.io.lock import lock_folder

HOLD = "import sys; from pathlib import Path; from bddseg.io.lock import lock_folder\n"
HOLD += "with lock_folder(Path(sys.argv[1])): print('locked', flush=True); sys.stdin.read()"


def test_a_lock_ends_with_the_process_that_holds_it(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "out"
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"locked\n"
        with pytest.raises(BddsegError, match="Another run is writing to"), lock_folder(folder):
            pass
        process.kill()
    with lock_folder(folder):
        (folder / "result").touch()
    assert [path.name for path in folder.iterdir()] == ["result"]


def test_a_folder_that_was_made_in_vain_is_removed(tmp_path: Path) -> None:
    with lock_folder(tmp_path / "out"):
        pass
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    with lock_folder(tmp_path / "out"):
        pass
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BddsegError, match="Cannot write"), lock_folder(tmp_path / "file" / "out"):
        pass


def test_a_file_system_without_locks_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.warns(BddsegWarning, match="cannot be locked"), lock_folder(tmp_path / "out"):
        (tmp_path / "out" / "result").touch()
