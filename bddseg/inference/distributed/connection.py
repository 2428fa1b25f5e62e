"""Connections between the workers of a run and its coordinator.

First both sides prove that they know the key of the run; then each message is a line of JSON and
gets one as its reply. Who reaches the port without the key can say nothing.
"""

import hmac
import os
import secrets
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from io import BufferedRWPair
from itertools import count
from pathlib import Path
from typing import Self

import msgspec

from bddseg.errors import BddsegError
from bddseg.inference.distributed.messages import Message, Reply, decode, encode
from bddseg.io.atomic import write_error

MEETING_TIMEOUT_S = 120.0
_HANDSHAKE_TIMEOUT_S = 5.0
_POLL_S = 0.05
_NUM_BYTES = 32
_ADDRESS_NAME = ".coordinator.json"


class WorkerEndedError(BddsegError):
    """A worker has to end; another one in its place may do better."""


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where the coordinator of a run listens, and the key of the run, which is secret."""

    host: str
    port: int
    key: str


class Server(socketserver.ThreadingTCPServer):
    """Answers the workers of a run, each in a thread of its own.

    Args:
        host: Name or address of the interface on which it listens.
        port: Port; 0 means any that is free.
        handle: Returns the reply to a message; gets the number of the connection, from 1, too.
        disconnect: Gets the number of a connection that has ended.

    Raises:
        BddsegError: the host is none of this machine, or the port is in use.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(
        self,
        host: str,
        port: int,
        handle: Callable[[int, Message], Reply],
        disconnect: Callable[[int], None],
    ) -> None:
        self._handle = handle
        self._disconnect = disconnect
        self._numbers = count(1)
        self._workers: dict[int, socket.socket] = {}
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            self.address_family, *_, address = found[0]
            super().__init__((str(address[0]), port), _Handler)
        except (OSError, OverflowError) as error:
            raise BddsegError(
                f"Cannot listen on {host}:{port}: {error}.",
                "Rank 0 needs the name of its own machine, and a free port.",
            ) from error
        key = secrets.token_hex(_NUM_BYTES)
        self.address = Address(host=host, port=int(self.server_address[1]), key=key)

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(_POLL_S,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
        for worker in list(self._workers.values()):
            with suppress(OSError):
                worker.shutdown(socket.SHUT_RDWR)

    def answer(self, worker: socket.socket, stream: BufferedRWPair) -> None:
        """Answer what a worker sends until its connection ends."""
        number = next(self._numbers)
        self._workers[number] = worker
        try:
            while line := stream.readline():
                message: Message = decode(line, Message)  # type: ignore[arg-type]
                stream.write(encode(self._handle(number, message)))
                stream.flush()
        finally:
            del self._workers[number]
            self._disconnect(number)


class _Handler(socketserver.BaseRequestHandler):
    server: Server
    request: socket.socket

    def handle(self) -> None:
        # Whoever connects may break off at any point, and need not be a worker.
        with suppress(OSError), self.request.makefile("rwb") as stream:
            self.request.settimeout(_HANDSHAKE_TIMEOUT_S)
            if _authenticate(stream, self.server.address.key, "coordinator", "worker"):
                self.request.settimeout(None)
                self.server.answer(self.request, stream)


class Connection:
    """A worker's connection to the coordinator, which replies in time; threads may share it.

    Raises:
        OSError: nobody listens there, or not the coordinator of this run.
    """

    def __init__(self, address: Address, timeout_s: float) -> None:
        self._lock = threading.Lock()
        self._lost: WorkerEndedError | None = None
        self.address = address
        target = (address.host, address.port)
        with ExitStack() as stack:
            self._socket = stack.enter_context(
                socket.create_connection(target, _HANDSHAKE_TIMEOUT_S)
            )
            self._stream = stack.enter_context(self._socket.makefile("rwb"))
            if not _authenticate(self._stream, address.key, "worker", "coordinator"):
                raise ConnectionRefusedError("another program listens there")
            self._socket.settimeout(timeout_s)
            self.close = stack.pop_all().close

    def exchange(self, message: Message) -> Reply:
        """Send a message and return its reply.

        Raises:
            WorkerEndedError: there is none in time.
        """
        with self._lock:
            if self._lost:
                raise self._lost
            try:
                return self._exchange(message)
            except (OSError, ValueError) as error:
                self._lost = WorkerEndedError(
                    f"The coordinator of the run does not answer: {error}.",
                    "Look at the messages of rank 0; then run the same command again.",
                )
                raise self._lost from error

    def _exchange(self, message: Message) -> Reply:
        self._stream.write(encode(message))
        self._stream.flush()
        line = self._stream.readline()
        if not line:
            raise ConnectionResetError("it has ended")
        return decode(line, Reply)


def connect(
    find_address: Callable[[], Address | None],
    *,
    timeout_s: float,
    patience_s: float = MEETING_TIMEOUT_S,
) -> Connection:
    """Return a connection to the coordinator, for which to wait up to `patience_s`.

    Raises:
        BddsegError: it does not appear.
    """
    end = time.monotonic() + patience_s
    while True:
        address = find_address()
        problem = "the output folder does not hold its address"
        try:
            if address:
                return Connection(address, timeout_s)
        except OSError as error:
            problem = f"{error}"
        if time.monotonic() >= end:
            where = f" at {address.host}:{address.port}" if address else ""
            raise BddsegError(
                f"The coordinator of the run was not found{where}: {problem}.",
                "Start the command on all machines, with one output folder that they share, and "
                "look at the messages of rank 0.",
            )
        time.sleep(_POLL_S)


@contextmanager
def publish(out: Path, address: Address, launch_id: str) -> Iterator[None]:
    """Keep an address in the output folder during the block, readable by the user alone.

    `launch_id` is what all workers of the launch have in common, and no earlier ones.

    Raises:
        BddsegError: it cannot be written.
    """
    path = out / _ADDRESS_NAME
    try:
        out.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(encode((launch_id, address)))
    except OSError as error:
        raise write_error(path, error) from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def find_address(out: Path, launch_id: str) -> Address | None:
    """Return the address that the coordinator of a launch published; None if there is none yet."""
    try:
        found, address = decode((out / _ADDRESS_NAME).read_bytes(), tuple[str, Address])
    except (OSError, ValueError):
        return None
    return address if found == launch_id else None


def _authenticate(stream: BufferedRWPair, key: str, role: str, peer: str) -> bool:
    """Prove that this side knows the key, and return whether the other one does."""
    ours = secrets.token_bytes(_NUM_BYTES)
    stream.write(ours)
    stream.flush()
    theirs = stream.read(_NUM_BYTES)
    stream.write(_sign(key, role, ours, theirs))
    stream.flush()
    return hmac.compare_digest(stream.read(_NUM_BYTES), _sign(key, peer, theirs, ours))


def _sign(key: str, role: str, *nonces: bytes) -> bytes:
    return hmac.digest(key.encode(), b"".join([role.encode(), *nonces]), "sha256")
