"""Writing masks: ours against OpenCV's and Pillow's encoders, alternating, on the same label maps.

Run: python tests/benchmarks/bench_masks.py MASKS [--limit N]
"""

import argparse
import statistics
import time
from io import BytesIO
from pathlib import Path

import cv2
from PIL import Image

from bddseg.data.masks import list_masks, read_mask
from bddseg.data.png import encode_png


def encode_with_opencv(labels):
    return cv2.imencode(".png", labels)[1].tobytes()


def encode_with_pillow(labels):
    with BytesIO() as file:
        Image.fromarray(labels).save(file, "PNG")
        return file.getvalue()


ENCODERS = {"bddseg": encode_png, "OpenCV": encode_with_opencv, "Pillow": encode_with_pillow}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("masks", type=Path)
    parser.add_argument("--limit", type=int, default=100)
    arguments = parser.parse_args()
    rows = {name: [] for name in ENCODERS}
    for path in list_masks(arguments.masks)[: arguments.limit]:
        labels = read_mask(path)
        for name, encode in ENCODERS.items():
            start = time.perf_counter()
            data = encode(labels)
            rows[name].append((time.perf_counter() - start, len(data)))
    ours = rows["bddseg"]
    for name, each in rows.items():
        seconds = statistics.median(row[0] for row in each)
        size = statistics.median(row[1] for row in each)
        ratio = statistics.median(a[0] / b[0] for a, b in zip(each, ours, strict=True))
        print(
            f"{name}: {seconds * 1e3:.2f} ms, {size:.0f} bytes, {ratio:.2f} times as long as ours"
        )


if __name__ == "__main__":
    main()
