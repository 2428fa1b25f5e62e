"""Runs of several workers, as real processes: shared, killed, stopped, resumed."""

import filecmp
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import Run, write_tiny_model

import bddseg
from bddseg.errors import BddsegError
from bddseg.inference.distributed.agent import describe_death
from bddseg.inference.distributed.rank import RankInfo, read_rank_info
from bddseg.inference.run import RunSpec
from bddseg.zoo.catalog import find_entry

COMMAND = [sys.executable, "-m", "bddseg", "infer"]
COUNT = 120


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of frames that take long enough to be interrupted in their middle."""
    folder = tmp_path_factory.mktemp("many")
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        small = rng.integers(0, 256, (18, 32, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{number:03}.jpg"), cv2.resize(small, (960, 540)))
    return folder


@pytest.fixture(scope="module")
def sharp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, with weights that give masks of several classes."""
    return write_tiny_model(tmp_path_factory.mktemp("model"), spread=True)


def start(model: Path, source: Path, out: Path, *options: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*COMMAND, str(model), str(source), "-o", str(out), "--device", "cpu", *map(str, options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        # Where the tests run in the background, Ctrl-C is ignored; a terminal does not ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def finish(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=200)
    assert "Traceback" not in err, err
    return process.returncode, out, err


def infer(model: Path, source: Path, out: Path, *options: object) -> tuple[int, str, str]:
    return finish(start(model, source, out, *options))


def find_workers(process: "subprocess.Popen[str]") -> list[int]:
    """Return the worker processes of a command, by rank."""
    listing = subprocess.run(
        ["ps", "-ewwo", "pid,ppid,args"], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split(None, 2) for line in listing.splitlines()[1:]]
    agents = {pid for pid, parent, _ in rows if int(parent) == process.pid}
    return sorted(
        int(pid) for pid, parent, args in rows if parent in agents and "distributed.worker" in args
    )


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for_masks(process: "subprocess.Popen[str]", out: Path, count: int) -> None:
    end = time.monotonic() + 60
    while len(list(out.glob("masks/*.png"))) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


def assert_same(first: Path, second: Path) -> None:
    names = sorted(path.name for path in first.glob("masks/*.png"))
    assert len(names) == COUNT
    assert names == sorted(path.name for path in second.glob("masks/*.png"))
    for name in names:
        assert filecmp.cmp(first / "masks" / name, second / "masks" / name, shallow=False), name


@pytest.fixture(scope="module")
def reference(sharp: Path, many: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The masks of an undisturbed run of one worker."""
    out = tmp_path_factory.mktemp("one")
    assert infer(sharp, many, out)[0] == 0
    return out


def test_two_workers_write_the_same_masks_as_one(
    sharp: Path, many: Path, reference: Path, tmp_path: Path
) -> None:
    code, out, _ = infer(sharp, many, tmp_path / "two", "--workers", 2)
    assert code == 0
    assert f"{COUNT} of {COUNT} frames done" in out
    assert "with 2 workers" in out
    assert_same(reference, tmp_path / "two")
    record = json.loads((tmp_path / "two" / "run.json").read_text())
    done = [worker["done"] for worker in record["workers"]]
    assert sum(done) == COUNT
    assert min(done) > COUNT / 5
    assert len({worker["pid"] for worker in record["workers"]}) == 2
    assert all(worker["seconds"]["network"] > 0 for worker in record["workers"])
    assert all(worker["peak_memory_mb"]["process"] > 50 for worker in record["workers"])


def test_two_machines_share_a_run(sharp: Path, many: Path, reference: Path, tmp_path: Path) -> None:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ("--nnodes", 2, "--rdzv-endpoint", f"127.0.0.1:{port}", "--node-rank")
    second = start(sharp, many, tmp_path / "both", *options, 1)
    first = start(sharp, many, tmp_path / "both", *options, 0)
    assert finish(first)[0] == 0
    assert finish(second)[:2] == (0, "")
    assert_same(reference, tmp_path / "both")
    record = json.loads((tmp_path / "both" / "run.json").read_text())
    assert len(record["workers"]) == 2
    assert record["done"] == COUNT


def test_torchrun_itself_can_start_the_workers(
    sharp: Path, many: Path, reference: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += ["-m", "bddseg", "infer", str(sharp), str(many), "-o", str(out), "--device", "cpu"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("frames done") == 1
    assert_same(reference, out)


def test_a_killed_worker_is_started_again(
    sharp: Path, many: Path, reference: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = start(sharp, many, out, "--workers", 2)
    wait_for_masks(process, out, 20)
    os.kill(find_workers(process)[-1], signal.SIGKILL)
    code, _, err = finish(process)
    assert code == 0, err
    assert "A worker died; all were restarted (restart 1 of 3)" in err
    assert_same(reference, out)
    assert json.loads((out / "run.json").read_text())["restarts"] == 1


def test_when_restarts_are_used_up_the_next_command_goes_on(
    sharp: Path, many: Path, reference: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = start(sharp, many, out, "--workers", 2, "--max-restarts", 0)
    wait_for_masks(process, out, 20)
    os.kill(find_workers(process)[0], signal.SIGKILL)
    code, _, err = finish(process)
    assert code == 1
    assert "was killed by SIGKILL, after 0 restarts" in err
    assert "run the same command again" in err
    there = len(list(out.glob("masks/*.png")))
    assert there < COUNT
    code, text, _ = infer(sharp, many, out, "--workers", 2)
    assert code == 0
    assert f"{COUNT - there} of {COUNT} frames done" in text
    assert f"{there} were there already" in text
    assert_same(reference, out)


def test_the_worker_that_was_killed_is_named_not_the_one_that_lost_it(tmp_path: Path) -> None:
    from torch.distributed.elastic.multiprocessing import errors

    deaths = {
        rank: errors.ProcessFailure(local_rank=rank, pid=rank, exitcode=code, error_file="none")
        for rank, code in ((1, 1), (0, -9))
    }
    error = errors.ChildFailedError("worker", deaths)
    spec = RunSpec(
        entry=find_entry("pspnet_r50-d8_512x1024_40k"), weights=tmp_path, source="", out=tmp_path
    )
    message = describe_death(error, spec).message
    assert message.startswith("Worker 0 (process 0) was killed by SIGKILL, after 3 restarts.")


@pytest.mark.parametrize("workers", [1, 2])
def test_everything_killed_at_once_can_be_resumed(
    sharp: Path, many: Path, reference: Path, tmp_path: Path, workers: int
) -> None:
    out = tmp_path / "out"
    for count in (1, 25, 60):
        process = start(sharp, many, out, "--workers", workers)
        wait_for_masks(process, out, count)
        for pid in [*find_workers(process), process.pid]:
            os.kill(pid, signal.SIGKILL)
        process.communicate()
    there = len(list(out.glob("masks/*.png")))
    code, text, _ = infer(sharp, many, out, "--workers", workers)
    assert code == 0
    assert f"{COUNT - there} of {COUNT} frames done" in text
    assert_same(reference, out)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_all_workers_within_seconds(
    sharp: Path, many: Path, reference: Path, tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "out"
    process = start(sharp, many, out, "--workers", 2)
    wait_for_masks(process, out, 10)
    workers = find_workers(process)
    started = time.monotonic()
    # A terminal tells all processes in the foreground; `kill` tells one.
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    code, _, err = finish(process)
    assert time.monotonic() - started < 15
    assert code == 130
    assert "The same command resumes the run" in err
    assert not any(map(is_running, workers))
    record = json.loads((out / "run.json").read_text())
    assert record["status"] == "interrupted"
    assert record["done"] == len(list(out.glob("masks/*.png"))) < COUNT
    assert infer(sharp, many, out)[0] == 0
    assert_same(reference, out)


def test_workers_do_not_outlive_the_command(sharp: Path, many: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start(sharp, many, out, "--workers", 2)
    wait_for_masks(process, out, 5)
    workers = find_workers(process)
    assert len(workers) == 2
    process.kill()
    process.communicate()
    end = time.monotonic() + 10
    while any(map(is_running, workers)):
        assert time.monotonic() < end
        time.sleep(0.1)
    assert len(list(out.glob("masks/*.png"))) < COUNT


@pytest.mark.slow
def test_a_stalled_worker_is_named_and_started_again(
    sharp: Path, many: Path, reference: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = start(sharp, many, out, "--workers", 2, "--stall-timeout", 3)
    wait_for_masks(process, out, 10)
    stalled = find_workers(process)[-1]
    os.kill(stalled, signal.SIGSTOP)
    # torchrun first asks it to end, and then kills it.
    code, _, err = finish(process)
    assert code == 0
    assert f"(process {stalled} on " in err
    assert "has sent no heartbeat for 3 s; it is at" in err
    assert_same(reference, out)


def test_more_gpus_than_there_are_is_an_error(
    tiny: Path, frames: Path, tmp_path: Path, run: Run
) -> None:
    import torch

    count = torch.cuda.device_count() + 1
    code, _, err = run("infer", tiny, frames, "-o", tmp_path / "out", "--gpus", count)
    assert code == 1
    assert "'cuda' is not available" in err or "GPUs were requested" in err
    assert not (tmp_path / "out").exists()


def test_an_error_of_one_worker_ends_all_and_is_reported_once(
    tiny: Path, many: Path, tmp_path: Path
) -> None:
    tiny.with_name("tiny.pth").write_bytes(b"damaged")
    code, _, err = infer(tiny, many, tmp_path / "out", "--workers", 2)
    assert code == 1
    assert err.count("tiny.pth contains more than tensors") == 1
    assert "restart" not in err


def test_the_place_of_a_worker_is_read_from_the_environment() -> None:
    assert read_rank_info({}) is None
    assert read_rank_info({"SLURM_NTASKS": "8", "SLURM_PROCID": "0"}) is None
    torchrun = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"}
    assert read_rank_info(torchrun | {"TORCHELASTIC_RESTART_COUNT": "2"}) == RankInfo(
        rank=5, world_size=8, local_rank=1, local_world_size=4, restarts=2
    )
    slurm = {"SLURM_STEP_ID": "0", "SLURM_NTASKS": "8", "SLURM_NNODES": "2"}
    assert read_rank_info(slurm | {"SLURM_PROCID": "5", "SLURM_LOCALID": "1"}) == RankInfo(
        rank=5, world_size=8, local_rank=1, local_world_size=4
    )


def test_the_function_changes_nothing_in_the_callers_process(
    sharp: Path, frames: Path, tmp_path: Path
) -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    environment, handlers = dict(os.environ), [signal.getsignal(number) for number in numbers]
    record = bddseg.infer(str(sharp), frames, tmp_path / "out", device="cpu", num_workers=2)
    assert record is not None
    assert (record.status, record.done, len(record.workers)) == ("finished", 5, 2)
    assert dict(os.environ) == environment
    assert [signal.getsignal(number) for number in numbers] == handlers


def test_the_function_raises_what_a_worker_raises(tiny: Path, frames: Path, tmp_path: Path) -> None:
    tiny.with_name("tiny.pth").write_bytes(b"damaged")
    with pytest.raises(BddsegError, match="contains more than tensors"):
        bddseg.infer(str(tiny), frames, tmp_path / "out", device="cpu", num_workers=2)
