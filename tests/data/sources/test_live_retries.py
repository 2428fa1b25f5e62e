"""Live sources that are not up yet, are lost, and come back."""

import re
import sys
import threading
import time

import pytest
from live_servers import (
    LiveServer,
    MjpegServer,
    RtspServer,
    find_free_port,
    open_live,
    read_numbers,
)

from bddseg.data.sources.live import LiveSource
from bddseg.errors import BddsegError

pytest.importorskip("av", reason="needs the video extra")

pytestmark = pytest.mark.timeout(60)
SERVERS = pytest.mark.parametrize("server_type", [MjpegServer, RtspServer])


def collect_notes(source: LiveSource) -> list[str]:
    """Return the list that gets the messages of a source."""
    notes: list[str] = []
    source.reader.note = notes.append
    return notes


@SERVERS
def test_a_stream_that_goes_away_and_comes_back_goes_on(server_type: type[LiveServer]) -> None:
    with server_type() as server:
        source = open_live(server.url, limit=8)
        notes = collect_notes(source)
        numbers = []
        for _, number in read_numbers(source):
            numbers.append(number)
            if len(numbers) == 4:
                server.disconnect()
    assert len(numbers) == 8
    assert numbers == sorted(numbers)
    assert source.stats.reconnects == 1
    lost, again = notes
    assert re.search(r"/video was lost \(.+\); opening it again, 1 of 2\.$", lost)
    assert again == f"{source.name} was opened again."
    assert "secret" not in lost + again


@SERVERS
def test_a_stream_that_does_not_come_back_is_given_up(server_type: type[LiveServer]) -> None:
    started_s = time.monotonic()
    with server_type() as server:
        source = open_live(server.url)
        notes = collect_notes(source)
        with pytest.raises(BddsegError, match="2 attempts to open it again failed") as caught:
            for _ in read_numbers(source):
                server.refuses.set()
                server.disconnect()
    assert "--reconnects" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert source.stats.reconnects == 2
    assert time.monotonic() - started_s < 15
    first, second = notes
    assert first.endswith("opening it again, 1 of 2.")
    assert re.search(r"could not be opened \(.+\); opening it again, 2 of 2\.$", second)


@SERVERS
def test_a_stream_that_stalls_is_opened_again(server_type: type[LiveServer]) -> None:
    with server_type() as server:
        # More than wait on the way when the server stalls.
        source = open_live(server.url, limit=30, max_reconnects=5)
        count = 0
        for _ in read_numbers(source):
            count += 1
            if count == 2:
                server.stalls.set()
                server.when_connected(server.stalls.clear)
    assert count == 30
    assert source.stats.reconnects >= 1


def test_what_cannot_be_opened_is_an_error_at_once() -> None:
    with MjpegServer() as server:
        wrong = server.url.replace("/video", "/nothing")
        with pytest.raises(BddsegError, match=r"/nothing cannot be read: .*404"):
            list(open_live(wrong).items())
        closed = server.url
    with pytest.raises(BddsegError, match=r"cannot be read: .*[Cc]onnection refused") as caught:
        list(open_live(closed).items())
    assert "--wait SECONDS" in str(caught.value)


@SERVERS
def test_a_source_that_is_not_up_yet_is_waited_for(server_type: type[LiveServer]) -> None:
    port = find_free_port()
    with server_type(port=port) as server:
        url = server.url
    source = open_live(url, limit=3, wait_s=30)
    notes = collect_notes(source)
    started: list[LiveServer] = []
    boot = threading.Timer(1.2, lambda: started.append(server_type(port=port)))
    boot.start()
    try:
        assert len(list(read_numbers(source))) == 3
    finally:
        boot.join()
        started[0].__exit__()
    # The first failure is reported, and no other.
    failed, opened = notes
    assert re.search(r"cannot be read yet \(.*refused\); trying again for 30 s\.$", failed)
    assert opened == f"{source.name} was opened."
    assert "secret" not in failed + opened
    assert source.stats.reconnects == 0


@SERVERS
def test_a_server_that_sends_nothing_is_not_up(server_type: type[LiveServer]) -> None:
    with server_type() as server:
        server.stalls.set()
        source = open_live(server.url, limit=2, wait_s=30)
        notes = collect_notes(source)
        later = threading.Timer(1.2, server.stalls.clear)
        later.start()
        assert len(list(read_numbers(source))) == 2
        later.join()
    assert "cannot be read yet (it sent nothing for 1 s)" in notes[0]


def test_waiting_for_a_source_ends() -> None:
    started_s = time.monotonic()
    source = open_live(f"http://127.0.0.1:{find_free_port()}/?token=secret", wait_s=1.2)
    notes = collect_notes(source)
    with pytest.raises(BddsegError, match=r"refused, after 3 attempts\.") as caught:
        list(source.items())
    assert 1.2 <= time.monotonic() - started_s < 10
    assert len(notes) == 1
    assert "secret" not in notes[0] + str(caught.value)


def test_a_source_that_was_waited_for_is_opened_again_later() -> None:
    port = find_free_port()
    source = open_live(f"http://127.0.0.1:{port}/video", limit=6, wait_s=30)
    notes = collect_notes(source)
    started: list[MjpegServer] = []
    boot = threading.Timer(0.3, lambda: started.append(MjpegServer(port=port)))
    boot.start()
    try:
        for count, _ in enumerate(read_numbers(source)):
            if count == 2:
                started[0].disconnect()
    finally:
        boot.join()
        started[0].__exit__()
    assert [note.endswith("was opened again.") for note in notes][-1]
    assert source.stats.reconnects == 1


@pytest.mark.skipif(sys.platform != "linux", reason="cameras are files on Linux alone")
def test_a_camera_can_be_waited_for() -> None:
    source = open_live("99", wait_s=0.4)
    with pytest.raises(BddsegError, match="/dev/video99 does not exist, after 2 attempts"):
        list(source.items())


class DamagedAtFirst(MjpegServer):
    """Its first frames are damaged."""

    def make_jpeg(self, number: int) -> bytes:
        return super().make_jpeg(number) if number > 3 else b"\xff\xd8no image\xff\xd9"


def test_the_time_of_waiting_is_none_of_damaged_frames() -> None:
    port = find_free_port()
    source = open_live(f"http://127.0.0.1:{port}/video", limit=2, wait_s=30)
    started: list[MjpegServer] = []
    boot = threading.Timer(1.5, lambda: started.append(DamagedAtFirst(port=port)))
    boot.start()
    try:
        assert len(list(read_numbers(source))) == 2
    finally:
        boot.join()
        started[0].__exit__()
    assert source.stats.dropped >= 1
