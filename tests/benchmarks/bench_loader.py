"""Training samples per second, by number of workers: at 512x1024, and at half that size.

The transforms are those of the zoo's recipes: resizing at random, a crop, a flip, other colors.

Run: python tests/benchmarks/bench_loader.py IMAGES MASKS [--workers 0 1 2] [--batches N]
"""

import argparse
import time
from contextlib import closing
from itertools import count
from typing import Any

import cv2
from bddseg_train.loader import TrainingSet, make_loader
from bddseg_train.transforms import build_transforms

from bddseg.data.labeled_frames import LabeledFrames, open_labeled_frames
from bddseg.progress import NUM_CORES
from bddseg.tasks.task import get_task
from bddseg.types import SizeHW

BATCH_SIZE = 4
TASK = get_task("drivable")
# Size of the crop, and what images are resized to.
SIZES: dict[SizeHW, SizeHW] = {(512, 1024): (720, 1280), (256, 512): (360, 640)}


def make_set(frames: LabeledFrames, crop_hw: SizeHW, size_hw: SizeHW) -> TrainingSet:
    """Return a set with the zoo's transforms."""
    tables: list[dict[str, Any]] = [
        {"name": "resize", "size_hw": list(size_hw), "ratio_range": [0.5, 2.0]},
        {"name": "crop", "max_class_share": 0.75},
        {"name": "flip", "probability": 0.5},
        {"name": "color_jitter"},
    ]
    return TrainingSet(frames, TASK, build_transforms(tables, crop_hw), crop_hw, seed=0)


def measure(dataset: TrainingSet, num_workers: int, num_batches: int) -> tuple[float, float]:
    """Return seconds to the first batch, and samples per second after it."""
    loader = make_loader(dataset, count(), batch_size=BATCH_SIZE, num_workers=num_workers)
    began_s = time.perf_counter()
    with closing(iter(loader)) as batches:
        # What workers make ahead, before the clock starts, is not counted.
        for _ in range(1 + 2 * num_workers):
            next(batches)
        started_s = time.perf_counter()
        for _ in range(num_batches):
            next(batches)
        ended_s = time.perf_counter()
    return started_s - began_s, num_batches * BATCH_SIZE / (ended_s - started_s)


def main() -> None:
    """Measure each size with each number of workers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images")
    parser.add_argument("masks")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--batches", type=int, default=20)
    arguments = parser.parse_args()
    # As in the workers; and this process is compared with one of them.
    cv2.setNumThreads(0)
    frames = open_labeled_frames(arguments.images, arguments.masks, TASK)
    print(f"{len(frames):,} frames, {NUM_CORES} cores, batches of {BATCH_SIZE}")
    print("crop       workers  samples/s  first batches, s")
    for crop_hw, size_hw in SIZES.items():
        dataset = make_set(frames, crop_hw, size_hw)
        for num_workers in arguments.workers:
            first_s, rate = measure(dataset, num_workers, arguments.batches)
            name = "x".join(map(str, crop_hw))
            print(f"{name:9}  {num_workers:7}  {rate:9.1f}  {first_s:16.1f}")


if __name__ == "__main__":
    main()
