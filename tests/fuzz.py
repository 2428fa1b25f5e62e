"""Damaged inputs of many kinds: each is read, or refused with a BddsegError.

    python tests/fuzz.py KIND [--count N] [--seed S] [--first N]

Cases run one after another in a child process whose memory is limited. Anything but a result or a
BddsegError is a failure: another exception, a signal, more than 10 s, or more than 2 GB. A case
depends only on its kind, its number and the seed: `--first 1234 --count 1` repeats one.

A kind is a function of a random number generator, which makes one input and reads it; its working
directory is empty and its own: `@add_kind` adds it. The exit code is 1 if a case failed.
"""

import argparse
import json
import multiprocessing
import os
import random
import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from io import BytesIO
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import PIL.features
import PIL.Image

from bddseg.data.encodings import inspect_file
from bddseg.data.image import CAN_READ_HEIC, read_image
from bddseg.data.rle import encode_rle
from bddseg.data.scalabel import read_scalabel
from bddseg.data.sources.video import import_av, index_video, read_video_frames
from bddseg.errors import BddsegError
from bddseg.tasks.bdd100k import DRIVABLE

Kind = Callable[[random.Random], None]

KINDS: dict[str, Kind] = {}
MAX_SECONDS = 10.0
MAX_BYTES = 2 << 30


@dataclass(slots=True)
class Report:
    """What became of the cases.

    Attributes:
        read: Number of inputs that were read.
        refused: Number of inputs that were refused with a BddsegError.
        failures: Number of each case that failed, and how.
        seconds: Time of the longest case.
        peak_bytes: Peak memory of the child process, with all imports.
    """

    read: int = 0
    refused: int = 0
    failures: dict[int, str] = field(default_factory=dict)
    seconds: float = 0.0
    peak_bytes: int = 0


def add_kind(name: str) -> Callable[[Kind], Kind]:
    """Register a kind of input."""

    def register(function: Kind) -> Kind:
        KINDS[name] = function
        return function

    return register


def run(kind: Kind, *, count: int, seed: int = 0, first: int = 0) -> Report:
    """Run cases of a kind, in as many child processes as it takes."""
    report = Report()
    context = multiprocessing.get_context("spawn")
    number, end = first, first + count
    while number < end:
        receiver, sender = context.Pipe(duplex=False)
        with tempfile.TemporaryDirectory(prefix="bddseg-fuzz-") as folder:
            child = context.Process(
                target=_run_cases, args=(kind, seed, number, end, folder, sender)
            )
            child.start()
            sender.close()
            number = _watch(child, receiver, number, end, report)
    return report


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Return bytes with one to four of: a bit flipped, bytes set, and parts cut or repeated."""
    content = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 4])):
        if not content:
            break
        # Headers are where one byte changes most.
        reach = min(len(content), rng.choice([16, 64, 256, len(content)]))
        start = rng.randrange(reach)
        end = min(len(content), start + rng.choice([1, 2, 4, 8, 64]))
        match rng.randrange(7):
            case 0:
                content[start] ^= 1 << rng.randrange(8)
            case 1:
                content[start:end] = rng.randbytes(end - start)
            case 2:
                content[start:end] = rng.choice([b"\x00", b"\xff", b"\x7f"]) * (end - start)
            case 3:
                del content[rng.randrange(len(content)) :]
            case 4:
                del content[start:end]
            case 5:
                content[start:start] = content[start:end] * rng.choice([1, 2, 50])
            case _:
                number = struct.pack(rng.choice("<>") + "I", rng.choice(NUMBERS))
                content[start : start + 4] = number
    return bytes(content)


NUMBERS = (0, 1, 255, 65_535, 50_000, 1_000_000, 2**31 - 1, 2**31, 2**32 - 1)


def _run_cases(
    kind: Kind,
    seed: int,
    first: int,
    end: int,
    folder: str,
    sender: "Connection[tuple[str, float, int], None]",
) -> None:
    os.chdir(folder)
    # Decoders print warnings of their own.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_BYTES, MAX_BYTES))
    sender.send(("", 0.0, 0))
    for number in range(first, end):
        started = time.perf_counter()
        try:
            kind(random.Random(f"{kind.__name__}:{seed}:{number}"))
            outcome = "read"
        except BddsegError:
            outcome = "refused"
        except BaseException:
            outcome = traceback.format_exc()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        sender.send((outcome, time.perf_counter() - started, peak))


def _watch(
    child: multiprocessing.context.SpawnProcess,
    receiver: "Connection[None, tuple[str, float, int]]",
    number: int,
    end: int,
    report: Report,
) -> int:
    """Collect the outcomes of a child until it ends or hangs; return the next case."""
    try:
        receiver.recv()  # it has imported everything
        while number < end:
            if not receiver.poll(MAX_SECONDS):
                report.failures[number] = f"no end after {MAX_SECONDS:g} s"
                return number + 1
            outcome, seconds, peak = receiver.recv()
            report.seconds = max(report.seconds, seconds)
            report.peak_bytes = max(report.peak_bytes, peak)
            report.read += outcome == "read"
            report.refused += outcome == "refused"
            if outcome not in ("read", "refused"):
                report.failures[number] = outcome
            number += 1
        return number
    except EOFError:
        child.join()
        code = child.exitcode or 0
        reason = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        report.failures[number] = f"the process ended: {reason}"
        return number + 1
    finally:
        if number < end:
            child.kill()
        child.join()
        receiver.close()


@cache
def _make_images() -> tuple[bytes, ...]:
    """Return small valid files of each format, in several pixel formats."""
    rng = np.random.default_rng(0)
    pixels = np.kron(rng.integers(0, 256, (6, 8, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
    image = PIL.Image.fromarray(pixels)
    files = []
    formats: dict[str, list[tuple[str, dict[str, object]]]] = {
        "JPEG": [("RGB", {}), ("L", {}), ("RGB", {"progressive": True})],
        "PNG": [("RGB", {}), ("L", {}), ("P", {}), ("RGBA", {}), ("I;16", {})],
        "BMP": [("RGB", {}), ("L", {}), ("P", {})],
        "TIFF": [("RGB", {}), ("L", {"compression": "tiff_lzw"}), ("RGB", {"compression": "jpeg"})],
        "WEBP": [("RGB", {}), ("RGBA", {"lossless": True})],
    }
    if PIL.features.check("avif"):
        formats["AVIF"] = [("RGB", {}), ("RGBA", {})]
    for name, variants in formats.items():
        for mode, options in variants:
            grey = np.asarray(image.convert("L"))
            made = (
                PIL.Image.fromarray(grey.astype(np.uint16))
                if mode == "I;16"
                else image.convert(mode)
            )
            file = BytesIO()
            made.save(file, name, **options)
            files.append(file.getvalue())
    if CAN_READ_HEIC:
        with BytesIO() as file:
            import_module("pillow_heif").from_pillow(image).save(file)
            files.append(file.getvalue())
    return tuple(files)


@cache
def _make_videos() -> tuple[tuple[str, bytes], ...]:
    """Return suffixes and content of small valid videos."""
    files = []
    for suffix, codec in (
        ("mp4", "libx264"),
        ("mkv", "mpeg4"),
        ("webm", "libvpx"),
        ("ts", "mpeg2video"),
        ("avi", "mpeg4"),
        ("mpg", "mpeg1video"),
    ):
        path = Path(f"made.{suffix}")
        with import_av().open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
            for level in range(0, 240, 20):
                pixels = np.full((32, 32, 3), level, np.uint8)
                frame = import_av().VideoFrame.from_ndarray(pixels, format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        files.append((suffix, path.read_bytes()))
    return tuple(files)


@add_kind("videos")
def _read_videos(rng: random.Random) -> None:
    """A damaged video, of which every frame is read or refused."""
    suffix, data = rng.choice(_make_videos())
    path = Path(f"video.{suffix}")
    path.write_bytes(mutate(data, rng))
    numbers = range(min(index_video(path).num_frames, 20))
    for _, image in read_video_frames(path, numbers):
        if isinstance(image, BddsegError):
            raise image


def _fix_checksums(data: bytes) -> bytes:
    """Return a PNG whose chunks have the right checksums, so that its content is decoded."""
    content, start = bytearray(data), 8
    while start + 12 <= len(content):
        end = start + 12 + int.from_bytes(content[start : start + 4])
        if end > len(content):
            break
        content[end - 4 : end] = struct.pack(">I", zlib.crc32(content[start + 4 : end - 4]))
        start = end
    return bytes(content)


@add_kind("images")
def _read_images(rng: random.Random) -> None:
    """A damaged image, read as a frame and as a label file."""
    data = mutate(rng.choice(_make_images()), rng)
    if data.startswith(b"\x89PNG") and rng.random() < 0.8:
        data = _fix_checksums(data)
    path = Path("image.heic" if b"heic" in data[:32] else "image.png")
    path.write_bytes(data)
    inspect_file(path, DRIVABLE)
    image = read_image(path)
    assert image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8


@add_kind("rle")
def _read_rle(rng: random.Random) -> None:
    """A Scalabel file with damaged counts, sizes or JSON."""
    mask = np.kron(np.eye(4, 6, dtype=bool), np.ones((5, 5), bool))
    counts = encode_rle(mask)
    size: list[float] = [20, 30]
    if rng.random() < 0.5:
        counts = mutate(counts.encode(), rng).decode("latin-1")
    if rng.random() < 0.5:
        size[rng.randrange(2)] = rng.choice([*NUMBERS, -30, 1e9, 10**12, 2**64, 0.5])
    label = {"category": "direct", "rle": {"counts": counts, "size": size}, "poly2d": None}
    data = json.dumps([{"name": "a.jpg", "labels": [label]}]).encode()
    if rng.random() < 0.3:
        data = mutate(data, rng)
    if rng.random() < 0.05:
        depth = rng.choice([10, 500, 100_000])
        data = data.replace(b"null", b"[" * depth + b"]" * depth)
    path = Path("labels.json")
    path.write_bytes(data)
    for frame in read_scalabel(path, DRIVABLE):
        frame.read()


def main(arguments: list[str] | None = None) -> int:
    """Run the cases of a kind and print what became of them; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("kind", choices=sorted(KINDS))
    parser.add_argument("--count", type=int, default=1000, help="number of cases")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    options = parser.parse_args(arguments)
    report = run(KINDS[options.kind], count=options.count, seed=options.seed, first=options.first)
    for number, problem in report.failures.items():
        print(f"Case {number}: {problem}")
    print(
        f"{options.kind}: {report.read} read, {report.refused} refused, "
        f"{len(report.failures)} failed; longest {report.seconds:.2f} s, "
        f"peak memory {report.peak_bytes / 1e6:.0f} MB"
    )
    return min(len(report.failures), 1)


if __name__ == "__main__":
    # As modules, so that child processes can import the kinds.
    import fuzz
    import fuzz_models  # noqa: F401
    import fuzz_zoo  # noqa: F401

    sys.exit(fuzz.main())
