"""Which of a run's workers a process is."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RankInfo:
    """Rank of a worker.

    Attributes:
        rank: Rank among all workers; the one of rank 0 coordinates.
        world_size: Number of workers on all machines.
        local_rank: Rank on this machine.
        local_world_size: Number of workers on this machine.
        restarts: How often workers were restarted before.
    """

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    local_world_size: int = 1
    restarts: int = 0


def read_rank_info(environment: Mapping[str, str]) -> RankInfo | None:
    """Return the rank that torchrun or Slurm gave this process; None if neither started it."""
    if "RANK" in environment and "WORLD_SIZE" in environment:
        return RankInfo(
            rank=int(environment["RANK"]),
            world_size=int(environment["WORLD_SIZE"]),
            local_rank=int(environment.get("LOCAL_RANK", "0")),
            local_world_size=int(environment.get("LOCAL_WORLD_SIZE", "1")),
            restarts=int(environment.get("TORCHELASTIC_RESTART_COUNT", "0")),
        )
    # Only steps of srun have an id; the script around them is no worker.
    if "SLURM_STEP_ID" in environment and int(environment.get("SLURM_NTASKS", "1")) > 1:
        world_size = int(environment["SLURM_NTASKS"])
        return RankInfo(
            rank=int(environment["SLURM_PROCID"]),
            world_size=world_size,
            local_rank=int(environment["SLURM_LOCALID"]),
            local_world_size=-(-world_size // int(environment.get("SLURM_NNODES", "1"))),
        )
    return None
