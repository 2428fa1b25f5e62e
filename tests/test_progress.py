import threading
import time
from collections.abc import Iterator

import pytest

from bddseg.errors import BddsegError
from bddseg.progress import map_in_threads, pluralize


def test_results_have_the_order_of_the_items() -> None:
    def square(item: int) -> int:
        time.sleep(0.002 * (item % 3))
        return item * item

    with map_in_threads(square, range(50), 4) as results:
        assert list(results) == [item * item for item in range(50)]


def test_a_bddseg_error_is_a_result_and_the_rest_continues() -> None:
    def work(item: int) -> int:
        if item == 1:
            raise BddsegError("one")
        return item

    with map_in_threads(work, range(3), 2) as (first, second, third):
        assert (first, str(second), third) == (0, "one", 2)


def test_only_a_few_items_are_read_ahead() -> None:
    read = []

    def items() -> Iterator[int]:
        for item in range(1000):
            read.append(item)
            yield item

    with map_in_threads(lambda item: item, items(), 2) as results:
        next(results)
        assert len(read) < 20


def test_an_error_in_the_middle_ends_threads_and_items_while_it_is_handled() -> None:
    before, is_closed = set(threading.enumerate()), False

    def items() -> Iterator[int]:
        nonlocal is_closed
        try:
            yield from range(1000)
        finally:
            is_closed = True

    with (
        pytest.raises(ValueError, match="in the middle"),
        map_in_threads(lambda item: item, items(), 2) as results,
    ):
        next(results)
        raise ValueError("in the middle")
    # `results` still exists, as it does while an error is handled.
    assert results
    assert set(threading.enumerate()) <= before
    assert is_closed


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 frames"), (1, "1 frame"), (2, "2 frames"), (1000, "1,000 frames")]
)
def test_counts_are_pluralized(count: int, text: str) -> None:
    assert pluralize(count, "frame") == text


def test_irregular_plurals_are_given() -> None:
    assert (pluralize(1, "entry", "entries"), pluralize(2, "entry", "entries")) == (
        "1 entry",
        "2 entries",
    )
