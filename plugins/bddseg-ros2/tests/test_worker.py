"""The thread that handles the newest item."""

import threading
from threading import Event

from bddseg_ros2.worker import NewestItemWorker


def fail(error: BaseException) -> None:
    raise error


def test_the_newest_item_replaces_the_one_that_waits() -> None:
    handled: list[int] = []
    has_started, may_go_on, is_done = Event(), Event(), Event()

    def handle(item: int) -> None:
        handled.append(item)
        has_started.set()
        assert may_go_on.wait(30)
        if item == 3:
            is_done.set()

    worker = NewestItemWorker(handle, fail)
    assert not worker.put(0)
    assert has_started.wait(30)
    assert [worker.put(item) for item in (1, 2, 3)] == [False, True, True]
    may_go_on.set()
    assert is_done.wait(30)
    worker.close()
    assert handled == [0, 3]


def test_an_error_ends_the_thread_and_is_reported() -> None:
    errors: list[BaseException] = []
    is_reported = Event()

    def report(error: BaseException) -> None:
        errors.append(error)
        is_reported.set()

    worker = NewestItemWorker([].__getitem__, report)
    worker.put(7)
    assert is_reported.wait(30)
    worker.put(8)
    worker.close()
    assert [type(error) for error in errors] == [IndexError]


def test_close_waits_for_the_item_that_is_handled_and_drops_the_next() -> None:
    handled: list[int] = []
    has_started, may_go_on = Event(), Event()

    def handle(item: int) -> None:
        has_started.set()
        assert may_go_on.wait(30)
        handled.append(item)

    worker = NewestItemWorker(handle, fail)
    worker.put(0)
    assert has_started.wait(30)
    worker.put(1)
    threading.Timer(0.2, may_go_on.set).start()
    worker.close()
    assert handled == [0]
