"""Our network and the reference's, on the same frames and with the same weights."""

import statistics
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from bddseg.data.frames import read_frame
from bddseg.engine.model import load_model
from bddseg.models.architectures import build_network
from bddseg.models.checkpoint import load_weights, read_checkpoint
from bddseg.models.segmenter import Segmenter
from bddseg.tasks import get_task
from bddseg.zoo.entry import Entry
from bddseg_openmmlab.reference import Reference

T = TypeVar("T")

# Of weights that are made: the classifier's bias, with which classes are given equal chances.
_BIAS = "decode_head.conv_seg.bias"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What comparing came to.

    Attributes:
        frames: number of frames.
        agreement: share of pixels that have the same label.
        lowest_agreement: that of the frame with the lowest.
        largest_difference: between logits of the first frame, in their standard deviations.
        classes: number of classes in the labels.
        reference_s: median of the reference's seconds a frame, preprocessing included.
        ours_s: likewise, ours.
        ratio: median of how many times as fast ours is on a frame.
    """

    frames: int
    agreement: float
    lowest_agreement: float
    largest_difference: float
    classes: int
    reference_s: float
    ours_s: float
    ratio: float


def compare(
    entry: Entry,
    reference: Reference,
    frames: Sequence[Path],
    *,
    weights: Path | None = None,
    seed: int = 0,
    device: str = "auto",
    on_frame: Callable[[], None] = lambda: None,
) -> Comparison:
    """Run both on each frame, in turn, and compare labels, logits and time.

    Args:
        entry: our model.
        reference: theirs.
        frames: image files.
        weights: a checkpoint; without, weights are made from the seed.
        seed: of weights that are made.
        device: of both.
        on_frame: called after each frame.

    Raises:
        BddsegError: weights do not fit both, or a frame cannot be read.
    """
    first = read_frame(frames[0])
    state = read_checkpoint(weights) if weights else seed_weights(entry, seed)
    if weights is None:
        reference.load(state)
        state[_BIAS] = state[_BIAS] - reference.compute_logits(first).mean(dim=(0, 2, 3)).cpu()
    reference.load(state)
    with tempfile.TemporaryDirectory(prefix="bddseg-") as folder:
        path = Path(folder, "weights.pth")
        torch.save(state, path)
        model = load_model(entry, weights=path, device=device)
        network = build_network(
            entry.architecture, num_classes=len(model.task.classes), options=entry.options
        )
        load_weights(network, path)
    reference.to(model.device)
    difference = _compare_logits(entry, network.to(model.device), reference, first)
    rows = []
    present: set[int] = set()
    for name in (frames[0], *frames):
        frame = read_frame(name)
        theirs, reference_s = _time(lambda f=frame: reference.label(f), model.device)
        ours, ours_s = _time(lambda f=frame: model(f), model.device)
        present |= set(np.unique(ours).tolist())
        rows.append((int((theirs == ours).sum()), ours.size, reference_s, ours_s))
        on_frame()
    # The first frame came twice: what both do only once, they did there.
    rows = rows[1:]
    return Comparison(
        frames=len(rows),
        agreement=sum(row[0] for row in rows) / sum(row[1] for row in rows),
        lowest_agreement=min(row[0] / row[1] for row in rows),
        largest_difference=difference,
        classes=len(present),
        reference_s=statistics.median(row[2] for row in rows),
        ours_s=statistics.median(row[3] for row in rows),
        ratio=statistics.median(row[2] / row[3] for row in rows),
    )


def seed_weights(entry: Entry, seed: int) -> dict[str, Tensor]:
    """Return weights that depend on the seed and on each parameter's name and shape alone.

    Matrices keep the variance of what goes through them, and norms have moved, as in a network that
    was trained.
    """
    network = build_network(
        entry.architecture,
        num_classes=len(get_task(entry.task).classes),
        options=entry.options,
    )
    return {name: _seed(name, value, seed) for name, value in network.state_dict().items()}


def _seed(name: str, value: Tensor, seed: int) -> Tensor:
    if not value.is_floating_point():
        return torch.zeros_like(value)
    generator = torch.Generator().manual_seed(zlib.crc32(f"{seed} {name}".encode()))
    noise = torch.rand(value.shape, generator=generator) * 2 - 1
    if name.endswith("running_var") or (value.dim() <= 1 and name.endswith("weight")):
        return 1 + noise / 4
    if value.dim() <= 1:
        return noise / 8
    return noise * (3 / value[0].numel()) ** 0.5


def _compare_logits(
    entry: Entry, network: nn.Module, reference: Reference, frame: np.ndarray[Any, Any]
) -> float:
    """Return the largest difference between logits of the reference's own input."""
    test = entry.test
    segmenter = Segmenter(
        network.eval(), mode=test.mode, crop_hw=test.crop_hw, stride_hw=test.stride_hw
    )
    expected = reference.compute_logits(frame)
    with torch.inference_mode():
        logits = segmenter(reference.prepare(frame)[0])
    return float((logits - expected).abs().max() / expected.std())


def _time(function: Callable[[], T], device: torch.device) -> tuple[T, float]:
    start = time.perf_counter()
    result = function()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return result, time.perf_counter() - start
