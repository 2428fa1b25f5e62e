"""From logits to class ids."""

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor

from bddseg.tasks.task import IGNORE_INDEX

# Up to here, comparing maps is faster than torch's argmax on a CPU (benchmarks/bench_argmax.py).
_FEW_CLASSES = 8


def apply_class_map(logits: Tensor, class_map: Sequence[int]) -> Tensor:
    """Return logits in the task's order of classes: (N, network's classes, h, w) -> (N, K, h, w).

    Args:
        logits: In the network's order.
        class_map: For each class of the network, the class id of the task; where several stand for
            one, the highest logit counts. Empty: the orders are the same.
    """
    if not class_map:
        return logits
    sources: list[list[int]] = [[] for _ in range(max(class_map) + 1)]
    for source, target in enumerate(class_map):
        sources[target].append(source)
    # Not `logits[:, each]`: lists are copied to the device, which waits for it.
    highest = (reduce(torch.maximum, [logits[:, number] for number in each]) for each in sources)
    return torch.stack([*highest], dim=1)


def argmax(logits: Tensor) -> Tensor:
    """Return the class ids (N, H, W), uint8, of the highest logits in (N, K, H, W).

    The first of equals counts, as with `torch.argmax`, which is 20 times slower on a CPU: it goes
    across the classes of one pixel after the other, where this compares whole maps.
    """
    if logits.device.type != "cpu" or logits.shape[1] > _FEW_CLASSES:
        return logits.argmax(dim=1).to(torch.uint8)
    best = logits[:, 0]
    labels = torch.zeros_like(best, dtype=torch.uint8)
    for number in range(1, logits.shape[1]):
        labels.masked_fill_(logits[:, number] > best, number)
        best = torch.maximum(best, logits[:, number])
    return labels


def mark_not_finite(labels: Tensor, logits: Tensor) -> Tensor:
    """Set the labels of each image whose logits are not all finite to `IGNORE_INDEX`, in place.

    It is computed on the device, and whoever waits for the labels need not wait again.

    Args:
        labels: Class ids (N, H, W), uint8.
        logits: What they come from, (N, K, h, w), float32.

    Returns:
        The labels.
    """
    is_finite = logits.sum(dim=(1, 2, 3)).isfinite()
    # All bits of `IGNORE_INDEX` are set.
    return labels.bitwise_or_(((~is_finite).to(torch.uint8) * IGNORE_INDEX)[:, None, None])
