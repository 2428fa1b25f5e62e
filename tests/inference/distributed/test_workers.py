"""Runs of several workers, as real processes: shared, killed, stopped, resumed."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from worker_runs import (
    COUNT,
    assert_same,
    find_workers,
    finish,
    is_running,
    list_masks,
    list_processes,
    make_environment,
    read_run,
    start,
    wait_for_masks,
)

import bddseg
from bddseg.errors import BddsegError

# A batch takes so long that a worker which starts seconds after another finds work.
SLOW = {"SLOW_S": "0.2"}


def resume(model: Path, source: Path, out: Path) -> None:
    """Finish a run in this process."""
    there = len(list_masks(out))
    record = bddseg.infer(str(model), source, out, device="cpu")
    assert record is not None
    assert (record.done, record.skipped) == (COUNT - there, there)


def test_two_workers_write_the_same_masks_as_one_and_change_nothing_in_the_callers_process(
    sharp: Path, many: Path, reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "two"
    for name, value in make_environment(tmp_path, SLOW).items():
        monkeypatch.setenv(name, value)
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    environment, handlers = dict(os.environ), [signal.getsignal(number) for number in numbers]
    record = bddseg.infer(str(sharp), many, out, device="cpu", num_workers=2)
    assert dict(os.environ) == environment
    assert [signal.getsignal(number) for number in numbers] == handlers
    assert_same(reference, out)
    assert record is not None
    assert (record.status, record.done) == ("finished", COUNT)
    assert sum(worker.done for worker in record.workers) == COUNT
    assert min(worker.done for worker in record.workers) > 0
    assert len({worker.pid for worker in record.workers}) == 2
    assert all(worker.seconds["network"] > 0 for worker in record.workers)
    assert all(worker.peak_memory_mb["process"] > 50 for worker in record.workers)


def test_two_machines_share_a_run(sharp: Path, many: Path, reference: Path, tmp_path: Path) -> None:
    out = tmp_path / "both"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ("--nnodes", 2, "--rdzv-endpoint", f"127.0.0.1:{port}", "--node-rank")
    second = start(sharp, many, out, *options, 1, environment=SLOW)
    first = start(sharp, many, out, *options, 0, environment=SLOW)
    assert finish(first)[0] == 0
    assert finish(second) == (0, "", "")
    assert_same(reference, out)
    record = read_run(out)
    assert len(record["workers"]) == 2
    assert record["done"] == COUNT
    assert not list(out.glob(".*"))


def test_torchrun_itself_can_start_the_workers(
    sharp: Path, many: Path, reference: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += ["-m", "bddseg", "infer", str(sharp), str(many), "-o", str(out), "--device", "cpu"]
    # torchrun leaves a folder for logs.
    environment = os.environ | make_environment(tmp_path, SLOW) | {"TMPDIR": str(tmp_path)}
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("frames done") == 1
    assert_same(reference, out)
    assert len(read_run(out)["workers"]) == 2


def test_a_rank_that_starts_when_all_is_done_has_nothing_to_do(
    sharp: Path, many: Path, reference: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ranks = [
        {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
        for rank in "01"
    ]
    first = start(sharp, many, out, environment=ranks[0])
    wait_for_masks(first, out, COUNT)
    second = start(sharp, many, out, environment=ranks[1])
    assert finish(second) == (0, "", "")
    assert finish(first)[0] == 0
    assert_same(reference, out)


def test_workers_that_are_killed_or_stopped_are_started_again(
    sharp: Path, many: Path, reference: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    options = ("--workers", 2, "--stall-timeout", 2)
    process = start(sharp, many, out, *options, environment=SLOW)
    killed, stopped = find_workers(process)
    wait_for_masks(process, out, 8)
    os.kill(killed, signal.SIGKILL)
    os.kill(stopped, signal.SIGSTOP)
    code, text, err = finish(process)
    assert code == 0, err
    assert f"{COUNT} of {COUNT} frames done" in text
    assert "with 2 workers" in text
    assert f"(process {killed}) was killed by SIGKILL; the workers of its machine are" in err
    assert f"(process {stopped} on " in err
    assert "has sent no heartbeat for 2 s; it was at" in err
    assert "started again (restart 1 of 3)" in err
    assert_same(reference, out)
    assert read_run(out)["restarts"] == 1


def test_workers_that_die_more_often_than_allowed_end_a_run_that_can_be_resumed(
    sharp: Path, many: Path, reference: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = start(sharp, many, out, "--workers", 2, "--max-restarts", 0, environment=SLOW)
    killed, other = find_workers(process)
    wait_for_masks(process, out, 8)
    os.kill(killed, signal.SIGKILL)
    code, _, err = finish(process)
    assert code == 1
    assert f"(process {killed}) was killed by SIGKILL, after 0 restarts" in err
    assert "run the same command again" in err
    assert not is_running(other)
    record = read_run(out)
    assert (record["status"], record["restarts"]) == ("failed", 0)
    assert record["done"] <= len(list_masks(out)) < COUNT
    resume(sharp, many, out)
    assert_same(reference, out)


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_stops_all_workers_within_seconds(
    sharp: Path,
    many: Path,
    reference: Path,
    tmp_path: Path,
    number: signal.Signals,
    exit_code: int,
) -> None:
    out = tmp_path / "out"
    process = start(sharp, many, out, "--workers", 2, environment=SLOW)
    workers = find_workers(process)
    wait_for_masks(process, out, 8)
    started = time.monotonic()
    # A terminal tells all processes in the foreground; `kill` tells one.
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    code, _, err = finish(process)
    assert time.monotonic() - started < 15
    assert code == exit_code
    assert "The same command resumes the run" in err
    assert not any(map(is_running, workers))
    record = read_run(out)
    assert record["status"] == "interrupted"
    assert record["done"] == len(list_masks(out)) < COUNT
    resume(sharp, many, out)
    assert_same(reference, out)


def test_a_run_whose_launcher_was_killed_is_resumed_and_its_workers_do_not_outlive_it(
    sharp: Path, many: Path, reference: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = start(sharp, many, out, "--workers", 2, environment=SLOW)
    workers = find_workers(process)
    wait_for_masks(process, out, 1)
    process.kill()
    process.communicate()
    end = time.monotonic() + 10
    while any(map(is_running, workers)):
        assert time.monotonic() < end
        time.sleep(0.1)
    assert len(list_masks(out)) < COUNT
    resume(sharp, many, out)
    assert_same(reference, out)


def test_an_error_of_one_worker_ends_all_and_is_raised_once(
    tiny: Path, frames: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tiny.with_name("tiny.pth").write_bytes(b"damaged")
    # Other tests of this process may have started some that stay.
    before = list_processes(os.getpid())
    with pytest.raises(BddsegError, match="cannot be read as a checkpoint"):
        bddseg.infer(str(tiny), frames, tmp_path / "out", device="cpu", num_workers=2)
    assert capfd.readouterr() == ("", "")
    assert not (tmp_path / "out").exists()
    assert list_processes(os.getpid()) == before


@pytest.mark.parametrize("options", [(), ("--workers", 2)])
def test_a_result_that_cannot_be_written_ends_the_run_with_one_message_and_no_restart(
    sharp: Path, many: Path, tmp_path: Path, options: tuple[object, ...]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "masks").write_text("no folder")
    code, text, err = finish(start(sharp, many, out, "--overwrite", *options))
    assert (code, text) == (1, "")
    assert err.count("Cannot write") == 1
    assert "started again" not in err
    assert "Traceback" not in err
    record = read_run(out)
    assert (record["status"], record["restarts"], record["done"]) == ("failed", 0, 0)


def test_no_process_of_a_run_outlives_torchruns_agent(
    sharp: Path, many: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = start(sharp, many, out, "--workers", 2, environment=SLOW)
    workers = find_workers(process)
    wait_for_masks(process, out, 1)
    (agent,) = list_processes(process.pid)
    os.kill(agent, signal.SIGKILL)
    code, _, err = finish(process)
    assert code == 1
    assert "The process that starts the workers was killed by SIGKILL" in err
    assert read_run(out)["status"] == "failed"
    assert not any(map(is_running, workers))
