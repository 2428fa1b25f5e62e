"""Videos as a source: frames by number, whatever their packets look like."""

from pathlib import Path

import numpy as np
import pytest

from bddseg.data.sources.source import Selection
from bddseg.data.sources.video import VideoSource, index_video, read_video_frames
from bddseg.errors import BddsegError

av = pytest.importorskip("av", reason="needs the video extra")

NUM_FRAMES = 75


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video in which the grey level of frame N is 3 N, with B-frames and a key frame every 20."""
    path = tmp_path_factory.mktemp("video") / "drive.mp4"
    with av.open(str(path), "w") as container:
        options = {"g": "20", "bf": "2", "crf": "1"}
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 128, 72, "yuv420p"
        for number in range(NUM_FRAMES):
            image = np.full((72, 128, 3), 3 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("numbers", [[0], [74], [19, 20, 21], [5, 33, 60]])
def test_any_frame_is_found_by_its_number(video: Path, numbers: list[int]) -> None:
    assert len(index_video(video).times) == NUM_FRAMES
    found = dict(read_video_frames(video, numbers))
    assert list(found) == numbers
    for number, image in found.items():
        assert not isinstance(image, BddsegError)
        assert image.shape == (72, 128, 3)
        assert abs(image.mean() - 3 * number) < 2


@pytest.mark.parametrize(
    ("selection", "numbers"),
    [
        (Selection(), range(NUM_FRAMES)),
        (Selection(start=70, end=500), range(70, NUM_FRAMES)),
        (Selection(start=10, end=50, every=7, limit=3), range(10, 31, 7)),
    ],
    ids=["all", "end", "every"],
)
def test_frames_are_selected_and_named_by_number(
    video: Path, selection: Selection, numbers: range
) -> None:
    refs = list(VideoSource.open(str(video), selection).items())
    assert [ref.index for ref in refs] == list(numbers)
    assert refs[0].name == f"{numbers[0]:06}"
    assert {ref.segment for ref in refs} <= {0, 20, 40, 60}


def test_a_selection_without_frames_is_an_error(video: Path) -> None:
    source = VideoSource.open(str(video), Selection(start=NUM_FRAMES))
    with pytest.raises(BddsegError, match="has 75 frames, and none of them is selected"):
        list(source.items())


def test_frames_are_read_with_their_reference(video: Path) -> None:
    source = VideoSource.open(str(video), Selection(start=40, end=44))
    refs = list(source.items())
    assert [ref for ref, _ in source.read(refs)] == refs


@pytest.fixture
def transport_stream(video: Path, tmp_path: Path) -> Path:
    """The same video as an MPEG transport stream, in which seeking is imprecise."""
    path = tmp_path / "drive.ts"
    with av.open(str(video)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return path


@pytest.mark.parametrize("number", [0, 5, 20, 33, 60, 74])
def test_a_frame_is_found_where_seeking_is_imprecise(transport_stream: Path, number: int) -> None:
    ((_, image),) = read_video_frames(transport_stream, [number])
    assert not isinstance(image, BddsegError)
    assert abs(image.mean() - 3 * number) < 2


def test_frames_that_are_cut_off_are_errors_and_the_others_are_read(transport_stream: Path) -> None:
    data = transport_stream.read_bytes()
    path = transport_stream.with_name("cut.ts")
    path.write_bytes(data[: len(data) // 2])
    total = len(index_video(path).times)
    assert 0 < total < NUM_FRAMES
    found = dict(read_video_frames(path, [0, total + 5]))
    assert not isinstance(found[0], BddsegError)
    assert f"Frame {total + 5} of" in str(found[total + 5])


def test_what_is_not_a_video_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    with pytest.raises(BddsegError, match=r"bad\.mp4 cannot be read as a video"):
        list(VideoSource.open(str(tmp_path / "bad.mp4"), Selection()).items())
