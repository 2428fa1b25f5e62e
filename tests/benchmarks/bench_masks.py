"""Time masks: our encoder against OpenCV's and Pillow's, and reading, on the same label maps.

Run: python tests/benchmarks/bench_masks.py MASKS [--limit N]
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import PIL.Image

from bddseg.data.mask import list_masks, read_mask
from bddseg.io.png import encode_png
from bddseg.types import LabelMap


def encode_with_opencv(labels: LabelMap) -> bytes:
    return cv2.imencode(".png", labels)[1].tobytes()


def encode_with_pillow(labels: LabelMap) -> bytes:
    with BytesIO() as file:
        PIL.Image.fromarray(labels).save(file, "PNG")
        return file.getvalue()


def read_with_pillow(path: Path) -> LabelMap:
    with PIL.Image.open(path) as image:
        return np.asarray(image)


ENCODERS: dict[str, Callable[[LabelMap], bytes]] = {
    "bddseg": encode_png,
    "OpenCV": encode_with_opencv,
    "Pillow": encode_with_pillow,
}
READERS: dict[str, Callable[[Path], LabelMap]] = {"bddseg": read_mask, "Pillow": read_with_pillow}


def measure(call: Callable[[], object]) -> float:
    """Return the time of a call in milliseconds."""
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e3


def show(title: str, rows: dict[str, list[float]]) -> None:
    """Print medians, and the median of each row's ratio to ours."""
    for name, times in rows.items():
        pairs = zip(times, rows["bddseg"], strict=True)
        ratio = statistics.median(other / ours for other, ours in pairs)
        print(f"{title} {name}: {statistics.median(times):.2f} ms, {ratio:.2f} times ours")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("masks", type=Path)
    parser.add_argument("--limit", type=int, default=100)
    arguments = parser.parse_args()
    paths = list_masks(arguments.masks)[: arguments.limit]
    encoding: dict[str, list[float]] = {name: [] for name in ENCODERS}
    reading: dict[str, list[float]] = {name: [] for name in READERS}
    sizes: dict[str, list[int]] = {name: [] for name in ENCODERS}
    # Alternating, so that the load of the machine is the same for all.
    for path in paths:
        labels = read_mask(path)
        for name, encode in ENCODERS.items():
            encoding[name].append(measure(partial(encode, labels)))
            sizes[name].append(len(encode(labels)))
        for name, read in READERS.items():
            reading[name].append(measure(partial(read, path)))
    show("encode with", encoding)
    show("read with", reading)
    for name, each in sizes.items():
        print(f"size with {name}: {statistics.median(each):.0f} bytes")


if __name__ == "__main__":
    main()
