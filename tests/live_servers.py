"""Servers of live video on loopback, which tests and benchmarks read; frames show their number.

And how tests read them.
"""

import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from io import BytesIO
from typing import Any, Self

import cv2
import numpy as np

from bddseg.data.sources.live import LiveSource
from bddseg.data.sources.source import LiveOptions, Selection, open_source
from bddseg.errors import BddsegError
from bddseg.types import Image

HEIGHT, WIDTH = 48, 128
_BITS = 12


def draw_number(number: int, size_hw: tuple[int, int] = (HEIGHT, WIDTH)) -> Image:
    """Return a frame whose lower half has a bar for each binary digit of a number."""
    image = np.full((*size_hw, 3), 128, np.uint8)
    width = size_hw[1] // _BITS
    for digit in range(_BITS):
        color = 235 if number >> digit & 1 else 20
        image[size_hw[0] // 2 :, digit * width : (digit + 1) * width] = color
    return image


def read_number(image: Image) -> int:
    """Return the number that is drawn in a frame."""
    height, width = image.shape[0], image.shape[1] // _BITS
    middles = [digit * width + width // 2 for digit in range(_BITS)]
    rows = image[height // 2 + height // 8 : -height // 8]
    return sum(1 << n for n, x in enumerate(middles) if rows[:, x - 1 : x + 2].mean() > 128)


def encode_numbered(number: int) -> bytes:
    """Return a numbered frame as JPEG."""
    return cv2.imencode(".jpg", draw_number(number))[1].tobytes()


def open_live(source: str, limit: int | None = None, **options: object) -> LiveSource:
    """Return a live source, with short limits unless `options` are others."""
    settings: dict[str, object] = {"timeout_s": 1.0, "max_reconnects": 2} | options
    live = LiveOptions(**settings)  # type: ignore[arg-type]
    opened = open_source(source, Selection(limit=limit, live=live))
    assert isinstance(opened, LiveSource)
    return opened


def read_numbers(source: LiveSource, pause_s: float = 0.0) -> Iterator[tuple[str, int]]:
    """Yield names and drawn numbers of frames."""
    for ref in source.items():
        ((_, image),) = source.read([ref])
        assert not isinstance(image, BddsegError), image
        yield ref.name, read_number(image)
        time.sleep(pause_s)


def find_free_port() -> int:
    """Return a port of this machine at which nothing listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class LiveServer:
    """A server whose clients each get numbered frames at a rate, as long as they are connected.

    Args:
        rate: Frames per second.
        end: Number of frames after which it sends no more.
        port: Where it listens; 0 is any port that is free.

    Attributes:
        sent: Number of frames that were made so far, for all clients together.
        stalls: While it is set, clients are connected and get nothing.
        refuses: While it is set, connections are closed at once.
    """

    def __init__(self, rate: float = 50.0, end: int | None = None, port: int = 0) -> None:
        self.sent = 0
        self.end = end
        self.stalls = threading.Event()
        self.refuses = threading.Event()
        self._rate = rate
        self._address = ("127.0.0.1", port)
        self._closed = threading.Event()
        self._connections: set[socket.socket] = set()
        self._calls: list[Callable[[], None]] = []
        self._server = self._start()
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._server.server_port

    @property
    def url(self) -> str:
        """Where it is."""
        raise NotImplementedError

    def when_connected(self, call: Callable[[], None]) -> None:
        """Call a function when the next client has connected."""
        self._calls.append(call)

    def disconnect(self) -> None:
        """Close all connections."""
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self.disconnect()
        self._server.shutdown()
        self._server.server_close()

    def numbers(self, connection: socket.socket) -> Iterator[int]:
        """Yield the numbers of frames, each when it is due."""
        self._connections.add(connection)
        while self._calls:
            self._calls.pop()()
        try:
            while not self._closed.is_set() and not self.refuses.is_set():
                if self.end is not None and self.sent >= self.end:
                    return
                if not self.stalls.is_set():
                    yield self.sent
                    self.sent += 1
                time.sleep(1 / self._rate)
        finally:
            self._connections.discard(connection)

    def _start(self) -> HTTPServer:
        raise NotImplementedError


class MjpegServer(LiveServer):
    """Motion JPEG over HTTP, as of a network camera."""

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}/video"

    def make_jpeg(self, number: int) -> bytes:
        """Return the frame of that number, which is sent next."""
        return encode_numbered(number)

    def _start(self) -> HTTPServer:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if outer.refuses.is_set() or self.path != "/video":
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                with suppress(OSError):
                    for number in outer.numbers(self.connection):
                        data = outer.make_jpeg(number)
                        head = f"Content-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                        self.wfile.write(b"--frame\r\n" + head.encode() + data + b"\r\n")

            def log_message(self, *_: object) -> None:
                pass

        return _Server(self._address, Handler)


class RtspServer(LiveServer):
    """RTSP with RTP over TCP; the video is an MPEG transport stream of MPEG-4 video."""

    @property
    def url(self) -> str:
        """Where it is."""
        return f"rtsp://user:secret@127.0.0.1:{self.port}/video"

    def _start(self) -> HTTPServer:
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with suppress(OSError):
                    while (method := self._answer()) not in ("", "PLAY"):
                        pass
                    if method:
                        self._play()

            def _answer(self) -> str:
                line = self.rfile.readline().decode()
                headers = {}
                while header := self.rfile.readline().decode().strip():
                    key, _, value = header.partition(":")
                    headers[key.lower()] = value.strip()
                if not line or outer.refuses.is_set():
                    return ""
                method, body = line.split()[0], b""
                answer = f"RTSP/1.0 200 OK\r\nCSeq: {headers['cseq']}\r\nSession: 1\r\n"
                if method == "OPTIONS":
                    answer += "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
                elif method == "DESCRIBE":
                    body = b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=test\r\nt=0 0\r\n"
                    body += b"m=video 0 RTP/AVP 33\r\na=control:track1\r\n"
                    answer += f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
                elif method == "SETUP":
                    answer += f"Transport: {headers['transport']}\r\n"
                self.wfile.write(answer.encode() + b"\r\n" + body)
                return method

            def _play(self) -> None:
                sequence = 0
                for part in outer.encode(self.connection):
                    for start in range(0, len(part), 7 * 188):
                        head = bytes((0x80, 33)) + sequence.to_bytes(2, "big") + bytes(8)
                        packet = head + part[start : start + 7 * 188]
                        self.wfile.write(b"$\0" + len(packet).to_bytes(2, "big") + packet)
                        sequence = (sequence + 1) % 65536

        return _Server(self._address, Handler)

    def encode(self, connection: socket.socket) -> Iterator[bytes]:
        """Yield parts of a transport stream of numbered frames, each a key frame."""
        import av

        file = BytesIO()
        with av.open(file, "w", format="mpegts", options={"flush_packets": "1"}) as container:
            stream: Any = container.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            stream.codec_context.gop_size = 1
            for number in self.numbers(connection):
                frame = av.VideoFrame.from_ndarray(draw_number(number), format="rgb24")
                container.mux(stream.encode(frame))
                yield file.getvalue()
                file.seek(0)
                file.truncate()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: object) -> None:
        """Clients go away."""
