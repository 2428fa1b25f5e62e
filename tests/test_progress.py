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

    assert list(map_in_threads(square, range(50), 4)) == [item * item for item in range(50)]


def test_a_bddseg_error_is_a_result_and_the_rest_continues() -> None:
    def work(item: int) -> int:
        if item == 1:
            raise BddsegError("one")
        return item

    first, second, third = map_in_threads(work, range(3), 2)
    assert (first, str(second), third) == (0, "one", 2)


def test_only_a_few_items_are_read_ahead() -> None:
    read = []
    num_threads = threading.active_count()

    def items() -> Iterator[int]:
        for item in range(1000):
            read.append(item)
            yield item

    results = map_in_threads(lambda item: item, items(), 2)
    next(results)
    assert len(read) < 20
    results.close()  # type: ignore[attr-defined]
    assert threading.active_count() == num_threads


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
