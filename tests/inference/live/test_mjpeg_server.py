"""The server of overlays: several viewers, slow ones, its port and its address."""

import socket
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import requests
from live_servers import draw_number, read_number

from bddseg.data.sources.source import LiveOptions, Selection, open_source
from bddseg.errors import BddsegError
from bddseg.inference.live.mjpeg_server import MAX_VIEWERS, MjpegServer
from bddseg.inference.prediction import Prediction
from bddseg.tasks.task import get_task

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def server() -> Iterator[MjpegServer]:
    server = MjpegServer("http://127.0.0.1:0")
    yield server
    server.close()


def predict(number: int, size_hw: tuple[int, int] = (48, 128)) -> Prediction:
    """Return a prediction whose overlay shows a number."""
    labels = np.full(size_hw, 2, np.uint8)
    return Prediction(labels=labels, task=get_task("drivable"), image=draw_number(number, size_hw))


def wait_for(server: MjpegServer, num_viewers: int) -> None:
    end = time.monotonic() + 10
    while server.num_viewers != num_viewers and time.monotonic() < end:
        time.sleep(0.01)
    assert server.num_viewers == num_viewers


def connect(server: MjpegServer) -> socket.socket:
    """Return the connection of a viewer that has asked for the stream, and reads nothing."""
    port = int(server.url.rpartition(":")[2])
    viewer = socket.create_connection(("127.0.0.1", port), timeout=10)
    viewer.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
    return viewer


def test_the_stream_is_the_overlays_as_motion_jpeg(server: MjpegServer) -> None:
    pytest.importorskip("av", reason="needs the video extra")
    ended = threading.Event()

    def show_all() -> None:
        for number in range(1000):
            server.show(predict(number))
            if ended.wait(0.02):
                return

    thread = threading.Thread(target=show_all)
    thread.start()
    source = open_source(f"{server.url}/stream", Selection(limit=10, live=LiveOptions(drop=False)))
    numbers = []
    try:
        for ref in source.items():
            ((_, image),) = source.read([ref])
            assert not isinstance(image, BddsegError)
            numbers.append(read_number(image))
    finally:
        ended.set()
        thread.join()
    assert len(numbers) == 10
    assert numbers == sorted(set(numbers))


def test_the_page_shows_the_stream(server: MjpegServer) -> None:
    page = requests.get(f"{server.url}/", timeout=10)
    assert page.headers["Content-Type"].startswith("text/html")
    assert 'src="/stream"' in page.text
    assert requests.get(f"{server.url}/run.json", timeout=10).status_code == 404


def test_slow_viewers_slow_neither_the_run_nor_others(server: MjpegServer) -> None:
    viewers = [connect(server) for _ in range(3)]
    wait_for(server, 3)
    started_s = time.monotonic()
    # Megabytes that nobody reads fill all buffers on the way.
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    labels = np.zeros((480, 640), np.uint8)
    for _ in range(200):
        server.show(Prediction(labels=labels, task=get_task("drivable"), image=noise))
        time.sleep(0.002)
    assert time.monotonic() - started_s < 5
    fast = connect(server)
    assert fast.recv(100).startswith(b"HTTP/1.0 200")
    for viewer in (*viewers, fast):
        viewer.close()


def test_viewers_that_go_away_are_not_counted(server: MjpegServer) -> None:
    viewer = connect(server)
    wait_for(server, 1)
    viewer.close()
    for number in range(20):
        server.show(predict(number))
        time.sleep(0.01)
    wait_for(server, 0)


def test_the_number_of_viewers_is_limited(server: MjpegServer) -> None:
    viewers = [connect(server) for _ in range(MAX_VIEWERS)]
    wait_for(server, MAX_VIEWERS)
    answer = requests.get(f"{server.url}/stream", timeout=10)
    assert answer.status_code == 503
    for viewer in viewers:
        viewer.close()


def test_the_end_of_the_run_ends_the_streams() -> None:
    server = MjpegServer("http://127.0.0.1:0")
    viewer = connect(server)
    server.show(predict(1))
    wait_for(server, 1)
    server.close()
    data = b"".join(iter(lambda: viewer.recv(65536), b""))
    assert data.count(b"--frame") == 1
    viewer.close()
    again = MjpegServer(server.url)
    again.close()


def test_a_port_in_use_is_an_error(server: MjpegServer) -> None:
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(BddsegError, match=f"Port {port} of 127.0.0.1 is in use"):
        MjpegServer(server.url)


def test_it_listens_at_the_address_given_alone(server: MjpegServer) -> None:
    port = int(server.url.rpartition(":")[2])
    # All of 127.0.0.0/8 leads to this machine on Linux; elsewhere it is refused as well.
    with pytest.raises(OSError, match=r"refused|timed out|unreachable|assign"):
        socket.create_connection(("127.0.0.2", port), timeout=2)


@pytest.mark.parametrize("url", ["http://0.0.0.0:0", "http://[::]:0"])
def test_one_that_listens_at_all_addresses_names_one_that_can_be_opened(url: str) -> None:
    server = MjpegServer(url)
    try:
        assert server.url != server.watch_url
        assert requests.get(f"{server.watch_url}/", timeout=10).ok
    finally:
        server.close()


def test_an_address_of_another_machine_is_an_error() -> None:
    with pytest.raises(BddsegError, match=r"not possible to listen at 192\.0\.2\.1, port 0"):
        MjpegServer("http://192.0.2.1:0")


@pytest.mark.parametrize(
    "url",
    ["127.0.0.1:8080", "https://127.0.0.1:1", "http://host", "http://a:99999", "http://a:1/b"],
)
def test_only_a_host_and_a_port_are_an_address(url: str) -> None:
    with pytest.raises(BddsegError, match="has to be http://HOST:PORT"):
        MjpegServer(url)
