"""The work queue, in a store of one process."""

from torch.distributed import HashStore

from bddseg.errors import BddsegError
from bddseg.inference.distributed.queue import Plan, WorkQueue
from bddseg.record import Failure


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
