"""A network as its authors run it: OpenCV and PyTorch, one frame after the other.

`python tests/benchmarks/plain.py MODEL WEIGHTS OUT FRAME...` writes a mask of each frame, and
prints the seconds of all and of the network alone.
"""

import json
import sys
import time
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import torch
from torch import Tensor

from bddseg.data.preprocess import get_image_area, get_input_size
from bddseg.models.build import build_network
from bddseg.models.checkpoint import load_weights
from bddseg.specs import Entry
from bddseg.types import Image, LabelMap
from bddseg.zoo.catalog import find_entry


class PlainNetwork:
    """A network that sees whole frames, with what the published scripts do before and after it."""

    def __init__(self, entry: Entry, weights: Path) -> None:
        # Without it, published weights with denormal numbers are many times slower.
        torch.set_flush_denormal(True)
        assert entry.sliding_window is None
        self.seconds = 0.0
        self._entry = entry
        self._network = build_network(entry).eval()
        load_weights(self._network, weights)

    def compute_logits(self, bgr: Image) -> Tensor:
        """BGR (H, W, 3), uint8 -> logits (1, K, h, w)."""
        spec = self._entry.preprocessing
        height, width = bgr.shape[:2]
        size_hw = get_input_size((height, width), spec)
        rows, columns = get_image_area((height, width), spec)
        image = cv2.resize(bgr, (columns.stop - columns.start, rows.stop - rows.start))
        if spec.pad_value is not None:
            full = np.full((*size_hw, 3), spec.pad_value, np.uint8)
            full[rows, columns] = image
            image = full
        if spec.channel_order == "RGB":
            image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        mean, std = (np.array(each, np.float32) for each in (spec.mean, spec.std))
        pixels = (image.astype(np.float32) - mean) / std * np.float32(spec.scale)
        inputs = torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None]
        start = time.perf_counter()
        with torch.inference_mode():
            outputs = self._network(inputs)
        self.seconds += time.perf_counter() - start
        logits: Tensor = outputs if isinstance(outputs, Tensor) else outputs[self._entry.task]
        return logits

    def segment(self, bgr: Image) -> LabelMap:
        """BGR (H, W, 3), uint8 -> class ids (H, W), uint8; labels are enlarged, not logits."""
        height, width = bgr.shape[:2]
        rows, columns = get_image_area((height, width), self._entry.preprocessing)
        labels = self.compute_logits(bgr).argmax(dim=1)[0, rows, columns].byte().numpy()
        if class_map := self._entry.class_map:
            labels = np.array(class_map, np.uint8)[labels]
        return cast(LabelMap, cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST))


def main() -> None:
    model, weights, out, *frames = sys.argv[1:]
    network = PlainNetwork(find_entry(model), Path(weights))
    start = time.perf_counter()
    for number, path in enumerate(frames):
        frame = cv2.imread(path)
        assert frame is not None
        cv2.imwrite(f"{out}/{number}.png", network.segment(cast(Image, frame)))
    print(json.dumps([time.perf_counter() - start, network.seconds]))


if __name__ == "__main__":
    main()
