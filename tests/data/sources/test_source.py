"""Sources by name: the registered kinds, and what is none of them."""

from pathlib import Path

import pytest

from bddseg.data.sources.files import FileSource
from bddseg.data.sources.source import SOURCES, FrameRef, open_source
from bddseg.data.sources.video import VideoSource
from bddseg.errors import BddsegError


def test_the_kind_of_a_source_is_recognised(frames: Path, tmp_path: Path) -> None:
    (tmp_path / "drive.mp4").touch()
    assert isinstance(open_source(str(frames)), FileSource)
    assert isinstance(open_source(str(frames / "*.jpg")), FileSource)
    assert isinstance(open_source(str(tmp_path / "drive.mp4")), VideoSource)


@pytest.mark.parametrize("source", ["missing", "missing.mp4", "missing.jpg"])
def test_a_source_that_does_not_exist_is_named(tmp_path: Path, source: str) -> None:
    with pytest.raises(BddsegError, match=f"{source} does not exist"):
        open_source(str(tmp_path / source))


def test_every_registered_source_loads() -> None:
    assert {"images", "video"} <= set(SOURCES.list_names())
    for name in SOURCES.list_names():
        assert not SOURCES.load(name).accepts("/no/such/source")


def test_a_frame_is_described_by_its_file_and_number() -> None:
    assert str(FrameRef("a.jpg", "a")) == "a.jpg"
    assert str(FrameRef("a.mp4", "000007", 7)) == "a.mp4, frame 7"
