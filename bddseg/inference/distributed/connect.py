"""How the workers of a run find the store that they share."""

import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import torch.distributed as dist
from torch.distributed import HashStore, Store, TCPStore

from bddseg.errors import BddsegError
from bddseg.inference.distributed.rank import RankInfo
from bddseg.io.atomic import write_atomically

# How long workers wait for each other at the start.
MEETING_TIMEOUT_S = 120.0
_CONNECT_TIMEOUT = timedelta(seconds=5)
_RETRY_S = 0.1
_LOOPBACK = "127.0.0.1"
_DEFAULT_PORT = 29400


@dataclass(frozen=True, slots=True)
class Connection:
    """A store, and another one that has to stay open as long as it."""

    store: Store
    meeting: Store | None = None


def connect_local() -> Connection:
    """Return a store for a run of one worker."""
    return Connection(HashStore())


def connect_on_machine(folder: Path, rank: RankInfo, timeout_s: float) -> Connection:
    """Return a store of the workers of one machine; it listens on the loopback interface only.

    Args:
        folder: A private folder that the workers share, where the port is told.
        rank: Rank of this worker.
        timeout_s: How long a call of the store may take.

    Raises:
        BddsegError: the worker of rank 0 does not appear.
    """
    timeout = timedelta(seconds=timeout_s)
    # Restarted workers have a new store: the old one is full of what the dead ones left.
    address = folder / f"store-{rank.restarts}.json"
    if rank.rank == 0:
        listener = socket.create_server((_LOOPBACK, 0))
        port = listener.getsockname()[1]
        store = TCPStore(
            _LOOPBACK,
            port,
            is_master=True,
            timeout=timeout,
            wait_for_workers=False,
            master_listen_fd=listener.detach(),
        )
        write_atomically(address, json.dumps(port).encode())
        return Connection(store)
    end = time.monotonic() + MEETING_TIMEOUT_S
    while not address.exists():
        if time.monotonic() > end:
            raise _no_coordinator(_LOOPBACK)
        time.sleep(_RETRY_S)
    port = json.loads(address.read_bytes())
    return Connection(TCPStore(_LOOPBACK, port, is_master=False, timeout=timeout))


def connect_to_master(
    environment: Mapping[str, str], rank: RankInfo, timeout_s: float
) -> Connection:
    """Return a store of workers that torchrun or Slurm started, maybe on several machines.

    The store at which torchrun lets workers meet outlives them: after a restart it is full of what
    the last ones left. It only tells the address of a new one, held by the worker of rank 0.

    Raises:
        BddsegError: the environment names no host, or the workers do not meet.
    """
    host, port = find_master(environment)
    timeout = timedelta(seconds=max(timeout_s, 10.0))
    meeting, _, _ = next(
        dist.rendezvous(f"tcp://{host}:{port}", rank.rank, rank.world_size, timeout=timeout)
    )
    key = "bddseg-port"
    if rank.rank == 0:
        store = TCPStore(host, 0, is_master=True, timeout=timeout, wait_for_workers=False)
        meeting.set(key, str(store.port))
        return Connection(store, meeting)
    end = time.monotonic() + MEETING_TIMEOUT_S
    while time.monotonic() < end:
        # After a restart, the port can be a dead one's at first.
        try:
            store = TCPStore(host, int(meeting.get(key)), is_master=False, timeout=_CONNECT_TIMEOUT)
        except RuntimeError:
            time.sleep(_RETRY_S)
        else:
            store.set_timeout(timeout)
            return Connection(store)
    raise _no_coordinator(host)


def find_master(environment: Mapping[str, str]) -> tuple[str, int]:
    """Return host and port where workers meet: torchrun's, or the first machine of a Slurm job.

    Raises:
        BddsegError: the environment names none.
    """
    host = environment.get("MASTER_ADDR") or environment.get("SLURM_LAUNCH_NODE_IPADDR")
    if not host:
        raise BddsegError(
            "The environment sets ranks, but no host where workers meet.",
            "Set MASTER_ADDR to the first machine's name, or use torchrun.",
        )
    # Jobs that share a machine should not share a port.
    offset = int(environment.get("SLURM_JOB_ID", "0")) % 10_000
    return host, int(environment.get("MASTER_PORT", _DEFAULT_PORT + offset))


def _no_coordinator(host: str) -> BddsegError:
    return BddsegError(
        f"The worker of rank 0 did not answer on {host} within {MEETING_TIMEOUT_S:.0f} s.",
        "Look at its messages above; then run the same command again.",
    )
