"""Our network and the reference's, on the same images and with the same weights."""

import statistics
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
import torch
from torch import Tensor

from bddseg.data.image import read_image
from bddseg.inference.predictor import Predictor, load_model
from bddseg.inference.runtimes.torch import TorchRuntime
from bddseg.inference.sliding_window import compute_logits
from bddseg.models.build import build_network
from bddseg.models.checkpoint import load_weights, read_checkpoint
from bddseg.models.network import Network
from bddseg.specs import Entry
from bddseg.types import Image, LabelMap
from bddseg_openmmlab.reference import Reference

T = TypeVar("T")

# The classifier's bias; for generated weights it is set so that every class occurs.
_BIAS = "decode_head.conv_seg.bias"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Result of a comparison.

    Attributes:
        frames: Number of images.
        agreement: Share of pixels with equal labels.
        lowest_agreement: Share in the image with the lowest.
        largest_difference: Largest difference between the logits of the first image, in standard
            deviations of the logits.
        classes: Number of classes in our label maps.
        reference_s: Median seconds per image of the reference, with preprocessing.
        ours_s: Median seconds per image of ours, with preprocessing.
        ratio: Median over images of `reference_s / ours_s`.
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
    paths: Sequence[Path],
    *,
    weights: Path | None = None,
    seed: int = 0,
    device: str = "auto",
) -> Comparison:
    """Run both models on each image, in turn, and compare labels, logits and time.

    Args:
        entry: Entry of our model.
        reference: Model of mmsegmentation.
        paths: Image files.
        weights: A checkpoint; without it, weights are generated from the seed.
        seed: Seed of generated weights.
        device: Device of both models.

    Raises:
        BddsegError: Weights do not fit both models, or an image cannot be read.
    """
    first = read_image(paths[0])
    state = read_checkpoint(weights) if weights else generate_weights(entry, seed)
    if weights is None:
        reference.load(state)
        state[_BIAS] = state[_BIAS] - reference.compute_logits(first).mean(dim=(0, 2, 3)).cpu()
    reference.load(state)
    with tempfile.TemporaryDirectory(prefix="bddseg-") as folder:
        path = Path(folder, "weights.pth")
        torch.save(state, path)
        model = load_model(entry, weights=path, device=device)
        reference.to(model.device)
        difference = _compare_logits(entry, path, reference, first, model.device)
    rows = []
    present: set[int] = set()
    # The first image runs twice, and its first run is not counted: it includes one-time work.
    for index, name in enumerate((paths[0], *paths)):
        image = read_image(name)
        theirs, reference_s = _time(partial(reference.predict, image), model.device)
        ours, ours_s = _time(partial(_predict, model, image), model.device)
        if index > 0:
            present |= set(np.unique(ours).tolist())
            rows.append((int((theirs == ours).sum()), ours.size, reference_s, ours_s))
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


def generate_weights(entry: Entry, seed: int) -> dict[str, Tensor]:
    """Return weights that depend only on the seed and on each parameter's name and shape.

    Matrices keep the variance of their inputs, and norms have statistics other than 0 and 1, as in
    a trained network.
    """
    network = build_network(entry)
    return {name: _generate(name, value, seed) for name, value in network.state_dict().items()}


def _generate(name: str, value: Tensor, seed: int) -> Tensor:
    if not value.is_floating_point():
        return torch.zeros_like(value)
    generator = torch.Generator().manual_seed(zlib.crc32(f"{seed} {name}".encode()))
    noise = torch.rand(value.shape, generator=generator) * 2 - 1
    if name.endswith("running_var") or (value.dim() <= 1 and name.endswith("weight")):
        return 1 + noise / 4
    if value.dim() <= 1:
        return noise / 8
    scaled: Tensor = noise * (3 / value[0].numel()) ** 0.5
    return scaled


def _compare_logits(
    entry: Entry, weights: Path, reference: Reference, image: Image, device: torch.device
) -> float:
    """Return the largest difference between both models' logits of the reference's input."""
    network = build_network(entry)
    load_weights(network, weights)
    runtime = TorchRuntime(cast(Network, network.eval().to(device)), entry.task, device)
    expected = reference.compute_logits(image)
    with torch.inference_mode():
        outputs = compute_logits(runtime, reference.prepare(image)[0], entry.sliding_window)
    return float((outputs[entry.task] - expected).abs().max() / expected.std())


def _predict(model: Predictor, image: Image) -> LabelMap:
    return model(image).labels


def _time(function: Callable[[], T], device: torch.device) -> tuple[T, float]:
    start = time.perf_counter()
    result = function()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return result, time.perf_counter() - start
