"""Smoothing over time: scene cuts that are found, pixels that flicker, and the cost of a frame.

A pixel changes if its class is another one than in the frame before, which true motion does too; it
flickers if it has its class in one frame alone, between two of another class. Pairs of frames with
a cut between them do not count. Frames of SCENES are all of different scenes: there should be a cut
between any two.

Run: python tests/benchmarks/bench_smoothing.py MODEL VIDEO... [--weights FILE] [--scenes FOLDER]
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np
from torch import Tensor

import bddseg
from bddseg.data.image import read_image
from bddseg.data.sources.files import find_images
from bddseg.data.sources.source import Selection, group_sequences, open_source
from bddseg.inference.images import Inputs
from bddseg.inference.predictor import Predictor
from bddseg.inference.smoothing import MIN_CORRELATION, Smoother, Thumbnail, make_thumbnail
from bddseg.types import LabelMap

_WEIGHTS = (1.0, 0.5, 0.3)


class ReplayedPredictor(Predictor):
    """A model whose logits are at hand: what else takes time is smoothing."""

    logits: list[Tensor]

    def compute_logits(self, batch: Sequence[Inputs]) -> list[Tensor]:
        """Return the logits."""
        return self.logits


def main() -> None:
    """Print a line for each video and weight, and one for the scenes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("videos", nargs="*")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--scenes")
    parser.add_argument("--limit", type=int)
    arguments = parser.parse_args()
    if arguments.scenes:
        measure_undetected_cuts(arguments.scenes)
    model = bddseg.load_model(arguments.model, weights=arguments.weights)
    for video in arguments.videos:
        measure_video(model, video, arguments.limit)


def measure_undetected_cuts(folder: str) -> None:
    """Print how many pairs of frames count as one scene, consecutive ones and all."""
    thumbnails = [make_thumbnail(read_image(ref.path)) for ref in find_images(folder)]
    flat = np.stack(thumbnails).reshape(len(thumbnails), -1)
    correlations = flat @ flat.T
    consecutive = np.diagonal(correlations, 1)
    pairs = correlations[np.triu_indices(len(flat), 1)]
    for name, values in (("consecutive", consecutive), ("all", pairs)):
        undetected = np.count_nonzero(values >= MIN_CORRELATION)
        print(f"{folder}, {name} pairs: {undetected} of {values.size} without a cut", flush=True)


def measure_video(model: Predictor, video: str, limit: int | None) -> None:
    """Print the cuts, and what each weight changes."""
    replayed = ReplayedPredictor(model.entry, model.runtime)
    smoothers = {weight: Smoother(replayed, weight) for weight in _WEIGHTS}
    labels: defaultdict[float, list[LabelMap]] = defaultdict(list)
    times: defaultdict[float, list[float]] = defaultdict(list)
    thumbnails: list[Thumbnail] = []
    source = open_source(video, Selection(limit=limit))
    for refs in group_sequences(source.items()):
        for ref, image in source.read(refs):
            if isinstance(image, bddseg.BddsegError):
                raise image
            inputs = model.prepare(image)
            replayed.logits = model.compute_logits([inputs])
            for weight, smoother in smoothers.items():
                start = time.perf_counter()
                thumbnail = make_thumbnail(image)
                (logits,) = smoother.compute_logits(inputs, thumbnail, ref.name)
                times[weight].append(time.perf_counter() - start)
                labels[weight].append(model.argmax(logits, inputs.size_hw)[0].numpy(force=True))
            thumbnails.append(thumbnail)
    correlations = [float((a * b).sum()) for a, b in pairwise(thumbnails)]
    cuts = [n for n, value in enumerate(correlations, start=1) if value < MIN_CORRELATION]
    lowest = min((value for value in correlations if value >= MIN_CORRELATION), default=1.0)
    print(f"{video}: {len(thumbnails)} frames, cuts at {cuts}, else at least {lowest:.3f}")
    for weight, maps in labels.items():
        changed, flickering = count_changes(maps, set(cuts))
        cost_ms = 1000 * median(times[weight])
        shares = f"{changed:.3%} change, {flickering:.3%} flicker"
        print(f"    weight {weight}: {shares}, {cost_ms:.1f} ms", flush=True)


def count_changes(maps: Sequence[LabelMap], cuts: set[int]) -> tuple[float, float]:
    """Return the mean shares of pixels that change and that flicker."""
    changed = [np.mean(maps[n] != maps[n - 1]) for n in range(1, len(maps)) if n not in cuts]
    flickering = [
        np.mean((maps[n] != maps[n - 1]) & (maps[n - 1] == maps[n + 1]))
        for n in range(1, len(maps) - 1)
        if not {n, n + 1} & cuts
    ]
    return float(np.mean(changed)), float(np.mean(flickering))


if __name__ == "__main__":
    main()
