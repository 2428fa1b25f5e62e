"""A session of requests that trusts servers less: slow answers end, and redirects are checked."""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter

from bddseg.io.urls import redact

# The most bytes that are lost when a connection breaks.
CHUNK_BYTES = 1 << 16


class Session(requests.Session):
    """A session that follows redirects to http and https only, and not from https to http.

    A server that sends one byte now and then passes every timeout between two bytes. Here a
    connection is closed if, in `timeout_s`, neither the headers nor CHUNK_BYTES of the body have
    arrived.

    Args:
        timeout_s: Seconds.

    Attributes:
        is_slow: Whether a connection was closed for that reason.
    """

    def __init__(self, timeout_s: float) -> None:
        super().__init__()
        self.is_slow = False
        self._timeout_s = timeout_s
        self._arrived = 0
        self._socket: socket.socket | None = None
        self._closed = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter(self))

    def __enter__(self) -> Self:
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._watcher.join()
        self.close()

    def iterate(self, response: requests.Response) -> Iterator[bytes]:
        """Yield the body in chunks."""
        # Headers count as much as a chunk.
        self._arrived += CHUNK_BYTES
        for chunk in response.iter_content(CHUNK_BYTES):
            self._arrived += len(chunk)
            yield chunk
        self.check_speed()

    def watch(self, connection: socket.socket) -> None:
        """Close this connection, too, if it is slow."""
        self.check_speed()
        self._socket = connection

    def check_speed(self) -> None:
        """Check that no connection was closed: the end of its data looks like any other.

        Raises:
            requests.ConnectionError: one was.
        """
        if self.is_slow:
            raise requests.ConnectionError

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return the URL that an answer redirects to.

        Raises:
            requests.exceptions.InvalidURL: it is refused.
        """
        target: str | None = super().get_redirect_target(resp)
        if target is None:
            return None
        scheme = urlsplit(urljoin(resp.url, target)).scheme
        problem = ""
        if scheme not in ("http", "https"):
            problem = "neither http nor https"
        elif scheme == "http" and urlsplit(resp.url).scheme == "https":
            problem = "not encrypted"
        if problem:
            raise requests.exceptions.InvalidURL(
                f"it redirects to {redact(target)}, which is {problem}; this is refused"
            )
        return target

    def _watch(self) -> None:
        arrived = -CHUNK_BYTES
        while not self._closed.wait(self._timeout_s):
            if self._arrived - arrived < CHUNK_BYTES:
                self.is_slow = True
                if self._socket:
                    with suppress(OSError):
                        # Not the method of a TLS socket, which another thread is reading.
                        socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
                return
            arrived = self._arrived


class _Adapter(HTTPAdapter):
    """Has the session watch each connection."""

    def __init__(self, session: Session) -> None:
        self._session = session
        super().__init__()

    def get_connection_with_tls_context(
        self,
        request: requests.PreparedRequest,
        verify: bool | str | None,
        proxies: Mapping[str, str] | None = None,
        cert: Any = None,
    ) -> Any:
        pool: Any = super().get_connection_with_tls_context(request, verify, proxies, cert)
        connect = pool.ConnectionCls

        def connect_watched(**options: Any) -> Any:
            connection = connect(**options)
            receive = connection.getresponse

            def receive_watched() -> Any:
                self._session.watch(connection.sock)
                return receive()

            connection.getresponse = receive_watched
            return connection

        pool.ConnectionCls = connect_watched
        return pool
