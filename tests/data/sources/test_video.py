"""Videos as a source: frames by number, whatever their packets look like."""

import os
import struct
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from bddseg.data.sources.source import Selection, group_frames
from bddseg.data.sources.video import VideoSource, index_video, read_video_frames
from bddseg.errors import BddsegError
from bddseg.types import Image

av = pytest.importorskip("av", reason="needs the video extra")

NUM_FRAMES = 36


def draw_number(number: int) -> Image:
    """Return a frame with six bars, black or white: the digits of a binary number."""
    image = np.full((48, 64, 3), 128, np.uint8)
    for digit in range(6):
        image[8:40, 4 + 10 * digit : 11 + 10 * digit] = 235 if number >> digit & 1 else 20
    return image


def read_number(image: Image | BddsegError) -> int:
    """Return the number that is drawn in a frame."""
    assert not isinstance(image, BddsegError), image
    bars = [image[14:34, 6 + 10 * digit : 9 + 10 * digit].mean() for digit in range(6)]
    return sum(1 << digit for digit, brightness in enumerate(bars) if brightness > 128)


def write_numbered(path: Path, codec: str, *, varying: bool = False, **options: str) -> Path:
    """Write a video whose frames show their numbers, with a key frame at least every 12 frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"g": "12", **options})
        stream.width, stream.height = 64, 48
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.gop_size = 12
        stream.codec_context.max_b_frames = {"mjpeg": 0, "libx264": 3, "libx265": 3}.get(codec, 2)
        for number in range(NUM_FRAMES):
            frame = av.VideoFrame.from_ndarray(draw_number(number), format="rgb24")
            if varying:
                frame.pts, frame.time_base = number * number + number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


OPEN_GOP = {"x264-params": "open-gop=1:b-pyramid=normal"}
OPEN_GOP_265 = {"x265-params": "open-gop=1:bframes=3:keyint=12:log-level=none"}


@pytest.mark.parametrize("varying", [False, True], ids=["constant rate", "varying rate"])
@pytest.mark.parametrize(
    ("suffix", "codec", "options"),
    [
        ("mp4", "libx264", {}),
        ("mp4", "libx265", OPEN_GOP_265),
        ("m4v", "mpeg4", {}),
        ("mov", "libx264", OPEN_GOP),
        ("mkv", "libx264", OPEN_GOP),
        ("mkv", "mpeg2video", {}),
        ("webm", "libvpx", {"auto-alt-ref": "1", "lag-in-frames": "8"}),
        ("webm", "libvpx-vp9", {}),
        ("ts", "libx264", {}),
        ("ts", "libx264", OPEN_GOP),
        ("ts", "mpeg2video", {}),
        ("avi", "libx264", {}),
        ("avi", "libx264", OPEN_GOP),
        ("avi", "mpeg4", {}),
        ("mpg", "mpeg1video", {}),
        ("mpg", "mpeg2video", {}),
        ("mpeg", "mpeg2video", {"bf": "0"}),
    ],
)
def test_every_frame_has_its_own_number(
    tmp_path: Path, suffix: str, codec: str, options: dict[str, str], varying: bool
) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"PyAV has no encoder {codec}")
    video = write_numbered(tmp_path / f"v.{suffix}", codec, varying=varying, **options)
    source = VideoSource.open(str(video), Selection())
    refs = list(source.items())
    numbers = list(range(NUM_FRAMES))
    assert [ref.index for ref in refs] == numbers
    found = [
        (ref.index, read_number(image))
        for group in group_frames(refs, 1)
        for ref, image in source.read(group)
    ]
    assert found == [(number, number) for number in numbers]
    for number in (0, 1, 11, 12, 13, 23, 24, 25, 35):
        ((_, image),) = read_video_frames(video, [number])
        assert read_number(image) == number


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MP4 with B-frames and a key frame every 12."""
    return write_numbered(tmp_path_factory.mktemp("video") / "drive.mp4", "libx264")


@pytest.mark.parametrize("numbers", [[0], [35], [11, 12, 13], [5, 23, 30], []])
def test_any_frames_are_found_by_their_numbers(video: Path, numbers: list[int]) -> None:
    found = [(number, read_number(image)) for number, image in read_video_frames(video, numbers)]
    assert found == [(number, number) for number in numbers]


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_frames_are_turned_upright_as_the_file_says(
    video: Path, tmp_path: Path, turns: int
) -> None:
    data = bytearray(video.read_bytes())
    # The matrix in the header of the track: 16.16 fixed point, a quarter turn clockwise each.
    cos, sin = round(np.cos(turns * np.pi / 2)), round(np.sin(turns * np.pi / 2))
    start = data.index(b"tkhd") + 44
    data[start : start + 36] = struct.pack(
        ">9i", cos << 16, sin << 16, 0, -sin << 16, cos << 16, 0, 0, 0, 1 << 30
    )
    turned = tmp_path / "turned.mp4"
    turned.write_bytes(data)
    ((_, image),) = read_video_frames(turned, [21])
    assert not isinstance(image, BddsegError)
    assert image.shape == ((48, 64, 3) if turns == 2 else (64, 48, 3))
    assert image.flags.c_contiguous
    assert read_number(np.rot90(image, turns)) == 21
    capture = cv2.VideoCapture(str(turned))
    capture.set(cv2.CAP_PROP_POS_FRAMES, 21)
    _, expected = capture.read()
    assert np.abs(image[..., ::-1].astype(int) - expected).mean() < 3


def test_a_file_that_changes_is_indexed_again(tmp_path: Path) -> None:
    path = write_numbered(tmp_path / "v.mp4", "libx264")
    assert index_video(path).num_frames == NUM_FRAMES
    os.utime(path, (1, 1))
    first = index_video(path)
    write_numbered(path, "libx264", varying=True)
    assert index_video(path).times != first.times
    ((_, image),) = read_video_frames(path, [30])
    assert read_number(image) == 30


@pytest.mark.parametrize(
    ("suffix", "codec", "failing"), [("avi", "mjpeg", {18}), ("mp4", "libx264", set(range(16, 24)))]
)
def test_a_damaged_frame_costs_the_frames_up_to_the_next_key_frame(
    tmp_path: Path, suffix: str, codec: str, failing: set[int]
) -> None:
    path = write_numbered(tmp_path / f"v.{suffix}", codec)
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    data[packets[18].pos : packets[18].pos + packets[18].size] = b"Z" * packets[18].size
    path.write_bytes(data)
    found = dict(read_video_frames(path, range(NUM_FRAMES)))
    assert list(found) == list(range(NUM_FRAMES))
    assert {number for number, each in found.items() if isinstance(each, BddsegError)} == failing
    for number in set(found) - failing:
        assert read_number(found[number]) == number


def test_a_video_that_begins_between_key_frames_is_read_from_the_next_one(tmp_path: Path) -> None:
    path = write_numbered(tmp_path / "v.mp4", "mpeg4")
    cut = tmp_path / "cut.mkv"
    with av.open(str(path)) as source, av.open(str(cut), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in [each for each in source.demux(video=0) if each.size][5:]:
            packet.stream = stream
            target.mux(packet)
    total = index_video(cut).num_frames
    found = [image for _, image in read_video_frames(cut, range(total))]
    assert [read_number(image) for image in found[total - 24 :]] == list(range(12, NUM_FRAMES))


def test_frames_that_are_never_shown_have_no_number(tmp_path: Path) -> None:
    path = write_numbered(tmp_path / "shown.webm", "libvpx")
    hidden = tmp_path / "hidden.webm"
    with av.open(str(path)) as source, av.open(str(hidden), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(source.streams.video[0])):
            data = bytearray(packet)
            if number == 20:
                data[0] &= ~16
            if data:
                copy = av.Packet(bytes(data))
                copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
                copy.is_keyframe, copy.stream = packet.is_keyframe, stream
                target.mux(copy)
    assert index_video(hidden).num_frames == NUM_FRAMES - 1
    found = [read_number(image) for _, image in read_video_frames(hidden, [19, 20, 34])]
    assert found == [19, 21, 35]


def test_frames_of_too_many_pixels_are_refused(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "v.mp4"
    path.write_bytes(video.read_bytes())
    monkeypatch.setenv("BDDSEG_MAX_PIXELS", "3071")
    with pytest.raises(BddsegError, match=r"cannot be read as a video: its size is 64x48, and 1 "):
        index_video(path)


def test_a_colon_in_a_name_is_no_protocol(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "12:30.mp4").write_bytes(video.read_bytes())
    monkeypatch.chdir(tmp_path)
    ((_, image),) = read_video_frames(Path("12:30.mp4"), [7])
    assert read_number(image) == 7


@pytest.mark.parametrize(
    ("selection", "numbers"),
    [
        (Selection(), range(NUM_FRAMES)),
        (Selection(start=30, end=500), range(30, NUM_FRAMES)),
        (Selection(start=10, end=33, every=7, limit=3), range(10, 25, 7)),
    ],
    ids=["all", "end", "every"],
)
def test_frames_are_selected_and_named_by_number(
    video: Path, selection: Selection, numbers: range
) -> None:
    refs = list(VideoSource.open(str(video), selection).items())
    assert [ref.index for ref in refs] == list(numbers)
    assert refs[0].name == f"{numbers[0]:06}"
    assert {ref.segment for ref in refs} <= {0, 16, 32}


@pytest.mark.parametrize("varying", [False, True], ids=["constant rate", "varying rate"])
def test_frames_have_their_position_in_seconds(tmp_path: Path, varying: bool) -> None:
    path = write_numbered(tmp_path / "drive.mp4", "libx264", varying=varying)
    refs = list(VideoSource.open(str(path), Selection(every=5)).items())
    expected = [(n * n + n if varying else n) / 25 for n in range(0, NUM_FRAMES, 5)]
    # A unit of time in the file is less than a millisecond.
    assert [ref.time for ref in refs] == pytest.approx(expected, abs=1e-3)


def test_the_position_is_unknown_where_the_file_has_no_times(tmp_path: Path) -> None:
    path = write_numbered(tmp_path / "drive.avi", "libx264")
    assert {ref.time for ref in VideoSource.open(str(path), Selection()).items()} == {None}


def test_a_selection_without_frames_is_an_error(video: Path) -> None:
    source = VideoSource.open(str(video), Selection(start=NUM_FRAMES))
    with pytest.raises(BddsegError, match="has 36 frames, and none of them is selected"):
        list(source.items())


def test_frames_are_read_with_their_reference(video: Path) -> None:
    source = VideoSource.open(str(video), Selection(start=20, end=24))
    refs = list(source.items())
    assert [ref for ref, _ in source.read(refs)] == refs


def test_frames_that_are_cut_off_are_errors_and_the_others_are_read(tmp_path: Path) -> None:
    data = write_numbered(tmp_path / "v.ts", "libx264").read_bytes()
    path = tmp_path / "cut.ts"
    path.write_bytes(data[: len(data) // 2])
    total = index_video(path).num_frames
    assert 0 < total < NUM_FRAMES
    found = dict(read_video_frames(path, [0, total + 5]))
    assert not isinstance(found[0], BddsegError)
    assert f"Frame {total + 5} of" in str(found[total + 5])


def test_what_is_not_a_video_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    with pytest.raises(BddsegError, match=r"bad\.mp4 cannot be read as a video"):
        list(VideoSource.open(str(tmp_path / "bad.mp4"), Selection()).items())
