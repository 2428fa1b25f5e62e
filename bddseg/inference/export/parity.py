"""Whether an exported file gives what torch gives."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from bddseg.errors import BddsegError
from bddseg.inference.export.formats import RunGraph
from bddseg.inference.export.graph import FullSizeNetwork
from bddseg.inference.export.spec import FrameParity, Parity
from bddseg.inference.postprocess import argmax
from bddseg.inference.predictor import Predictor
from bddseg.models.layers import resize
from bddseg.types import Image, SizeHW


class ExportedRuntime:
    """An exported file: of a `Runtime`, what a `Predictor` needs to compute logits.

    Args:
        run: Runs the file.
        tasks: Names of its outputs.
        align_corners: How its logits are interpolated.
    """

    device = torch.device("cpu")

    def __init__(self, run: RunGraph, tasks: Sequence[str], *, align_corners: bool) -> None:
        self.align_corners = align_corners
        self._run = run
        self._tasks = tasks

    def infer(self, images: Tensor) -> Mapping[str, Tensor]:
        """Images (1, 3, H, W) -> the outputs; class ids (1, H, W) become (1, 1, H, W)."""
        with _explain_size(images):
            found = [torch.from_numpy(np.array(output)) for output in self._run(images.numpy())]
            for output in found:
                if output.shape[-2:] != images.shape[-2:]:
                    raise ValueError(f"its output has the shape {list(output.shape)}")
        return {
            task: output if output.ndim == 4 else output[:, None]
            for task, output in zip(self._tasks, found, strict=True)
        }


@contextmanager
def _explain_size(images: Tensor) -> Iterator[None]:
    """Say for which size of the input a network or a file cannot be run."""
    try:
        yield
    except Exception as error:  # each library has its own
        size = "x".join(map(str, images.shape[2:]))
        cause = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise BddsegError(
            f"The exported model cannot be run on an input of {size} pixels (height x width): "
            f"{cause}",
            "Export it for one size that it can do: --size HxW.",
        ) from error


def compare(
    reference: Predictor, exported: Predictor, frames: Mapping[str, Image], *, labels: bool
) -> Parity:
    """Compare an exported file with torch.

    Args:
        reference: The model in torch.
        exported: The file, run by a `ExportedRuntime`.
        frames: Frames by name, RGB (H, W, 3), uint8.
        labels: The file returns class ids instead of logits.
    """
    rows: list[FrameParity] = []
    seen: set[int] = set()
    times: dict[bool, list[float]] = {False: [], True: []}
    for name, image in frames.items():
        size_hw = (image.shape[0], image.shape[1])
        results = {}
        for is_exported, model in ((False, reference), (True, exported)):
            inputs = model.prepare(image)
            start = time.perf_counter()
            results[is_exported] = model.compute_logits([inputs])
            times[is_exported].append(1000 * (time.perf_counter() - start))
        pairs = zip(reference.tasks, results[False], results[True], strict=True)
        for task, expected, found in pairs:
            right = reference.argmax(expected, size_hw)[0].numpy()
            seen.update(np.unique(right).tolist())
            row = (
                _compare_labels(expected, found, right)
                if labels
                else _compare_logits(expected, found, right, exported.argmax(found, size_hw))
            )
            rows.append(FrameParity(name=name, task=task.name, **row))
    return Parity(
        frames=tuple(rows),
        other_sizes={},
        num_classes_seen=len(seen),
        torch_ms=median(times[False]),
        exported_ms=median(times[True]),
    )


def compare_other_sizes(
    module: FullSizeNetwork, runtime: ExportedRuntime, images: Tensor
) -> dict[str, float]:
    """Return the share of equal labels for inputs of other sizes, by size, HxW.

    Args:
        module: The network.
        runtime: The exported file.
        images: An input, (1, 3, H, W), which is resized.
    """
    shares = {}
    for height, width in _list_other_sizes((images.shape[2], images.shape[3])):
        part = resize(images, (height, width), align_corners=False)
        with torch.inference_mode(), _explain_size(part):
            expected = [_to_labels(each) for each in module(part)]
        found = [_to_labels(each.squeeze(1)) for each in runtime.infer(part).values()]
        equal = [_share_equal(*pair) for pair in zip(expected, found, strict=True)]
        shares[f"{height}x{width}"] = min(equal)
    return shares


def _list_other_sizes(size_hw: SizeHW) -> list[SizeHW]:
    """Return sizes that networks round differently: odd ones, smaller ones, one in portrait."""
    height, width = size_hw
    return [(height * 3 // 4 + 1, width), (height * 5 // 8, width * 7 // 8 + 3), (width, height)]


def _compare_logits(expected: Tensor, found: Tensor, right: Any, labels: Tensor) -> dict[str, Any]:
    equal = _share_equal(right, labels[0].numpy())
    difference = None
    if expected.shape == found.shape:
        difference = float((expected - found).abs().max() / expected.std().clamp_min(1e-12))
    return {"equal": equal, "equal_at_frame_size": equal, "max_difference": difference}


def _compare_labels(expected: Tensor, found: Tensor, right: Any) -> dict[str, Any]:
    """Compare class ids, at the input's size and, enlarged as in the example, at the frame's."""
    labels = found[0, 0].to(torch.uint8).numpy()
    at_input = argmax(resize(expected, labels.shape, align_corners=False))[0].numpy()
    enlarged = cv2.resize(labels, right.shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    return {
        "equal": _share_equal(at_input, labels),
        "equal_at_frame_size": _share_equal(right, enlarged),
        "max_difference": None,
    }


def _to_labels(output: Tensor) -> Any:
    return (output if output.ndim == 3 else argmax(output)).numpy()


def _share_equal(first: Any, second: Any) -> float:
    return float((first == second).mean())
