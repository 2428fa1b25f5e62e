"""Ranks that torchrun and Slurm give, read from their environment variables."""

from pathlib import Path

import pytest
import torch
from support import Run

from bddseg.errors import BddsegError
from bddseg.inference.distributed import rank as module
from bddseg.inference.distributed.frame_processor import choose_device_of
from bddseg.inference.distributed.rank import RankInfo, read_rank_info

TORCHRUN = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"}
# A step of 4 tasks on 2 of the job's 4 machines; the job has 16 tasks.
STEP = {
    "SLURM_JOB_ID": "7",
    "SLURM_STEP_ID": "3",
    "SLURM_NTASKS": "16",
    "SLURM_NNODES": "4",
    "SLURM_STEP_NUM_TASKS": "7",
    "SLURM_STEP_TASKS_PER_NODE": "3(x2),1",
    "SLURM_NODEID": "1",
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "2",
    "SLURMD_NODENAME": "node1",
    # The machine where srun was typed.
    "SLURM_LAUNCH_NODE_IPADDR": "10.0.0.1",
}


@pytest.fixture(autouse=True)
def _cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NUM_CORES", 12)


def test_torchrun() -> None:
    more = {"MASTER_ADDR": "node0", "TORCHELASTIC_RESTART_COUNT": "2"}
    assert read_rank_info(TORCHRUN | more) == RankInfo(
        rank=5,
        world_size=8,
        local_rank=1,
        local_world_size=4,
        num_cores=3,
        restarts=2,
        host="node0",
        launch_id="node0   2",
    )


def test_a_step_of_slurm_counts_its_own_tasks_and_meets_on_its_own_machine() -> None:
    assert read_rank_info(STEP) == RankInfo(
        rank=5,
        world_size=7,
        local_rank=2,
        local_world_size=3,
        num_cores=4,
        shares_gpus=True,
        host="node1",
        launch_id="7.3",
    )
    other = read_rank_info(STEP | {"SLURM_STEP_ID": "4", "SLURM_NODEID": "2"})
    assert other is not None
    assert (other.local_world_size, other.launch_id) == (1, "7.4")


def test_cores_that_slurm_divided_are_not_divided_again() -> None:
    bound = read_rank_info(STEP | {"SLURM_CPUS_ON_NODE": "36"})
    assert bound is not None
    assert bound.num_cores == 12


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"RANK": "0"},
        {"RANK": "0", "WORLD_SIZE": "1"},
        {"SLURM_NTASKS": "8", "SLURM_PROCID": "0"},
        {name: value for name, value in STEP.items() if name != "SLURM_PROCID"},
        STEP | {"SLURM_STEP_NUM_TASKS": "1"},
    ],
)
def test_what_is_no_worker(environment: dict[str, str]) -> None:
    assert read_rank_info(environment) is None


@pytest.mark.parametrize("environment", [TORCHRUN | {"RANK": ""}, STEP | {"SLURM_PROCID": "²"}])
def test_a_variable_that_is_no_number_is_named(environment: dict[str, str]) -> None:
    with pytest.raises(BddsegError, match=r"environment variable (RANK|SLURM_PROCID) is '²?', not"):
        read_rank_info(environment)


def test_a_task_of_slurm_that_sees_one_gpu_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    info = read_rank_info(STEP)
    assert info is not None
    assert choose_device_of(info, "auto") == "cuda:0"
    with pytest.raises(BddsegError, match=r"3 GPUs were requested, and torch .* finds 1\."):
        choose_device_of(RankInfo(local_rank=2, local_world_size=3), "cuda")


def test_ranks_of_the_environment_and_workers_exclude_each_other(
    run: Run, tiny: Path, frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)
    code, _, err = run("infer", tiny, frames, "-o", tmp_path / "out", "--workers", 2)
    assert code == 1
    assert "the worker of rank 5 of 8, and 2 workers were requested" in err
    monkeypatch.setenv("RANK", "")
    code, _, err = run("infer", tiny, frames, "-o", tmp_path / "out")
    assert code == 1
    assert "The environment variable RANK is '', not a number" in err


def test_the_name_of_another_machine_is_no_place_to_listen(
    run: Run, tiny: Path, frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An address for documentation, which no machine has.
    away = {"RANK": "0", "MASTER_ADDR": "192.0.2.1"}
    for name, value in (TORCHRUN | away).items():
        monkeypatch.setenv(name, value)
    code, _, err = run("infer", tiny, frames, "-o", tmp_path / "out")
    assert code == 1
    assert "Cannot listen on 192.0.2.1:0" in err


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--gpus", "2", "--device", "cuda:2"), "--gpus excludes --workers and --device cuda:2"),
        (("--nnodes", "2", "--rdzv-endpoint", "foo:bar"), "not 'foo:bar'"),
        (("--nnodes", "2"), "Several machines need --rdzv-endpoint HOST:PORT"),
        (("--node-rank", "1"), "--node-rank 1 needs a larger --nnodes than 1"),
        (("--stall-timeout", "nan"), "nan is not"),
    ],
)
def test_options_that_make_no_sense_are_wrong_usage(
    options: tuple[str, ...], problem: str, run: Run, tiny: Path, frames: Path, tmp_path: Path
) -> None:
    code, _, err = run("infer", tiny, frames, "-o", tmp_path / "out", *options)
    assert code == 2
    assert problem in " ".join(err.replace("│", " ").split())
