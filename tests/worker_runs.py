"""Runs of several workers, as real processes: starting, finding, killing and comparing them."""

import filecmp
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import worker_faults
from support import heed_ctrl_c

COMMAND = [sys.executable, "-m", "bddseg", "infer"]
COUNT = 48
Process = subprocess.Popen[str]
_started: list[Process] = []


def start(
    model: Path,
    source: Path,
    out: Path,
    *options: object,
    environment: dict[str, str] | None = None,
) -> Process:
    """Start `bddseg infer`; `environment` can hold what `worker_faults` reads."""
    variables = make_environment(out.parent, environment or {})
    folders = (str(model), str(source), "-o", str(out))
    process = subprocess.Popen(
        [*COMMAND, *folders, "--device", "cpu", *map(str, options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | variables,
        preexec_fn=heed_ctrl_c,
    )
    _started.append(process)
    return process


def end_all() -> None:
    """End the processes that a test started and, when it failed, left."""
    while _started:
        process = _started.pop()
        process.kill()
        process.communicate()


def start_ranks(
    model: Path,
    source: Path,
    out: Path,
    *options: object,
    faults: Sequence[str],
    slow_s: float = 0.1,
) -> list[Process]:
    """Start a worker by hand for each fault, as Slurm does; each frame takes `slow_s` at least."""
    size = str(len(faults))
    world = {"WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "MASTER_PORT": str(time.monotonic())}
    processes = []
    for rank, fault in enumerate(faults):
        faulty = {"FAULT": fault, "FAULT_ONCE": f"{out}-{fault}"} if fault else {}
        ranks = {"RANK": str(rank), "LOCAL_RANK": str(rank), "SLOW_S": str(slow_s)}
        environment = world | ranks | faulty
        processes.append(start(model, source, out, *options, environment=environment))
    return processes


def make_environment(folder: Path, faults: dict[str, str]) -> dict[str, str]:
    """Return variables for processes of a test: what `worker_faults` reads takes effect there."""
    shutil.copy(worker_faults.__file__, folder / "sitecustomize.py")
    once = {"FAULT_ONCE": str(folder / "once"), "PYTHONPATH": str(folder)}
    return {"OMP_NUM_THREADS": "1"} | (once | faults if faults else {})


def finish(process: Process, timeout_s: float = 100) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr of a process, as soon as it has ended."""
    out, err = process.communicate(timeout=timeout_s)
    return process.returncode, out, err


def find_workers(process: Process, count: int = 2) -> list[int]:
    """Return the worker processes of a command, by age, as soon as they are there."""
    end = time.monotonic() + 60
    while True:
        agents = list_processes(process.pid)
        pids = [pid for agent in agents for pid in list_processes(agent) if is_worker(pid)]
        if len(pids) == count:
            return pids
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


def list_processes(parent: int) -> list[int]:
    """Return the child processes of a process, by age."""
    files = Path(f"/proc/{parent}/task").glob("*/children")
    return sorted(int(pid) for file in files for pid in file.read_text().split())


def is_worker(pid: int) -> bool:
    """Return whether a process executes a worker already, not a copy of its parent."""
    return b"distributed.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()


def is_running(pid: int) -> bool:
    """Return whether there is such a process, and not only its exit code."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def list_masks(out: Path) -> list[Path]:
    """Return the masks in an output folder."""
    return sorted(out.glob("masks/*.png"))


def wait_for_masks(process: Process, out: Path, count: int) -> None:
    """Wait until an output folder holds a number of masks; the process has to go on meanwhile."""
    end = time.monotonic() + 60
    while len(list_masks(out)) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)


def assert_same(first: Path, second: Path) -> None:
    """Assert that two output folders hold the same masks."""
    names = [path.name for path in list_masks(first)]
    assert len(names) == COUNT
    assert names == [path.name for path in list_masks(second)]
    for name in names:
        assert filecmp.cmp(first / "masks" / name, second / "masks" / name, shallow=False), name


def read_run(out: Path) -> dict[str, Any]:
    """Return the content of an output folder's run record."""
    content: dict[str, Any] = json.loads((out / "run.json").read_text())
    return content
