"""A maximum rate of live sources."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from live_servers import MjpegServer, draw_number, open_live, read_numbers

from bddseg.data.sources.live import IterableSource
from bddseg.data.sources.live_reader import Grab
from bddseg.data.sources.pace import Pace
from bddseg.data.sources.source import LiveOptions, Selection, open_source
from bddseg.errors import BddsegError

pytest.importorskip("av", reason="needs the video extra")

pytestmark = pytest.mark.timeout(60)


def choose(times: list[float], max_fps: float) -> list[float]:
    """Return the times of the frames that are due."""
    pace = Pace(max_fps)
    due = []
    for each in times:
        if each >= pace.due_s:
            pace.use(each)
            due.append(each)
    return due


@pytest.mark.parametrize(("rate", "max_fps"), [(30, 5), (30, 20), (30, 29), (7, 5)])
def test_of_frames_that_come_too_fast_as_many_as_allowed_are_due(rate: int, max_fps: float) -> None:
    due = choose([number / rate for number in range(20 * rate)], max_fps)
    assert 0.9 * 20 * max_fps <= len(due) <= 20 * max_fps + 1
    assert min(np.diff(due)) >= 0.5 / max_fps - 1e-9


def test_frames_at_the_maximum_rate_are_all_due_though_their_times_vary() -> None:
    noise = np.random.default_rng(0).uniform(-0.045, 0.045, 200)
    times = [number / 5 + shift for number, shift in enumerate(noise.tolist())]
    assert len(choose(times, 5)) >= 198


def test_a_pause_is_not_made_up_for() -> None:
    due = choose([0, *(100 + number / 30 for number in range(60))], 5)
    assert len(due) <= 12


@pytest.mark.parametrize("pause_s", [0.0, 0.25], ids=["fast", "slow"])
def test_frames_in_between_are_dropped_and_counted_and_those_used_are_new(pause_s: float) -> None:
    with MjpegServer(rate=50) as server:
        source = open_live(server.url, limit=7, max_fps=5)
        came, ages = [], []
        for ref in source.items():
            assert ref.came_s is not None
            came.append(ref.came_s)
            ages.append(time.monotonic() - ref.came_s)
            time.sleep(pause_s)
    # The first interval may be half as long.
    assert came[-1] - came[0] >= (6 - 0.5) / 5 - 0.01
    assert np.median(ages) < 0.09
    assert source.stats.received == source.stats.dropped + 7
    assert source.stats.dropped >= 20


def test_a_sender_that_waits_is_slowed_down() -> None:
    with MjpegServer(rate=200) as server:
        started_s = time.monotonic()
        source = open_live(server.url, limit=6, max_fps=10, drop=False)
        assert [number for _, number in read_numbers(source)] == list(range(6))
    assert time.monotonic() - started_s >= 0.45
    assert source.stats.dropped == 0


def open_timed(*pauses_s: float, **options: Any) -> IterableSource:
    """Return a source of numbered frames with a pause after each."""

    def receive() -> Iterator[Grab]:
        for number, pause_s in enumerate(pauses_s):
            yield partial(draw_number, number)
            time.sleep(pause_s)

    return IterableSource(receive, Selection(live=LiveOptions(max_fps=1, **options)))


@pytest.mark.parametrize("drop", [True, False])
def test_each_frame_up_to_the_end_is_used_or_counted_as_dropped(drop: bool) -> None:
    source = open_timed(0.05, 0.05, 0.05, 0, drop=drop)
    used = len(list(read_numbers(source)))
    assert used == (1 if drop else 4)
    assert (source.stats.received, source.stats.dropped) == (4, 4 - used)


def test_a_frame_that_came_too_early_is_not_used_later() -> None:
    source = open_timed(0.05, 1.4, 0)
    assert [number for _, number in read_numbers(source, pause_s=0.8)] == [0, 2]
    assert source.stats.dropped == 1


def test_the_rate_of_files_is_not_limited(tmp_path: Path) -> None:
    with pytest.raises(BddsegError, match=r"--max-fps limits the rate of a live source.*--every"):
        open_source(str(tmp_path), Selection(live=LiveOptions(max_fps=5)))


@pytest.mark.parametrize("max_fps", [0.0, -1.0, float("nan"), float("inf")])
def test_a_maximum_rate_is_above_0(max_fps: float) -> None:
    with pytest.raises(BddsegError, match="--max-fps is the number of frames per second"):
        open_live("http://127.0.0.1/", max_fps=max_fps)
