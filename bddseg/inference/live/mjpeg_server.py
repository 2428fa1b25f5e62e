"""Overlays as motion JPEG over HTTP, for any number of browsers that do not slow the run."""

import errno
import ipaddress
import socket
import socketserver
import sys
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from bddseg.data.image import encode_jpeg
from bddseg.errors import BddsegError
from bddseg.inference.prediction import Prediction

MAX_VIEWERS = 16
_QUALITY = 80
# Seconds that a viewer may read nothing.
_TIMEOUT_S = 10.0
_PAGE = b"""<!doctype html><title>bddseg</title>
<body style="margin:0;background:#000"><img src="/stream" style="width:100%" alt="overlay">
"""


class MjpegServer:
    """A server of the newest overlay: a page at "/", and the stream at "/stream".

    Each viewer has a thread, which sends it the newest overlay whenever it has read the one before;
    an overlay is encoded once, when a viewer wants it.

    Args:
        url: Where to listen: "http://HOST:PORT"; port 0 is any that is free.

    Attributes:
        url: Where it listens.
        watch_url: The same with an address of this machine, if it listens at all of them.

    Raises:
        BddsegError: the URL is not of this form, or the port is in use.
    """

    is_closed = False

    def __init__(self, url: str) -> None:
        host, port = _parse(url)
        self._changed = threading.Condition()
        self._newest: tuple[int, Prediction] | None = None
        self._encoding = threading.Lock()
        self._encoded = (0, b"")
        self._has_ended = False
        self.num_viewers = 0
        try:
            self._server = _Server(host, port, self)
        except OSError as error:
            raise _describe(host, port, error) from error
        self.url = _format_url(host, self._server.server_port)
        self.watch_url = _format_url(self._server.find_host() or host, self._server.server_port)
        serve = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="mjpeg-server", daemon=True
        )
        serve.start()

    def show(self, prediction: Prediction) -> None:
        """Let viewers have the overlay of a prediction."""
        with self._changed:
            self._newest = (self._newest[0] + 1 if self._newest else 1, prediction)
            self._changed.notify_all()

    def close(self) -> None:
        """End all streams and free the port."""
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def add_viewer(self) -> bool:
        """Return whether there is room for another viewer, who counts from now on."""
        with self._changed:
            if self.num_viewers == MAX_VIEWERS:
                return False
            self.num_viewers += 1
            return True

    def remove_viewer(self) -> None:
        """Take in that a viewer is gone."""
        with self._changed:
            self.num_viewers -= 1

    def get_next(self, seen: int) -> tuple[int, bytes] | None:
        """Return number and JPEG of an overlay newer than `seen`, waiting; None at the end."""
        with self._changed:
            while self._newest is None or self._newest[0] <= seen:
                if self._has_ended:
                    return None
                self._changed.wait()
            number, prediction = self._newest
        with self._encoding:
            if self._encoded[0] < number:
                self._encoded = number, encode_jpeg(prediction.overlay(), quality=_QUALITY)
            return self._encoded


class _Server(ThreadingHTTPServer):
    """Listens at one address alone."""

    daemon_threads = True
    block_on_close = False
    # On Windows it would allow two servers at one port.
    allow_reuse_address = sys.platform != "win32"

    def __init__(self, host: str, port: int, stream: MjpegServer) -> None:
        self.stream = stream
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Bind; unlike the base class, look up no name of the host, which can take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def find_host(self) -> str:
        """Return an address or the name of this machine, if it listens at all addresses; or ""."""
        if not ipaddress.ip_address(self.server_name.partition("%")[0]).is_unspecified:
            return ""
        # Nothing is sent; the address is one for documentation.
        target = "2001:db8::1" if self.address_family == socket.AF_INET6 else "192.0.2.1"
        with suppress(OSError), socket.socket(self.address_family, socket.SOCK_DGRAM) as probe:
            probe.connect((target, 9))
            return str(probe.getsockname()[0])
        return socket.gethostname()

    def handle_error(self, *_: object) -> None:
        """Do nothing: viewers go away at any time."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    # Of reading the request and of each write.
    timeout = _TIMEOUT_S

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        stream = self.server.stream
        if path == "/":
            self._start("text/html; charset=utf-8")
            self.wfile.write(_PAGE)
        elif path != "/stream":
            self.send_error(404)
        elif not stream.add_viewer():
            self.send_error(503, f"There are {MAX_VIEWERS} viewers already")
        else:
            try:
                with suppress(OSError):
                    self._send_stream(stream)
            finally:
                stream.remove_viewer()

    def _send_stream(self, stream: MjpegServer) -> None:
        self._start("multipart/x-mixed-replace; boundary=frame")
        seen = 0
        while found := stream.get_next(seen):
            seen, data = found
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            self.wfile.write(head.encode() + data + b"\r\n")

    def _start(self, content_type: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Cache-Control", "no-store")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def _format_url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _parse(url: str) -> tuple[str, int]:
    """Return host and port.

    Raises:
        BddsegError: it is not http://HOST:PORT.
    """
    with suppress(ValueError):
        parts = urlsplit(url)
        is_bare = parts.path in ("", "/") and not (parts.query or parts.fragment or parts.username)
        if parts.scheme == "http" and parts.hostname and parts.port is not None and is_bare:
            return parts.hostname, parts.port
    raise BddsegError(
        f"--stream is '{url}', and it has to be http://HOST:PORT.",
        "Use --stream http://127.0.0.1:8080; with 0.0.0.0, other machines can watch too.",
    )


def _describe(host: str, port: int, error: OSError) -> BddsegError:
    if error.errno == errno.EADDRINUSE:
        return BddsegError(
            f"Port {port} of {host} is in use.",
            f"Choose another one, such as --stream http://{host}:{port % 65535 + 1}.",
        )
    return BddsegError(
        f"It is not possible to listen at {host}, port {port}: {error.strerror or error}.",
        "Use an address of this machine, such as 127.0.0.1, and a port above 1023.",
    )
