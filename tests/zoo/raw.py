"""A server on loopback that answers with bytes of a test's choice."""

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

# Sends bytes to the client.
Send = Callable[[bytes], Any]
HEAD = b"HTTP/1.1 200 OK\r\n"


@contextmanager
def open_raw_server(answer: Callable[[Send], object]) -> Iterator[str]:
    """Serve every request with `answer(send)`; give the server's URL."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            # The client may close the connection at any time.
            with suppress(OSError):
                self.request.recv(1 << 16)
                answer(self.request.sendall)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        # A thread that waits between two bytes is not waited for.
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
