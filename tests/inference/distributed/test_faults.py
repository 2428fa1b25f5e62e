"""Workers that fail, hang or are stopped, and frames that kill them."""

import os
import shutil
import signal
import time
from pathlib import Path

import cv2
import numpy as np
from worker_faults import FATAL_HEIGHT
from worker_runs import (
    COUNT,
    assert_same,
    finish,
    is_running,
    list_masks,
    list_processes,
    read_run,
    start,
    start_ranks,
    wait_for_masks,
)


def test_ranks_that_fail_or_hang_lose_no_frame(
    sharp: Path, many: Path, reference: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    faults = ("", "raise", "hang", "load")
    # Slow enough that all but the last one take part, on a busy machine too.
    good, *faulty = start_ranks(sharp, many, out, "--stall-timeout", 1, faults=faults, slow_s=0.3)
    code, text, err = finish(good)
    assert code == 0, err
    assert f"{COUNT} of {COUNT} frames done" in text
    assert_same(reference, out)
    (_, _, raised), (_, _, hung), (_, _, never_loaded) = [finish(each, 30) for each in faulty]
    # The last one was still loading when the others had done all.
    assert [each.returncode for each in faulty] == [1, 1, 0]
    assert "device-side assert triggered" in raised
    assert "has finished no frame for 10 s" in hung
    assert never_loaded == ""
    assert "Traceback" not in hung


def test_ranks_do_not_wait_for_a_coordinator_that_is_stopped(
    sharp: Path, many: Path, reference: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first, second = start_ranks(sharp, many, out, "--stall-timeout", 2, faults=("", ""))
    wait_for_masks(first, out, 24)
    os.kill(first.pid, signal.SIGSTOP)
    started = time.monotonic()
    code, _, err = finish(second, 30)
    assert time.monotonic() - started < 15
    assert code == 1
    assert "The coordinator of the run does not answer: timed out" in err
    os.kill(first.pid, signal.SIGCONT)
    assert finish(first)[0] == 0
    assert_same(reference, out)


def test_a_coordinator_that_hangs_ends_the_run_as_failed(
    sharp: Path, many: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first, second = start_ranks(sharp, many, out, "--stall-timeout", 1, faults=("hang", ""))
    code, _, err = finish(first, 60)
    assert code == 1
    assert "has finished no frame for 10 s" in err
    assert finish(second, 30)[0] == 1
    record = read_run(out)
    assert record["status"] == "failed"
    assert "has finished no frame for 10 s" in record["error"]
    assert record["done"] == len(list_masks(out)) < COUNT


def test_a_frame_of_which_two_workers_die_fails_and_the_others_are_done(
    sharp: Path, many: Path, tmp_path: Path
) -> None:
    out, source = tmp_path / "out", tmp_path / "source"
    shutil.copytree(many, source)
    cv2.imwrite(str(source / "003.jpg"), np.zeros((FATAL_HEIGHT, 120, 3), np.uint8))
    options = ("--workers", 2, "--max-restarts", 1)
    process = start(sharp, source, out, *options, environment={"SLOW_S": "0.01"})
    code, text, err = finish(process)
    assert code == 1
    assert f"{COUNT - 1} of {COUNT} frames done" in text
    assert "1 failed" in text
    assert f"Failed: {source / '003.jpg'}: two workers died while they processed it." in err
    record = read_run(out)
    assert (record["status"], record["done"]) == ("finished", COUNT - 1)
    assert "003.png" not in {path.name for path in list_masks(out)}


def test_workers_that_hang_before_their_first_heartbeat_are_started_again(
    sharp: Path, many: Path, reference: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    options = ("--workers", 2, "--stall-timeout", 1)
    process = start(sharp, many, out, *options, environment={"FAULT": "start"})
    code, _, err = finish(process)
    assert code == 0, err
    assert "was killed by SIGKILL; the workers of its machine are started again" in err
    assert_same(reference, out)
    assert read_run(out)["restarts"] == 1


def test_a_launcher_that_was_suspended_goes_on(
    sharp: Path, many: Path, reference: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    options = ("--workers", 2, "--stall-timeout", 1)
    process = start(sharp, many, out, *options, environment={"SLOW_S": "0.05"})
    wait_for_masks(process, out, 8)
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(2.5)
    os.kill(process.pid, signal.SIGCONT)
    code, _, err = finish(process)
    assert code == 0, err
    assert "are started again" in err
    assert_same(reference, out)


def test_a_run_ends_although_torchruns_agent_was_stopped(
    sharp: Path, many: Path, reference: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = start(sharp, many, out, "--workers", 2, environment={"SLOW_S": "0.05"})
    wait_for_masks(process, out, 8)
    (agent,) = list_processes(process.pid)
    os.kill(agent, signal.SIGSTOP)
    code, _, err = finish(process)
    assert code == 0, err
    assert not is_running(agent)
    assert_same(reference, out)
