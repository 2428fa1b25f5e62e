"""Live sources: the newest frame, what was dropped, streams that stall, end and come back."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from live_servers import (
    HEIGHT,
    WIDTH,
    LiveServer,
    MjpegServer,
    RtspServer,
    draw_number,
    encode_numbered,
    open_live,
    read_numbers,
)

from bddseg.data.sources.camera import CameraSource, receive_capture
from bddseg.data.sources.live import IterableSource
from bddseg.data.sources.source import LiveOptions, Selection, open_source
from bddseg.data.sources.stream import StreamSource
from bddseg.errors import BddsegError
from bddseg.testing import check_source
from bddseg.types import Image

av = pytest.importorskip("av", reason="needs the video extra")

pytestmark = pytest.mark.timeout(60)
SERVERS = pytest.mark.parametrize("server_type", [MjpegServer, RtspServer])


@SERVERS
def test_a_stream_gives_the_newest_frame_and_counts_those_it_drops(
    server_type: type[LiveServer],
) -> None:
    with server_type(rate=50) as server:
        source = open_live(server.url, limit=6)
        ages = []
        numbers = []
        for _, number in read_numbers(source, pause_s=0.15):
            ages.append(server.sent - number)
            numbers.append(number)
    # After a pause of seven frames, the next one is none of those; on a busy machine few are sent.
    assert np.median(np.diff(numbers)) >= 3
    assert np.median(ages) <= 25
    stats = source.stats
    assert stats.received == stats.dropped + 6
    assert stats.dropped >= 10


def test_nothing_is_dropped_where_the_sender_is_to_wait() -> None:
    with MjpegServer(rate=200) as server:
        source = open_live(server.url, limit=12, drop=False)
        numbers = [number for _, number in read_numbers(source, pause_s=0.05)]
    assert numbers == list(range(12))
    assert source.stats.dropped == 0


def test_a_file_behind_a_url_is_read_once_and_whole(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "drive.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(30):
            frame = av.VideoFrame.from_ndarray(draw_number(number), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    command = [sys.executable, "-m", "http.server", "0", "--bind", "127.0.0.1"]
    server = subprocess.Popen(
        [sys.executable, "-u", *command[1:]], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout
        port = re.search(r"port (\d+)", server.stdout.readline())
        assert port
        source = open_live(f"http://127.0.0.1:{port[1]}/drive.mp4")
        assert [number for _, number in read_numbers(source, 0.01)] == list(range(30))
    finally:
        server.kill()
        server.communicate()


READ_STDIN = """
import sys
from bddseg.data.sources.source import LiveOptions, Selection, open_source
from live_servers import read_number
live = LiveOptions(timeout_s=float(sys.argv[2]), drop=False, raw=sys.argv[1])
source = open_source("-", Selection(live=live))
for ref in source.items():
    ((_, image),) = source.read([ref])
    print(ref, read_number(image), flush=True)
"""


def start_reader(raw: str, timeout_s: float = 10.0) -> "subprocess.Popen[bytes]":
    """Start a process that prints the numbers of the frames in its standard input."""
    return subprocess.Popen(
        [sys.executable, "-c", READ_STDIN, raw, str(timeout_s)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
    )


@pytest.mark.parametrize("kind", ["", "rgb24", "bgr24"])
def test_standard_input_holds_motion_jpeg_or_raw_frames(kind: str) -> None:
    frames = [draw_number(number) for number in range(9)]
    for frame in frames:
        frame[:4] = (250, 10, 10)
    data = b"".join(map(encode_numbered, range(9)))
    if kind:
        order = 1 if kind == "rgb24" else -1
        data = b"".join(frame[..., ::order].tobytes() for frame in frames)
    reader = start_reader(f"{kind}:{WIDTH}x{HEIGHT}" if kind else "")
    out, err = reader.communicate(data, timeout=30)
    assert reader.returncode == 0, err
    assert out.decode().splitlines() == [f"standard input, frame {n} {n}" for n in range(9)]


def test_standard_input_that_stalls_is_an_error() -> None:
    reader = start_reader(f"rgb24:{WIDTH}x{HEIGHT}", timeout_s=0.5)
    assert reader.stdin
    reader.stdin.write(draw_number(5).tobytes())
    reader.stdin.flush()
    try:
        assert reader.wait(30) == 1
        assert reader.stdout
        assert reader.stderr
        assert reader.stdout.read() == b"standard input, frame 0 5\n"
        assert b"standard input has sent no frame for 0.5 s" in reader.stderr.read()
    finally:
        reader.kill()
        reader.communicate()


@pytest.mark.parametrize("raw", ["rgb24", "rgb24:0x5", "yuv420p:4x4", "bgr24:99999x99999"])
def test_raw_frames_need_a_known_format_and_a_size(raw: str) -> None:
    with pytest.raises(BddsegError, match=f"--raw is '{raw}'"):
        open_live("-", raw=raw)


@pytest.mark.parametrize("source", ["http://127.0.0.1/", "0", "bddseg"])
def test_raw_frames_come_from_standard_input_alone(source: str) -> None:
    with pytest.raises(BddsegError, match="--raw says what standard input holds"):
        open_source(source, Selection(live=LiveOptions(raw="rgb24:4x4")))


@pytest.mark.parametrize("source", ["http://127.0.0.1/", "-"])
def test_frames_of_a_live_source_have_no_start_and_end(source: str) -> None:
    with pytest.raises(BddsegError, match="is live"):
        open_source(source, Selection(every=2))


@pytest.mark.parametrize("url", ["rtsp://cam/1?channel=1&subtype=0", "http://[::1]:8080/stream"])
def test_a_url_with_a_query_or_brackets_is_no_pattern(url: str) -> None:
    assert isinstance(open_source(url), StreamSource)


def test_passwords_and_tokens_are_hidden() -> None:
    assert open_live("rtsp://me:p@ss@cam:554/1?token=a").name == "rtsp://***@cam:554/1?***"
    with pytest.raises(BddsegError) as caught:
        open_source("gopher://me:secret@cam/1")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "accepted"),
    [("0", True), ("12", True), ("/dev/video3", True), ("/dev/null", False), ("a1", False)],
)
def test_a_camera_is_a_number_or_a_device(text: str, accepted: bool) -> None:
    assert CameraSource.accepts(text) == accepted


def test_a_number_that_is_a_folder_is_that_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "7").mkdir()
    assert not CameraSource.accepts("7")


@pytest.mark.skipif(sys.platform != "linux", reason="cameras are files on Linux alone")
def test_a_camera_that_is_not_there_is_an_error() -> None:
    with pytest.raises(BddsegError, match="There is no camera 99: /dev/video99 does not exist"):
        open_live("99")


def test_frames_that_opencv_captures_are_rgb(tmp_path: Path) -> None:
    """A file in place of a camera: no camera is at hand."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[..., 2] = 200
    cv2.imwrite(str(tmp_path / "0000.png"), image)
    (grab,) = receive_capture(cv2.VideoCapture(str(tmp_path / "%04d.png"), cv2.CAP_IMAGES))
    found = grab()
    assert found is not None
    assert found[0, 0].tolist() == [200, 0, 0]
    with pytest.raises(ValueError, match="cannot open"):
        list(receive_capture(cv2.VideoCapture(str(tmp_path / "none.avi"))))


def test_an_iterable_as_a_live_source_is_read_at_its_own_pace() -> None:
    def generate() -> Iterator[Image]:
        for number in range(20):
            yield draw_number(number)
            time.sleep(0.02)

    grabs = ((lambda image=image: image) for image in generate())
    source = IterableSource(lambda: grabs, Selection())
    numbers = [number for _, number in read_numbers(source, pause_s=0.1)]
    assert numbers == sorted(numbers)
    assert 3 <= len(numbers) <= 10
    assert source.stats.received == len(numbers) + source.stats.dropped == 20


class DamagedServer(MjpegServer):
    """Every frame from the fifth on, or every other one, is damaged."""

    recovers = True

    def make_jpeg(self, number: int) -> bytes:
        data = super().make_jpeg(number)
        is_damaged = number >= 5 and (number % 2 == 1 or not self.recovers)
        return b"\xff\xd8no image\xff\xd9" if is_damaged else data


def test_damaged_frames_are_dropped() -> None:
    with DamagedServer() as server:
        source = open_live(server.url, limit=8, drop=False)
        numbers = [number for _, number in read_numbers(source)]
    assert numbers == [0, 1, 2, 3, 4, 6, 8, 10]
    assert source.stats.dropped == 3


def test_a_stream_of_damaged_frames_alone_is_an_error() -> None:
    with DamagedServer() as server:
        server.recovers = False
        with pytest.raises(BddsegError, match="nothing but damaged frames for 1 s"):
            for _ in open_live(server.url).items():
                pass


def test_streams_keep_the_contract_of_sources() -> None:
    with MjpegServer() as server:
        source = open_live(server.url, drop=False)
        assert isinstance(source, StreamSource)
        check_source(source)
