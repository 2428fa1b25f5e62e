"""The rule of every command that writes, on files of every kind."""

import os
from pathlib import Path

import pytest

from bddseg.errors import BddsegError
from bddseg.io.overwrite import refuse_overwriting


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "input"
    path.write_bytes(b"input")
    return path


def test_what_is_not_there_may_be_written_and_no_input_is_looked_at(tmp_path: Path) -> None:
    refuse_overwriting([tmp_path / "new"], (pytest.fail(str(path)) for path in (1,)))


@pytest.mark.parametrize("kind", ["same", "symbolic", "hard", "other path"])
def test_an_input_is_refused_whatever_path_leads_to_it(source: Path, kind: str) -> None:
    target = source.parent / "." / "sub" / ".." / "input" if kind == "other path" else source
    (source.parent / "sub").mkdir()
    if kind in ("symbolic", "hard"):
        target = source.parent / "link"
        (target.symlink_to if kind == "symbolic" else target.hardlink_to)(source)
    for overwrite in (False, True):
        with pytest.raises(BddsegError, match="is an input and would be overwritten"):
            refuse_overwriting([target], [source, source.parent / "gone"], overwrite=overwrite)


def test_a_file_or_a_link_that_leads_nowhere_is_replaced_only_if_asked_for(source: Path) -> None:
    broken = source.parent / "broken"
    broken.symlink_to(source.parent / "gone")
    for target in (source, broken):
        with pytest.raises(BddsegError, match="exists already"):
            refuse_overwriting([source.parent / "new", target])
        refuse_overwriting([target], [source.parent / "gone"], overwrite=True)


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    refuse_overwriting([tmp_path / "pipe"])
