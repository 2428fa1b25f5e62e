"""Processes of a run killed or stopped at random moments; the masks are the same in the end.

    BDDSEG_NUM_KILLS=20 python -m pytest tests/inference/distributed/test_random_kills.py

kills at that many moments; the suite at two.
"""

import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

from worker_runs import COUNT, assert_same, end_all, is_running, list_processes, read_run, start

import bddseg

SEED = 0
NUM_KILLS = int(os.environ.get("BDDSEG_NUM_KILLS", "2"))


def test_masks_are_the_same_after_kills_at_random_moments(
    sharp: Path, many: Path, reference: Path, tmp_path: Path
) -> None:
    generator = random.Random(SEED)
    # As long as the frames last; then they are done anew.
    out, rounds = tmp_path / "out", 0
    for _ in range(NUM_KILLS):
        process = start(sharp, many, out, "--workers", 2, environment={"SLOW_S": "0.2"})
        time.sleep(generator.uniform(0.5, 9))
        agents = list_processes(process.pid)
        workers = [pid for agent in agents for pid in list_processes(agent)]
        processes = [process.pid, *agents, *workers]
        victims = [generator.choice(processes)] if generator.random() < 0.5 else processes
        for pid in victims:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.kill()
        process.communicate()
        end = time.monotonic() + 15
        while any(map(is_running, processes)):
            assert time.monotonic() < end
            time.sleep(0.05)
        if (out / "run.json").exists() and read_run(out)["done"] >= COUNT:
            rounds += 1
            out = tmp_path / f"out-{rounds}"
    record = bddseg.infer(str(sharp), many, out, device="cpu")
    assert record is not None
    assert record.done + record.skipped == COUNT
    assert_same(reference, out)
    end_all()
