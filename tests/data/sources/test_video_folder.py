"""A folder of videos as a source."""

from pathlib import Path

import numpy as np
import pytest
from live_servers import HEIGHT, WIDTH, draw_number, read_number

from bddseg.data.image import write_jpeg
from bddseg.data.sources.files import FileSource
from bddseg.data.sources.source import Selection, group_frames, open_source
from bddseg.data.sources.video_folder import VideoFolderSource
from bddseg.errors import BddsegError
from bddseg.testing import check_source

av = pytest.importorskip("av", reason="needs the video extra")


@pytest.fixture
def drives(tmp_path: Path) -> Path:
    """Two videos of four frames, numbered 0 to 3 and 4 to 7."""
    for start, name in ((0, "a.mp4"), (4, "night/b.avi")):
        path = tmp_path / "drives" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            for number in range(start, start + 4):
                frame = av.VideoFrame.from_ndarray(draw_number(number), format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    return tmp_path / "drives"


def read_all(drives: Path, selection: Selection) -> list[tuple[str, int]]:
    source = open_source(str(drives), selection)
    assert isinstance(source, VideoFolderSource)
    found = []
    for group in group_frames(source.items(), 16):
        assert len({ref.file for ref in group}) == 1
        for ref, image in source.read(group):
            assert not isinstance(image, BddsegError)
            found.append((ref.name, read_number(image)))
    return found


def test_frames_are_named_by_video_and_number(drives: Path) -> None:
    names = [f"{video}/{number:06}" for video in ("a", "night/b") for number in range(4)]
    assert read_all(drives, Selection()) == list(zip(names, range(8), strict=True))


def test_a_selection_holds_for_each_video_and_a_limit_for_all(drives: Path) -> None:
    found = read_all(drives, Selection(start=1, every=2, limit=3))
    assert found == [("a/000001", 1), ("a/000003", 3), ("night/b/000001", 5)]


def test_a_folder_with_images_is_a_folder_of_images(drives: Path) -> None:
    write_jpeg(drives / "night" / "x.jpg", np.zeros((8, 8, 3), np.uint8))
    assert isinstance(open_source(str(drives)), FileSource)
    assert not VideoFolderSource.accepts(str(drives / "night"))
    assert VideoFolderSource.accepts(str(drives)) is False


def test_results_of_runs_are_no_frames(drives: Path) -> None:
    out = drives / "out"
    write_jpeg(out / "overlays" / "x.jpg", np.zeros((8, 8, 3), np.uint8))
    (out / "videos").mkdir()
    (out / "videos" / "c.mp4").write_bytes((drives / "a.mp4").read_bytes())
    record = '{"model":"m","task":"t","weights":{},"arguments":{},"identity":{},"versions":{},'
    (out / "run.json").write_text(record + '"device":"","started":""}')
    assert len(read_all(drives, Selection())) == 8


def test_it_keeps_the_contract_of_sources(drives: Path) -> None:
    check_source(open_source(str(drives)))
