"""The work queue, in a store of one process."""

from pathlib import Path

import pytest
from torch.distributed import HashStore

import bddseg
from bddseg.errors import BddsegError
from bddseg.inference.distributed.queue import Plan, WorkQueue
from bddseg.record import Failure, read_record


def test_each_work_item_is_claimed_once() -> None:
    store = HashStore()
    queues = [WorkQueue(store), WorkQueue(store)]
    assert queues[1].wait_for_plan(lambda: True) is None
    queues[0].publish(Plan(num_items=3, first_written_ns=7))
    plan = queues[1].wait_for_plan(lambda: False)
    assert plan == Plan(num_items=3, first_written_ns=7)
    claimed = [queues[number % 2].claim(plan) for number in range(5)]
    assert claimed == [0, 1, 2, None, None]


def test_failures_and_the_first_error_are_passed_on() -> None:
    queue = WorkQueue(HashStore())
    for name in ("a", "b"):
        queue.report_failure(Failure(frame=name, error="broken"))
    assert [failure.frame for failure in queue.read_failures(1)] == ["b"]
    assert queue.read_abort() is None
    queue.abort(BddsegError("first", "hint"))
    queue.abort(BddsegError("second"))
    assert str(queue.read_abort()) == "first hint"


def test_a_run_of_which_frames_were_lost_is_not_finished(
    tiny: Path, frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = WorkQueue.claim

    def lose_the_first(queue: WorkQueue, plan: Plan) -> int | None:
        number = claim(queue, plan)
        return claim(queue, plan) if number == 0 else number

    monkeypatch.setattr(WorkQueue, "claim", lose_the_first)
    out = tmp_path / "out"
    with pytest.raises(BddsegError, match="1 of 5 frames have neither a result nor an error"):
        bddseg.infer(str(tiny), frames, out, device="cpu")
    record = read_record(out)
    assert record is not None
    assert (record.status, record.done) == ("failed", 4)
    monkeypatch.undo()
    resumed = bddseg.infer(str(tiny), frames, out, device="cpu")
    assert resumed is not None
    assert (resumed.status, resumed.done, resumed.skipped) == ("finished", 1, 4)
