"""`bddseg infer` of live sources, as a user runs it."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from live_servers import MjpegServer, encode_numbered
from support import Run

pytest.importorskip("av", reason="needs the video extra")

pytestmark = pytest.mark.timeout(90)


def start(*arguments: object) -> "subprocess.Popen[bytes]":
    """Start the command."""
    return subprocess.Popen(
        [sys.executable, "-m", "bddseg", *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def wait_until_masks(folder: Path, count: int) -> None:
    end = time.monotonic() + 40
    while len(list(folder.glob("masks/*.png"))) < count and time.monotonic() < end:
        time.sleep(0.05)


def test_ctrl_c_ends_a_live_run_with_complete_results(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with MjpegServer() as server:
        process = start("infer", tiny, server.url, "-o", out, "--format", "mask,rle")
        try:
            wait_until_masks(out, 3)
            process.send_signal(signal.SIGINT)
            text, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    record = json.loads((out / "run.json").read_text())
    assert process.returncode == 130, errors
    assert record["status"] == "interrupted"
    assert len(list((out / "masks").glob("*.png"))) == record["done"] >= 3
    assert (out / "drivable.json").is_file()
    assert f"{record['done']} of {record['frames']} frames done, ".encode() in text
    assert b"latency" in text
    assert b"Interrupted. Files written so far are complete." in errors
    assert b"Traceback" not in errors


def test_dropped_frames_are_in_the_summary(run: Run, tiny: Path, tmp_path: Path) -> None:
    with MjpegServer(rate=200) as server:
        code, text, errors = run("infer", tiny, server.url, "-o", tmp_path / "out", "-n", 4)
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert code == 0, errors
    assert record["dropped"] > 0
    assert f"4 of {record['frames']} frames done, {record['dropped']} dropped for newer" in text


def test_standard_input_is_a_source(tiny: Path, tmp_path: Path) -> None:
    process = start("infer", tiny, "-", "-o", tmp_path / "out", "--no-drop", "--json")
    data = b"".join(map(encode_numbered, range(5)))
    text, errors = process.communicate(data, timeout=60)
    assert process.returncode == 0, errors
    assert json.loads(text)["done"] == 5
    assert len(list((tmp_path / "out" / "masks").iterdir())) == 5


def test_a_browser_can_watch_and_nothing_has_to_be_written(tiny: Path, tmp_path: Path) -> None:
    with MjpegServer() as server:
        process = start("infer", tiny, server.url, "--stream", "http://127.0.0.1:0")
        try:
            assert process.stderr
            found = re.search(rb"Watch at (http://127.0.0.1:\d+) in", process.stderr.readline())
            assert found
            address = found[1].decode() + "/stream"
            with requests.get(address, stream=True, timeout=30) as answer:
                part = next(answer.iter_content(4096))
            assert b"Content-Type: image/jpeg" in part
            process.send_signal(signal.SIGINT)
            text, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 130, errors
    assert b"frames done" in text


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ((), 2, "-o FOLDER is needed"),
        (("--stream", "127.0.0.1:80"), 1, "has to be http://HOST:PORT"),
        (("--raw", "bgr24:4x4", "-o", "out"), 1, "--raw says what standard input holds"),
        (("--timeout", "0", "-o", "out"), 2, "--timeout"),
        (("--workers", "2", "-o", "out"), 1, "needs one process"),
        (("--every", "2", "-o", "out"), 1, "is live"),
        (("-o", "out", "--format", "video"), 1, "'video' reads the frames again"),
        (("-o", "out"), 1, "cannot be read"),
    ],
)
def test_each_mistake_gets_one_message(
    run: Run,
    tiny: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    found, _, errors = run("infer", tiny, "http://127.0.0.1:9/", *options)
    assert (found, said in " ".join(errors.split())) == (code, True), errors
    assert not (tmp_path / "out").exists()


def test_a_port_in_use_is_an_error(run: Run, tiny: Path, frames: Path) -> None:
    with MjpegServer() as server:
        used = server.url.removesuffix("/video")
        code, _, errors = run("infer", tiny, frames, "--stream", used)
    assert code == 1
    assert "is in use" in errors


def test_a_window_needs_a_display(
    run: Run, tiny: Path, frames: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    code, _, errors = run("infer", tiny, frames, "--show")
    assert code == 1
    assert "--show needs a display" in errors
    assert "--stream http://127.0.0.1:8080" in errors


def test_a_window_needs_an_opencv_that_has_them(
    run: Run, tiny: Path, frames: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import cv2

    gui = re.search(r"GUI:\s+(\w+)", cv2.getBuildInformation())
    if not gui or gui[1] != "NONE":
        pytest.skip("this OpenCV has windows")
    monkeypatch.setenv("DISPLAY", ":99")
    code, _, errors = run("infer", tiny, frames, "--show")
    assert code == 1
    assert "pip install opencv-python" in errors
