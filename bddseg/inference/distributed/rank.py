"""Which of a run's workers a process is."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from bddseg.errors import BddsegError
from bddseg.progress import NUM_CORES

_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class RankInfo:
    """Rank of a worker.

    Attributes:
        rank: Rank among all workers; in a run without a launcher, the one of rank 0 coordinates.
        world_size: Number of workers on all machines.
        local_rank: Rank on this machine.
        local_world_size: Number of workers on this machine.
        num_cores: Number of cores that are this worker's.
        shares_gpus: Workers may see one GPU each, or have to share them.
        restarts: How often workers were restarted before.
        host: Of rank 0, the interface where it listens for the others.
        launch_id: What all workers of the launch have in common, and those of no other.
    """

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    local_world_size: int = 1
    num_cores: int = NUM_CORES
    shares_gpus: bool = False
    restarts: int = 0
    host: str = _LOOPBACK
    launch_id: str = ""


def read_rank_info(environment: Mapping[str, str] = os.environ) -> RankInfo | None:
    """Return the rank that torchrun or Slurm gave this process; None if neither started it.

    Raises:
        BddsegError: a variable that they set is not a number.
    """
    if "RANK" in environment and "WORLD_SIZE" in environment:
        info = read_torchrun(environment)
    # The script around the steps of srun, and an interactive step, are no workers.
    elif "SLURM_STEP_ID" in environment and "SLURM_PROCID" in environment:
        info = _read_slurm(environment)
    else:
        return None
    return info if info.world_size > 1 else None


def read_torchrun(environment: Mapping[str, str]) -> RankInfo:
    """Return the rank that torchrun gave this process; see `read_rank_info`."""
    world_size = _read_number(environment, "WORLD_SIZE")
    local_world_size = _read_number(environment, "LOCAL_WORLD_SIZE", 1)
    names = ("MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT")
    return RankInfo(
        rank=_read_number(environment, "RANK"),
        world_size=world_size,
        local_rank=_read_number(environment, "LOCAL_RANK", 0),
        local_world_size=local_world_size,
        num_cores=max(1, NUM_CORES // max(1, local_world_size)),
        restarts=_read_number(environment, "TORCHELASTIC_RESTART_COUNT", 0),
        host=_choose_host(environment.get("MASTER_ADDR"), local_world_size == world_size),
        launch_id=" ".join(environment.get(name, "") for name in names),
    )


def _read_slurm(environment: Mapping[str, str]) -> RankInfo:
    # Variables of the step, where there are any: those of the job can count more tasks and nodes.
    of_job = _read_number(environment, "SLURM_NTASKS", 1)
    world_size = _read_number(environment, "SLURM_STEP_NUM_TASKS", of_job)
    counts = _expand(environment.get("SLURM_STEP_TASKS_PER_NODE", "")) or [world_size]
    node = _read_number(environment, "SLURM_NODEID", 0)
    local_world_size = counts[min(node, len(counts) - 1)]
    # Slurm usually binds each task to its own cores.
    is_bound = _read_number(environment, "SLURM_CPUS_ON_NODE", 0) > NUM_CORES
    return RankInfo(
        rank=_read_number(environment, "SLURM_PROCID"),
        world_size=world_size,
        local_rank=_read_number(environment, "SLURM_LOCALID", 0),
        local_world_size=local_world_size,
        num_cores=NUM_CORES if is_bound else max(1, NUM_CORES // max(1, local_world_size)),
        shares_gpus=True,
        host=_choose_host(environment.get("SLURMD_NODENAME"), local_world_size == world_size),
        launch_id=f"{environment.get('SLURM_JOB_ID')}.{environment['SLURM_STEP_ID']}",
    )


def _choose_host(name: str | None, is_one_machine: bool) -> str:
    return name if name and not is_one_machine else _LOOPBACK


def _expand(counts: str) -> list[int]:
    """Return "2(x3),1" as 2, 2, 2, 1."""
    found = re.findall(r"(\d+)(?:\(x(\d+)\))?", counts, re.ASCII)
    return [int(number) for number, times in found for _ in range(int(times or 1))]


def _read_number(environment: Mapping[str, str], name: str, default: int | None = None) -> int:
    value = environment.get(name)
    if value is None and default is not None:
        return default
    if not (value and value.isascii() and value.isdigit()):
        raise BddsegError(
            f"The environment variable {name} is '{value or ''}', not a number.",
            "torchrun and Slurm set it for each worker; unset it elsewhere.",
        )
    return int(value)
