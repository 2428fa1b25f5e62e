"""What others on the machine see of a run, and what they can do to it."""

import base64
import json
import os
import pickle
import socket
import stat
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from worker_runs import (
    COUNT,
    assert_same,
    find_workers,
    finish,
    list_processes,
    read_run,
    start,
    wait_for_masks,
)

from bddseg.errors import BddsegError
from bddseg.inference.distributed.connection import (
    Address,
    Connection,
    Server,
    connect,
    find_address,
    publish,
)
from bddseg.inference.distributed.messages import (
    Claim,
    Disconnect,
    Heartbeat,
    Message,
    Reply,
    Report,
    encode,
)
from bddseg.inference.manifest import Outcome
from bddseg.record import WorkerStats

# As /proc/net/tcp names the state.
LISTENING = "0A"


class Bomb:
    """Makes a folder where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


def list_listening(pids: list[int]) -> list[tuple[str, int]]:
    """Return address and port of each socket on which the processes listen."""
    links = set()
    for pid in pids:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                links.add(str(entry.readlink()))
    found = []
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] != LISTENING or f"socket:[{fields[9]}]" not in links:
                continue
            address, port = fields[1].split(":")
            # Words of 32 bits, each in the machine's order.
            words = struct.unpack(f">{len(address) // 8}I", bytes.fromhex(address))
            packed = struct.pack(f"={len(words)}I", *words)
            found.append((socket.inet_ntop(family, packed), int(port, 16)))
    return found


def list_attacks(bomb: Path) -> list[bytes]:
    """Return what an attacker sends: pickles, keys of torch's store, work items, nonsense."""
    pickled = pickle.dumps(Bomb(bomb))
    key = b"torch.rendezvous.bddseg"
    value = base64.b64encode(pickled)
    stored = b"\0" + struct.pack("<Q", len(key)) + key + struct.pack("<Q", len(value)) + value
    stats = WorkerStats(
        rank=9, host="x", pid=1, device="x", done=9, skipped=0, seconds={}, peak_memory_mb={}
    )
    messages: list[Message] = [
        Heartbeat(stats, "x"),
        Claim(),
        Outcome(number=0, left=0, done=10**6),
        Report(host="x", pids=[1], death="x"),
        Disconnect(error=("stop", "now")),
    ]
    item = {"number": 0, "refs": [{"file": "/etc/passwd", "name": "../../../x"}]}
    reply = json.dumps({"state": "work", "item": item}).encode() + b"\n"
    as_worker = b"".join(map(encode, messages))
    # As a worker that does not know the key: a nonce and a proof.
    unproven = b"x" * 64
    http = b"GET / HTTP/1.1\r\n\r\n"
    return [pickled, stored, as_worker, unproven + as_worker, unproven + reply, http, b""]


def attack(port: int, data: bytes) -> bytes:
    """Send data to a port of this machine; return the answer."""
    answer = b""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as attacker:
        attacker.settimeout(1)
        attacker.sendall(data)
        while received := attacker.recv(1 << 16):
            answer += received
    return answer


def test_nobody_can_tell_a_run_what_to_do_nor_read_its_job(
    sharp: Path, many: Path, reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary, out, bomb = tmp_path / "tmp", tmp_path / "a" / "b" / "out", tmp_path / "bomb"
    temporary.mkdir()
    out.parent.mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(temporary))
    process = start(sharp, many, out, "--workers", 2, environment={"SLOW_S": "0.1"})
    workers = find_workers(process)
    wait_for_masks(process, out, 1)
    agents = list_processes(process.pid)
    listening = list_listening([process.pid, *agents, *workers])
    assert listening
    assert {address for address, _ in listening} <= {"127.0.0.1", "::1"}
    for pid in [*agents, *workers]:
        command = Path(f"/proc/{pid}/cmdline").read_text()
        assert not [path for path in (sharp, many, out) if str(path) in command]
    threads = [
        threading.Thread(target=attack, args=(port, data))
        for _, port in listening
        for data in list_attacks(bomb)
    ]
    for thread in threads:
        thread.start()
    code, text, err = finish(process)
    for thread in threads:
        thread.join()
    assert code == 0
    assert not [
        line for line in err.splitlines() if not line.startswith(("Segmenting: ", "Next: "))
    ]
    assert f"{COUNT} of {COUNT} frames done" in text
    assert_same(reference, out)
    assert {worker["rank"] for worker in read_run(out)["workers"]} == {0, 1}
    assert not bomb.exists()
    assert not list(tmp_path.rglob("x.png"))
    assert not list(temporary.iterdir())


def answer(number: int, message: Message) -> Reply:
    return Reply(state="wait", since_ns=number)


@pytest.fixture
def lost() -> list[int]:
    """Numbers of connections that have ended."""
    return []


@pytest.fixture
def server(lost: list[int]) -> Iterator[Server]:
    """A server that answers each message of a worker."""
    with Server("127.0.0.1", 0, answer, lost.append) as server:
        yield server


def test_only_who_knows_the_key_gets_a_reply(server: Server, lost: list[int]) -> None:
    wrong = Address(host="127.0.0.1", port=server.address.port, key="0" * 64)
    with pytest.raises(ConnectionRefusedError):
        Connection(wrong, 5)
    for data in list_attacks(Path("/nowhere")):
        # A nonce and a proof, but no reply.
        assert len(attack(server.address.port, data)) <= 64
    connection = Connection(server.address, 5)
    assert connection.exchange(Claim()) == Reply(state="wait", since_ns=1)
    connection.close()
    assert set(lost) <= {1}


def test_a_worker_tells_nothing_to_another_program_at_the_port() -> None:
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as impostor:

        def listen() -> None:
            peer, _ = impostor.accept()
            with peer, suppress(OSError):
                peer.sendall(b"x" * 64)
                while data := peer.recv(1 << 16):
                    received.append(data)

        thread = threading.Thread(target=listen)
        thread.start()
        address = Address(host="127.0.0.1", port=impostor.getsockname()[1], key="0" * 64)
        with pytest.raises(BddsegError, match="another program listens there"):
            connect(lambda: address, timeout_s=5, patience_s=0)
        thread.join()
    assert len(b"".join(received)) == 64


def test_the_server_listens_on_the_interface_that_it_is_given() -> None:
    with Server("127.0.0.2", 0, answer, print) as server:
        assert ("127.0.0.2", server.address.port) in list_listening([os.getpid()])
    with pytest.raises(BddsegError, match=r"Cannot listen on 192\.0\.2\.1:0"):
        Server("192.0.2.1", 0, answer, print)


def test_the_key_is_readable_by_the_user_alone_and_of_one_launch(
    server: Server, tmp_path: Path
) -> None:
    with publish(tmp_path, server.address, "launch 1"):
        (path,) = tmp_path.iterdir()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert find_address(tmp_path, "launch 1") == server.address
        assert find_address(tmp_path, "launch 2") is None
        path.write_bytes(b"half of i")
        assert find_address(tmp_path, "launch 1") is None
    assert not list(tmp_path.iterdir())
