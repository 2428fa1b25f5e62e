"""Training with several processes: what they compute, and what happens if one is killed."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from bddseg_train.batches import BatchPlan
from bddseg_train.distributed import join_group, synchronize_batch_norms
from bddseg_train.log import read_log
from bddseg_train.network import TrainingNetwork
from bddseg_train.options import TrainOptions
from bddseg_train.random_weights import draw_weights
from bddseg_train.recipe import Evaluation, Loss, Recipe
from bddseg_train.run import run_training
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from bddseg.errors import BddsegError
from bddseg.models.build import build_network
from bddseg.zoo.catalog import find_entry

SIZE_HW = (48, 80)
ALONE = TrainOptions(device="cpu", num_workers=0, num_threads=1)
PAIR = TrainOptions(device="cpu", num_workers=0, num_threads=1, num_gpus=2)
SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import test_processes

test_processes.{call}
"""


def change(recipe: Recipe, **values: Any) -> Recipe:
    return msgspec.structs.replace(recipe, **values)


def start_python(folder: Path, call: str, **variables: object) -> "subprocess.Popen[bytes]":
    """Start a process that calls a function of this file."""
    script = folder / "script.py"
    script.write_text(SCRIPT.format(tests=str(Path(__file__).parent), call=call))
    environment = os.environ | {name: str(value) for name, value in variables.items()}
    return subprocess.Popen([sys.executable, str(script)], env=environment)


def write_gradients(model: Path, out: Path) -> None:
    """Write the gradients of a batch, of which this process computes its share, in float64."""
    with join_group("cpu") as group:
        entry = find_entry(str(model))
        torch.manual_seed(0)
        network: nn.Module = build_network(entry).train()
        draw_weights(network)
        # Images of different brightness, so that batch norms of a half would be others.
        images = torch.randn(4, 3, *SIZE_HW, dtype=torch.float64) + torch.arange(4).view(4, 1, 1, 1)
        labels = torch.randint(0, 3, (4, *SIZE_HW))
        labels[0, :20] = 255
        network.double()
        if group.world_size > 1:
            network = synchronize_batch_norms(network, group.device)
        module: nn.Module = TrainingNetwork(network, entry, Loss())
        if group.world_size > 1:
            module = DistributedDataParallel(module)
        share = list(BatchPlan.make(len(images), group, None).list_positions(0, 1))
        module(images[share], labels[share])["loss"].backward()
        gradients = {name: each.grad for name, each in network.named_parameters()}
        buffers = dict(network.named_buffers())
        torch.save({"gradients": gradients, "buffers": buffers}, out / f"{group.rank}.pt")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_gradients_of_a_batch_of_two_processes_equal_those_of_one(
    model: Path, tmp_path: Path
) -> None:
    (tmp_path / "alone").mkdir()
    write_gradients(model, tmp_path / "alone")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    variables = {"WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, "OMP_NUM_THREADS": 1}
    variables |= {"MASTER_PORT": port}
    call = f"write_gradients(Path({str(model)!r}), Path({str(tmp_path)!r}))"
    processes = [
        start_python(tmp_path, call, RANK=n, LOCAL_RANK=n, MASTER_ADDR="127.0.0.1", **variables)
        for n in (0, 1)
    ]
    assert [process.wait(280) for process in processes] == [0, 0]
    expected = torch.load(tmp_path / "alone" / "0.pt")
    for rank in (0, 1):
        found = torch.load(tmp_path / f"{rank}.pt")
        for part, tensors in expected.items():
            assert found[part].keys() == tensors.keys()
            for name, tensor in tensors.items():
                check_close(found[part][name], tensor, f"{part}, {name}")
    assert all(each.abs().max() > 0 for each in expected["gradients"].values())


def check_close(found: Tensor, expected: Tensor, name: str) -> None:
    """Allow for another order of sums, in float64: 1e-9 of the largest value of a tensor."""
    difference = (found.double() - expected.double()).abs().max().item()
    assert difference <= 1e-9 * max(expected.abs().max().item(), 1e-3), name


@pytest.mark.slow
def test_two_processes_train_as_one(recipe: Recipe, tmp_path: Path) -> None:
    recipe = change(recipe, iterations=2)
    assert run_training(recipe, tmp_path / "pair", PAIR).status == "finished"
    run_training(recipe, tmp_path / "alone", ALONE)
    losses = read_losses(tmp_path / "pair"), read_losses(tmp_path / "alone")
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    states = [
        torch.load(tmp_path / name / "checkpoints" / "last.pt", weights_only=True)["network"]
        for name in ("pair", "alone")
    ]
    assert states[0].keys() == states[1].keys()
    for name in states[0]:
        torch.testing.assert_close(states[0][name], states[1][name], rtol=1e-3, atol=1e-4)


def read_losses(out: Path) -> list[float]:
    return [line["loss"] for line in read_log(out / "metrics.jsonl")]


def list_children(parent: int, module: str) -> list[int]:
    """Return the processes that another one started to run a module, by rank."""
    found: dict[str, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "status").read_text()
            command = (folder / "cmdline").read_text()
            variables = (folder / "environ").read_text(errors="replace").split("\0")
        except OSError:
            continue
        is_running = f"\nPPid:\t{parent}\n" in status and "\nState:\tZ" not in status
        if is_running and module in command:
            rank = next((each for each in variables if each.startswith("RANK=")), "")
            found[rank] = int(folder.name)
    return [found[rank] for rank in sorted(found)]


def list_processes(command: int) -> tuple[int, list[int]]:
    """Return the agent and the training processes of a command."""
    (agent,) = list_children(command, "bddseg_train.launch")
    return agent, list_children(agent, "bddseg_train.worker")


def is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert condition()


@pytest.fixture
def long(recipe: Recipe) -> Recipe:
    """A run that does not end by itself, and often writes its checkpoint."""
    evaluation = Evaluation(interval=2, limit=1, examples=0)
    return change(recipe, iterations=100_000, evaluation=evaluation)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("killed", [0, 1, "agent"])
def test_a_run_ends_soon_after_a_process_is_killed_and_can_go_on(
    long: Recipe, tmp_path: Path, killed: int | str
) -> None:
    out, log = tmp_path / "out", tmp_path / "out" / "metrics.jsonl"
    pids: list[int] = []
    killed_s = 0.0

    def kill_a_process() -> bool:
        nonlocal killed_s
        if not pids and len(read_log(log)) > 4:
            agent, workers = list_processes(os.getpid())
            pids.extend([*workers, agent])
            killed_s = time.monotonic()
            os.kill(agent if killed == "agent" else workers[int(killed)], signal.SIGKILL)
        return False

    with pytest.raises(BddsegError) as caught:
        run_training(long, out, PAIR, should_stop=kill_a_process)
    assert time.monotonic() - killed_s < 60
    name = "that starts the others" if killed == "agent" else f"of rank {killed}"
    assert f"process {name} was killed by the signal SIGKILL." in caught.value.message
    assert "The same command goes on from the last checkpoint." in caught.value.hint
    wait_until(lambda: not any(map(is_running, pids)), 30)
    steps = len(read_log(log))
    asked = iter([False, True])
    record = run_training(long, out, ALONE, should_stop=lambda: next(asked))
    assert record.step in (steps, steps + 1, steps + 2)
    assert [line["step"] for line in read_log(log)] == [*range(1, record.step + 1)]


def run_pair(recipe: Path, out: Path) -> None:
    """Train with two processes."""
    from bddseg_train.recipe import find_recipe

    run_training(find_recipe(recipe), out, PAIR)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_all_processes_end_with_the_command_even_if_it_is_killed(
    long: Recipe, tmp_path: Path
) -> None:
    from bddseg_train.recipe import format_recipe

    file, out = tmp_path / "recipe.toml", tmp_path / "out"
    file.write_text(format_recipe(long))
    command = start_python(tmp_path, f"run_pair(Path({str(file)!r}), Path({str(out)!r}))")
    try:
        wait_until(lambda: len(read_log(out / "metrics.jsonl")) > 0, 250)
        agent, workers = list_processes(command.pid)
        assert len(workers) == 2
    finally:
        command.kill()
        command.wait()
    wait_until(lambda: not any(map(is_running, [agent, *workers])), 30)
