"""A real HTTP server on loopback that fails on demand."""

import ssl
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CHUNK = 1 << 14


@dataclass(kw_only=True)
class Fault:
    """What is wrong with one response.

    Attributes:
        status: Sent instead of the file, with `headers`.
        cut_after: Bytes of the body after which the connection is closed.
        stall_s: How long the server sends nothing before that.
        claim: Length in the header instead of the real one; the body is cut to it.
    """

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    stall_s: float = 0.0
    claim: int | None = None


@dataclass(kw_only=True)
class File:
    """What a path serves, and the faults of its next responses, the first one first.

    With a barrier, a body is sent only once as many clients ask for one of its files.
    """

    body: bytes
    etag: str | None = '"one"'
    ranges: bool = True
    supports_if_range: bool = True
    headers: dict[str, str] = field(default_factory=dict)
    sends_length: bool = True
    pause_s: float = 0.0
    barrier: threading.Barrier | None = None
    faults: deque[Fault] = field(default_factory=deque)


@dataclass(kw_only=True)
class Request:
    """One request, and how many bytes of body were sent."""

    method: str
    path: str
    headers: dict[str, str]
    sent: int = 0


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Clients that close their connection are part of the tests.
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        pass


class Site:
    """The server; `files` can be changed while it runs."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.files: dict[str, File] = {}
        self.requests: list[Request] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                site.answer(self, "GET")

            def do_HEAD(self) -> None:
                site.answer(self, "HEAD")

            def log_message(self, *_: object) -> None:
                pass

        self.server = _Server(("127.0.0.1", 0), Handler)
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        scheme = "https" if context else "http"
        self.url = f"{scheme}://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def count_sent(self, path: str) -> int:
        """Return how many bytes of a file were sent."""
        return sum(request.sent for request in self.requests if request.path == path)

    def answer(self, handler: BaseHTTPRequestHandler, method: str) -> None:
        request = Request(method=method, path=handler.path, headers=dict(handler.headers))
        self.requests.append(request)
        file = self.files.get(handler.path)
        if file is None:
            _send_status(handler, 404, {})
            return
        fault = file.faults.popleft() if file.faults and method == "GET" else Fault()
        if fault.status is not None:
            _send_status(handler, fault.status, fault.headers)
        else:
            _send_file(handler, request, file, fault)


@contextmanager
def open_site(context: ssl.SSLContext | None = None) -> Iterator[Site]:
    """Start a server, and stop it at the end."""
    site = Site(context)
    try:
        yield site
    finally:
        site.close()


def _send_status(handler: BaseHTTPRequestHandler, status: int, headers: Mapping[str, str]) -> None:
    handler.send_response(status)
    for name, value in ({"Content-Length": "0"} | dict(headers)).items():
        handler.send_header(name, value)
    handler.end_headers()


def _send_file(handler: BaseHTTPRequestHandler, request: Request, file: File, fault: Fault) -> None:
    start = _find_start(handler, file)
    total = len(file.body)
    if start is not None and start >= total:
        _send_status(handler, 416, {"Content-Range": f"bytes */{total}"})
        return
    body = file.body[start or 0 :]
    body = body if fault.claim is None else body[: fault.claim]
    handler.send_response(200 if start is None else 206)
    if start is not None:
        handler.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
    if file.etag:
        handler.send_header("ETag", file.etag)
    if file.sends_length:
        handler.send_header("Content-Length", str(len(body)))
    else:
        handler.send_header("Connection", "close")
    for name, value in file.headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    if request.method == "GET":
        _send_body(handler, request, body, file, fault)


def _find_start(handler: BaseHTTPRequestHandler, file: File) -> int | None:
    asked = handler.headers.get("Range")
    if not asked or not file.ranges:
        return None
    condition = handler.headers.get("If-Range")
    if file.supports_if_range and condition and condition != file.etag:
        return None
    return int(asked.removeprefix("bytes=").removesuffix("-"))


def _send_body(
    handler: BaseHTTPRequestHandler, request: Request, body: bytes, file: File, fault: Fault
) -> None:
    if file.barrier:
        file.barrier.wait(timeout=60)
    end = len(body) if fault.cut_after is None else fault.cut_after
    for start in range(0, end, CHUNK):
        piece = body[start : min(start + CHUNK, end)]
        handler.wfile.write(piece)
        request.sent += len(piece)
        time.sleep(file.pause_s)
    if fault.cut_after is not None or not file.sends_length:
        handler.wfile.flush()
        time.sleep(fault.stall_s)
        handler.close_connection = True
