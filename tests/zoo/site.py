"""A real HTTP server on loopback that misbehaves on demand."""

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CHUNK = 1 << 14


@dataclass(kw_only=True)
class Fault:
    """How one answer goes wrong.

    Attributes:
        status: answered instead of the file, with `headers`.
        cut_after: bytes of the body after which the connection is closed.
        stall_s: how long the server says nothing after them instead.
        claim: length announced instead of the true one; the body is cut to it.
    """

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    stall_s: float = 0.0
    claim: int | None = None


@dataclass(kw_only=True)
class File:
    """What a path serves, and the faults of its next answers, the first one first."""

    body: bytes
    etag: str | None = '"one"'
    ranges: bool = True
    heeds_if_range: bool = True
    headers: dict[str, str] = field(default_factory=dict)
    announces_length: bool = True
    pause_s: float = 0.0
    faults: deque[Fault] = field(default_factory=deque)


@dataclass(kw_only=True)
class Hit:
    """One request, and how many bytes of body its answer had."""

    method: str
    path: str
    headers: dict[str, str]
    sent: int = 0


class Site:
    """The server; `files` may be changed while it runs."""

    def __init__(self, context=None):
        self.files: dict[str, File] = {}
        self.hits: list[Hit] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                site.answer(self, "GET")

            def do_HEAD(self):
                site.answer(self, "HEAD")

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        scheme = "https" if context else "http"
        self.url = f"{scheme}://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def count_sent(self, path):
        return sum(hit.sent for hit in self.hits if hit.path == path)

    def answer(self, request, method):
        hit = Hit(method=method, path=request.path, headers=dict(request.headers))
        self.hits.append(hit)
        file = self.files.get(request.path)
        if file is None:
            return self._send_status(request, 404, {})
        fault = file.faults.popleft() if file.faults and method == "GET" else Fault()
        if fault.status is not None:
            return self._send_status(request, fault.status, fault.headers)
        return self._send_file(request, hit, file, fault)

    def _send_status(self, request, status, headers):
        request.send_response(status)
        for name, value in ({"Content-Length": "0"} | headers).items():
            request.send_header(name, value)
        request.end_headers()

    def _send_file(self, request, hit, file, fault):
        start = self._find_start(request, file)
        body = file.body[start or 0 :]
        if start is not None and start >= len(file.body):
            return self._send_status(request, 416, {"Content-Range": f"bytes */{len(file.body)}"})
        body = body if fault.claim is None else body[: fault.claim]
        request.send_response(200 if start is None else 206)
        if start is not None:
            total = len(file.body)
            request.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        if file.etag:
            request.send_header("ETag", file.etag)
        if file.announces_length:
            request.send_header("Content-Length", str(len(body)))
        else:
            request.send_header("Connection", "close")
        for name, value in file.headers.items():
            request.send_header(name, value)
        request.end_headers()
        if hit.method == "GET":
            self._send_body(request, hit, body, file, fault)
        return None

    def _find_start(self, request, file):
        asked = request.headers.get("Range")
        if not asked or not file.ranges:
            return None
        condition = request.headers.get("If-Range")
        if file.heeds_if_range and condition and condition != file.etag:
            return None
        return int(asked.removeprefix("bytes=").removesuffix("-"))

    def _send_body(self, request, hit, body, file, fault):
        end = len(body) if fault.cut_after is None else fault.cut_after
        for begin in range(0, end, CHUNK):
            piece = body[begin : min(begin + CHUNK, end)]
            request.wfile.write(piece)
            hit.sent += len(piece)
            time.sleep(file.pause_s)
        if fault.cut_after is not None or not file.announces_length:
            request.wfile.flush()
            time.sleep(fault.stall_s)
            request.close_connection = True
