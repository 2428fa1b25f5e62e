"""Downloads that are interrupted, and continued."""

import signal
import subprocess
import time
from collections import deque
from pathlib import Path

import pytest
from support import Run, heed_ctrl_c
from zoo.downloads import (
    BODY,
    COMMAND,
    OTHER,
    PATH,
    assert_downloaded,
    assert_refused,
    get_cached,
    get_part,
    wait_until,
)
from zoo.site import Fault, File, Site


def test_a_broken_connection_is_resumed(model: Path, site: Site, run: Run) -> None:
    site.files[PATH].faults = deque([Fault(cut_after=1_000_000), Fault(cut_after=900_000)])
    assert run("zoo", "download", model)[0] == 0
    assert_downloaded(model)
    assert site.count_sent(PATH) < 1.2 * len(BODY)
    ranges = [request.headers.get("Range") for request in site.requests if request.path == PATH]
    assert len(ranges) == 3
    assert ranges[0] is None


def test_retries_are_not_counted_while_there_is_progress(model: Path, site: Site, run: Run) -> None:
    site.files[PATH].faults = deque([Fault(cut_after=400_000)] * 7)
    assert run("zoo", "download", model, "--retries", 1)[0] == 0
    assert_downloaded(model)


def test_it_stops_when_there_is_no_progress(model: Path, site: Site, run: Run) -> None:
    site.files[PATH].faults = deque([Fault(cut_after=0)] * 9)
    result = run("zoo", "download", model, "--retries", 1)
    assert_refused(model, result, "2 times in a row", site.url + PATH)


def test_a_killed_download_is_resumed_by_the_next_command(
    model: Path, site: Site, run: Run
) -> None:
    site.files[PATH].pause_s = 0.01
    process = subprocess.Popen([*COMMAND, "zoo", "download", str(model)])
    wait_until(lambda: get_part(model).exists() and get_part(model).stat().st_size > 1_000_000)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not get_cached(model).exists()
    arrived = get_part(model).stat().st_size
    site.files[PATH].pause_s = 0.0
    site.requests.clear()
    assert run("zoo", "download", model)[0] == 0
    assert_downloaded(model)
    assert site.count_sent(PATH) == len(BODY) - arrived


def test_ctrl_c_ends_a_download_and_keeps_the_part(model: Path, site: Site, run: Run) -> None:
    site.files[PATH].pause_s = 0.1
    process = subprocess.Popen(
        [*COMMAND, "zoo", "download", str(model)],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_ctrl_c,
    )
    wait_until(lambda: get_part(model).exists() and get_part(model).stat().st_size > 0)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert 0 < get_part(model).stat().st_size < len(BODY)


def test_a_server_without_ranges_starts_over(model: Path, site: Site, run: Run) -> None:
    site.files[PATH].ranges = False
    site.files[PATH].faults = deque([Fault(cut_after=1_000_000)])
    assert run("zoo", "download", model)[0] == 0
    assert_downloaded(model)


@pytest.mark.parametrize("supports_if_range", [True, False])
def test_a_file_that_changed_starts_over(
    model: Path, site: Site, run: Run, supports_if_range: bool
) -> None:
    site.files[PATH] = File(body=OTHER, faults=deque([Fault(cut_after=1_000_000)]))
    assert run("zoo", "download", model, "--retries", 0)[0] == 1
    assert 900_000 < get_part(model).stat().st_size <= 1_000_000
    site.files[PATH] = File(
        body=BODY, etag='"two"', supports_if_range=supports_if_range, pause_s=0.002
    )
    site.requests.clear()
    assert run("zoo", "download", model)[0] == 0
    assert_downloaded(model)
    # The rest of the new file was not appended to the part of the old one.
    assert site.count_sent(PATH) < 1.3 * len(BODY)


def test_a_part_without_an_etag_that_does_not_match_starts_over(
    model: Path, site: Site, run: Run
) -> None:
    site.files[PATH] = File(body=OTHER, etag=None, faults=deque([Fault(cut_after=1_000_000)]))
    assert run("zoo", "download", model, "--retries", 0)[0] == 1
    site.files[PATH] = File(body=BODY, etag=None)
    assert run("zoo", "download", model)[0] == 0
    assert_downloaded(model)


def test_a_file_that_shrank_below_the_part_starts_over(model: Path, site: Site, run: Run) -> None:
    site.files[PATH] = File(body=OTHER + OTHER, faults=deque([Fault(cut_after=4_000_000)]))
    assert run("zoo", "download", model, "--retries", 0)[0] == 1
    site.files[PATH] = File(body=BODY)
    assert run("zoo", "download", model)[0] == 0
    assert_downloaded(model)


def test_a_body_of_unknown_length_is_accepted(model: Path, site: Site, run: Run) -> None:
    site.files[PATH].sends_length = False
    assert run("zoo", "download", model)[0] == 0
    assert_downloaded(model)


def test_a_stalled_connection_is_resumed(model: Path, site: Site, run: Run) -> None:
    site.files[PATH].faults = deque([Fault(cut_after=1_000_000, stall_s=20.0)])
    start = time.monotonic()
    assert run("zoo", "download", model, "--timeout", 0.5)[0] == 0
    assert time.monotonic() - start < 15
    assert_downloaded(model)
    assert site.count_sent(PATH) < 1.2 * len(BODY)


def test_a_server_that_only_stalls_is_an_error(model: Path, site: Site, run: Run) -> None:
    site.files[PATH].faults = deque([Fault(cut_after=0, stall_s=20.0)] * 3)
    result = run("zoo", "download", model, "--timeout", 0.3, "--retries", 1)
    assert_refused(model, result, "2 times in a row")
