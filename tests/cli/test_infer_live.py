"""`bddseg infer` of live sources, as a user runs it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from live_servers import MjpegServer, encode_numbered, find_free_port
from support import Run, heed_ctrl_c

from bddseg.inference.live.mjpeg_server import MjpegServer as OverlayServer
from bddseg.inference.prediction import Prediction

pytest.importorskip("av", reason="needs the video extra")

pytestmark = pytest.mark.timeout(90)


def start(*arguments: object) -> "subprocess.Popen[bytes]":
    """Start the command."""
    return subprocess.Popen(
        [sys.executable, "-m", "bddseg", *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=heed_ctrl_c,
    )


def read_message(process: "subprocess.Popen[bytes]") -> str:
    """Return the next line on stderr that is not about the progress."""
    assert process.stderr
    while (line := process.stderr.readline().decode()).startswith("Segmenting"):
        pass
    return line


def wait_until_masks(folder: Path, count: int) -> None:
    end = time.monotonic() + 40
    while len(list(folder.glob("masks/*.png"))) < count and time.monotonic() < end:
        time.sleep(0.05)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_ends_a_live_run_with_complete_results(
    tiny: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    out = tmp_path / "out"
    with MjpegServer() as server:
        process = start("infer", tiny, server.url, "-o", out, "--format", "mask,rle")
        try:
            wait_until_masks(out, 3)
            process.send_signal(number)
            text, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    record = json.loads((out / "run.json").read_text())
    assert process.returncode == code, errors
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
    assert f"4 of {record['frames']} frames done, {record['dropped']} dropped, in" in text
    p50, p99 = (f"{record['latency_ms'][name]:.0f} ms" for name in ("p50", "p99"))
    assert f", latency p50 {p50}, p99 {p99})." in text


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


def test_an_address_that_is_printed_can_be_opened(
    run: Run, tiny: Path, frames: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = []
    show = OverlayServer.show

    def show_and_look(server: OverlayServer, prediction: Prediction) -> None:
        show(server, prediction)
        pages.append(requests.get(server.watch_url, timeout=10).text)

    monkeypatch.setattr(OverlayServer, "show", show_and_look)
    code, _, errors = run("infer", tiny, frames, "-n", 1, "--stream", "http://0.0.0.0:0")
    assert code == 0, errors
    found = re.search(r"Watch at http://(.+):\d+ in a browser", errors)
    assert found
    assert found[1] != "0.0.0.0"
    assert 'src="/stream"' in pages[0]


def test_the_connection_is_reported_without_secrets(tiny: Path, tmp_path: Path) -> None:
    port = find_free_port()
    url = f"http://me:secret@127.0.0.1:{port}/video"
    process = start("infer", tiny, url, "-o", tmp_path, "--wait", "60", "--reconnects", "3")
    try:
        lines = [read_message(process)]
        with MjpegServer(port=port) as server:
            lines.append(read_message(process))
            wait_until_masks(tmp_path, 1)
            server.disconnect()
            lines += [read_message(process) for _ in range(2)]
            process.send_signal(signal.SIGINT)
            text, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    name = f"http://***@127.0.0.1:{port}/video"
    refused, opened, lost, again = lines
    assert refused == (f"{name} cannot be read yet (Connection refused); trying again for 60 s.\n")
    assert opened == f"{name} was opened.\n"
    assert re.fullmatch(re.escape(name) + r" was lost \(.+\); opening it again, 1 of 3\.\n", lost)
    assert again == f"{name} was opened again.\n"
    assert b"source opened again 1 time" in text


def test_a_live_run_has_a_maximum_rate(run: Run, tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with MjpegServer(rate=50) as server:
        options = ("-o", out, "-n", 6, "--max-fps", 5)
        code, _, errors = run("infer", tiny, server.url, *options)
    assert code == 0, errors
    times = [float(line.split(",")[1]) for line in (out / "frames.csv").read_text().split()[1:]]
    assert times[-1] - times[0] >= 0.89
    assert json.loads((out / "run.json").read_text())["dropped"] >= 10


LIST_MODULES = (
    "import sys; from bddseg.cli.app import app; app(sys.argv[1:], standalone_mode=False); "
)
LIST_MODULES += "print(' '.join(sys.modules))"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("FRAMES", "--stream", "USED"), "is in use"),
        (("FRAMES", "--stream", "8080"), "has to be http://HOST:PORT"),
        (("FRAMES", "--show"), "--show needs a display"),
        (("99", "-o", "out"), "There is no camera 99"),
        (("rtsp://127.0.0.1:9/", "-o", "out", "--smooth", "0"), "--smooth is the weight"),
        (("rtsp://127.0.0.1:9/", "-o", "out", "--every", "2"), "--max-fps"),
        (("FRAMES", "--show", "--max-fps", "5"), "--max-fps limits the rate of a live source"),
    ],
)
def test_mistakes_show_before_torch_is_imported(
    tiny: Path, frames: Path, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    if sys.platform != "linux":
        pytest.skip("cameras are files, and displays are variables, on Linux alone")
    with MjpegServer() as server:
        values = {"FRAMES": str(frames), "USED": server.url.removesuffix("/video")}
        command = ["infer", str(tiny), *(values.get(word, word) for word in options)]
        result = subprocess.run(
            [sys.executable, "-c", LIST_MODULES, *command],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
            env={
                name: value
                for name, value in os.environ.items()
                if name not in ("DISPLAY", "WAYLAND_DISPLAY")
            },
        )
    assert said in result.stderr
    assert "bddseg.cli.app" in result.stdout
    assert "torch" not in result.stdout.split()


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ((), 2, "-o FOLDER is needed"),
        (("--stream", "127.0.0.1:80"), 1, "has to be http://HOST:PORT"),
        (("--raw", "bgr24:4x4", "-o", "out"), 1, "--raw says what standard input holds"),
        (("--timeout", "0", "-o", "out"), 2, "--timeout"),
        (("--workers", "2", "-o", "out"), 1, "needs one process"),
        (("--every", "2", "-o", "out"), 1, "or --max-fps N for fewer frames per second"),
        (("--max-fps", "0", "-o", "out"), 2, "--max-fps"),
        (("--wait", "-1", "-o", "out"), 2, "--wait"),
        (("-o", "out", "--format", "video"), 1, "'video' reads the frames again"),
        (("-o", "out"), 1, "--wait SECONDS waits for what is not up yet"),
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
