"""Wall time of stages."""

from bddseg.inference.stopwatch import Stopwatch


def test_a_stopwatch_adds_up() -> None:
    stopwatch = Stopwatch()
    for _ in range(3):
        with stopwatch.time("nothing"):
            pass
    assert 0 <= stopwatch.seconds["nothing"] < 1
