import threading
import time

from bddseg.errors import BddsegError
from bddseg.progress import map_in_threads


def test_results_keep_the_order_of_the_items():
    def work(item):
        time.sleep(0.002 * (item % 3))
        return item * item

    assert list(map_in_threads(work, range(50), 4)) == [item * item for item in range(50)]


def test_an_error_of_ours_is_a_result_and_the_rest_goes_on():
    def work(item):
        if item == 1:
            raise BddsegError("one")
        return item

    first, second, third = map_in_threads(work, range(3), 2)
    assert (first, str(second), third) == (0, "one", 2)


def test_items_are_drawn_only_a_little_ahead():
    drawn = []
    threads = threading.active_count()

    def items():
        for item in range(1000):
            drawn.append(item)
            yield item

    results = map_in_threads(lambda item: item, items(), 2)
    next(results)
    assert len(drawn) < 20
    results.close()
    assert threading.active_count() == threads
