"""The work queue."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bddseg.data.sources.source import FrameRef
from bddseg.inference.distributed.queue import WorkQueue
from bddseg.inference.manifest import Manifest, Outcome, WorkItem, write_manifest
from bddseg.record import Failure


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[WorkQueue]:
    """Three work items, of two frames each."""
    refs = [FrameRef("drive.mp4", f"{number}", number, number // 2) for number in range(6)]
    write_manifest(tmp_path / "manifest", refs, num_workers=1)
    with Manifest(tmp_path / "manifest") as manifest:
        yield WorkQueue(manifest, [])


def complete(queue: WorkQueue, worker: int, item: WorkItem | None, failures: int = 0) -> None:
    assert item is not None
    failed = [Failure(frame="x", error="x")] * failures
    done = len(item.refs) - failures
    queue.complete(worker, Outcome(number=item.number, left=0, done=done, failures=failed))


def test_each_work_item_is_claimed_once_and_in_order(queue: WorkQueue) -> None:
    items = [queue.claim(worker) for worker in (1, 2, 1)]
    assert [item.refs[0].name for item in items if item] == ["0", "2", "4"]
    assert queue.claim(1) is queue.claim(2) is None
    for worker, item in zip((1, 2, 1), items, strict=True):
        assert not queue.is_complete
        complete(queue, worker, item)
    assert queue.is_complete
    assert queue.done == 6


def test_what_a_worker_gives_back_goes_to_others(queue: WorkQueue) -> None:
    given_back = queue.claim(1)
    assert given_back is not None
    queue.release(1)
    assert queue.claim(2) == given_back
    # Its results that are there already are of the same run.
    queue.complete(2, Outcome(number=given_back.number, left=0, done=1, skipped=1))
    assert (queue.done, queue.skipped) == (2, 0)


def test_frames_of_a_dead_worker_are_done_one_at_a_time_and_last(queue: WorkQueue) -> None:
    queue.claim(1)
    queue.requeue_after_death(1)
    for _ in range(2):
        complete(queue, 2, queue.claim(2))
    names = []
    while not queue.is_complete:
        item = queue.claim(2)
        assert item is not None
        assert queue.claim(2) is None
        names += [ref.name for ref in item.refs]
        complete(queue, 2, item)
    assert names == ["0", "1"]
    assert (queue.done, queue.num_fatal_frames) == (6, 0)


def test_a_frame_of_which_two_workers_died_fails(tmp_path: Path) -> None:
    refs = [FrameRef(f"{name}.jpg", name) for name in "abc"]
    write_manifest(tmp_path / "manifest", refs, num_workers=1)
    failures: list[Failure] = []
    with Manifest(tmp_path / "manifest") as manifest:
        queue = WorkQueue(manifest, failures)
        for worker in (1, 2):
            queue.claim(worker)
        queue.requeue_after_death(1)
        complete(queue, 2, WorkItem(number=1, refs=refs[1:2]))
        complete(queue, 2, queue.claim(2))
        suspect = queue.claim(3)
        assert suspect is not None
        assert suspect.is_suspect
        queue.requeue_after_death(3)
    assert queue.is_complete
    assert [failure.error for failure in failures] == [
        "a.jpg: two workers died while they processed it."
    ]
    assert queue.num_fatal_frames == 1
