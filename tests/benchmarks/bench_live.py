"""A live run: how late masks are, how many frames are dropped, and whether memory grows.

`bddseg infer` reads motion JPEG over HTTP from this process, on loopback: the frames of SOURCE,
again and again. A mask is late by the time from when its frame was sent to when its file was there;
its name is the number of the frame.

Run: PYTHONPATH=tests python tests/benchmarks/bench_live.py MODEL [SOURCE] [--weights FILE]
     [--runtime NAME] [--threads N] [--rate FPS] [--seconds N]
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from live_servers import MjpegServer

from bddseg.data.image import encode_jpeg
from bddseg.data.sources.source import Selection, open_source, read_all
from bddseg.demo import IMAGES
from bddseg.errors import BddsegError

_MAX_FRAMES = 200
_START_TIMEOUT_S = 300.0
_END_TIMEOUT_S = 60.0
# After the first masks: memory grows while the first frames are processed.
_WARM_UP_S = 20.0


class LoopServer(MjpegServer):
    """Sends a list of frames again and again, and keeps the time at which each was sent."""

    def __init__(self, jpegs: list[bytes], rate: float) -> None:
        self.times: list[float] = []
        self._jpegs = jpegs
        super().__init__(rate)

    def make_jpeg(self, number: int) -> bytes:
        """Return a frame, which is sent now."""
        self.times.append(time.time())
        return self._jpegs[number % len(self._jpegs)]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("source", nargs="?", default=str(IMAGES))
    parser.add_argument("--rate", type=float, default=30.0)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--weights")
    parser.add_argument("--runtime")
    parser.add_argument("--threads")
    arguments = parser.parse_args()
    frames = read_all(open_source(arguments.source, Selection(limit=_MAX_FRAMES)))
    jpegs = [encode_jpeg(image) for _, image in frames if not isinstance(image, BddsegError)]
    options = [
        word
        for name in ("weights", "runtime", "threads")
        if (value := getattr(arguments, name))
        for word in (f"--{name}", value)
    ]
    with tempfile.TemporaryDirectory() as folder, LoopServer(jpegs, arguments.rate) as server:
        out = Path(folder) / "out"
        command = [sys.executable, "-m", "bddseg", "infer", arguments.model, server.url]
        process = subprocess.Popen([*command, "-o", str(out), "-q", *options])
        try:
            resident_mb = watch(process, out / "masks", arguments.seconds)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(_END_TIMEOUT_S)
        report(out, server.times, resident_mb)


def watch(process: "subprocess.Popen[bytes]", masks: Path, seconds: float) -> list[float]:
    """Return the resident memory in MiB, every second of a run from after its start on."""
    end = time.monotonic() + _START_TIMEOUT_S
    while not masks.is_dir() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.1)
    time.sleep(_WARM_UP_S)
    found = []
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        status = Path(f"/proc/{process.pid}/status").read_text()
        resident = re.search(r"VmRSS:\s*(\d+) kB", status)
        found.append(int(resident[1]) / 2**10 if resident else 0.0)
        time.sleep(1)
    return found


def report(out: Path, times: list[float], resident_mb: list[float]) -> None:
    """Print what the run did, from its files."""
    masks = sorted((out / "masks").iterdir())
    # Those that waited while the model was loaded and ran for the first time are no measure.
    late = [mask.stat().st_mtime - times[int(mask.stem)] for mask in masks][5:]
    p50, p99, most = 1000 * np.percentile(late, (50, 99, 100))
    record = json.loads((out / "run.json").read_text())
    rate = record["done"] / record["seconds"]["run"]
    print(f"runtime {record['identity']['runtime']}, load average {os.getloadavg()[0]:.1f}")
    print(f"frames: {record['frames']} came, {record['done']} done ({rate:.2f}/s)", end=", ")
    print(f"{record['dropped']} dropped ({record['dropped'] / record['frames']:.1%})")
    print(f"sent to mask: p50 {p50:.0f} ms, p99 {p99:.0f} ms, longest {most:.0f} ms")
    own = record["latency_ms"]
    print(f"as the run says, from when it was decoded: p50 {own['p50']} ms, p99 {own['p99']} ms")
    tenth = max(len(resident_mb) // 10, 1)
    first, last = np.mean(resident_mb[:tenth]), np.mean(resident_mb[-tenth:])
    print(f"memory: {first:.1f} MiB at the start, {last:.1f} at the end of {len(resident_mb)} s")


if __name__ == "__main__":
    main()
