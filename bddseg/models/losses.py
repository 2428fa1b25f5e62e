"""Losses: what training minimises, from logits and labels of the same size.

Ignored pixels, `IGNORE_INDEX`, have no gradient.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Protocol

import msgspec
import torch
import torch.nn.functional as F
from torch import Tensor

from bddseg.errors import BddsegError
from bddseg.models.layers import widen
from bddseg.models.options import OptionError, call_with_options, check_takes_keywords
from bddseg.progress import pluralize
from bddseg.registry import Registry
from bddseg.tasks.task import IGNORE_INDEX

_Weight = Annotated[float, msgspec.Meta(ge=0)]
_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
# Below 1, the gradient is infinite where the loss is 0.
_Exponent = Annotated[float, msgspec.Meta(ge=1)]


class Loss(Protocol):
    """A loss, built from its options; K is the number of classes."""

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Logits (N, K, H, W), float, and class ids (N, H, W), int64 -> a scalar, float32."""
        ...


LOSSES: Registry[Callable[..., Loss]] = Registry(
    "bddseg.losses", "loss", check=check_takes_keywords
)


class CrossEntropy:
    """Cross-entropy, as mmsegmentation 0.30 has it by default.

    It is the mean over all pixels: ignored ones add 0, and count in the denominator.

    Args:
        class_weights: K factors, for the pixels of each class.
    """

    def __init__(self, class_weights: Sequence[_Weight] = ()) -> None:
        self._weights = torch.tensor(class_weights, dtype=torch.float32) if class_weights else None

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss; see `Loss`.

        Raises:
            BddsegError: The number of class weights is not that of the classes.
        """
        num_classes = logits.shape[1]
        if self._weights is not None:
            if len(self._weights) != num_classes:
                raise BddsegError(
                    f"The option class_weights of the loss has "
                    f"{pluralize(len(self._weights), 'number')}: {self._weights.tolist()}.",
                    f"Give {num_classes} numbers, one for each class.",
                )
            self._weights = self._weights.to(logits.device)
        return F.cross_entropy(
            widen(logits), labels, self._weights, ignore_index=IGNORE_INDEX, reduction="none"
        ).mean()


class Focal:
    """Focal loss of each class against all others, the sum over the classes.

    It is the mean over the pixels that are not ignored, and that of TwinLiteNet's training code.
    "Focal Loss for Dense Object Detection", https://arxiv.org/abs/1708.02002.

    Args:
        alpha: Weight of the pixels of a class; that of all other pixels is 1 - alpha.
        gamma: How strongly pixels that are nearly right are weighted down.
    """

    def __init__(self, alpha: _Share = 0.25, gamma: _Exponent = 2.0) -> None:
        self._alpha = alpha
        self._gamma = gamma

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss; see `Loss`."""
        truth, is_labeled = _encode_labels(labels, logits.shape[1])
        errors = F.binary_cross_entropy_with_logits(widen(logits), truth, reduction="none")
        weights = self._alpha * truth + (1 - self._alpha) * (1 - truth)
        focal = weights * (1 - torch.exp(-errors)) ** self._gamma * errors * is_labeled
        return focal.sum() / is_labeled.sum().clamp_min(1)


class Tversky:
    """1 - the Tversky index, the mean over the classes, to the power of gamma.

    The index is TP / (TP + alpha FP + beta FN), counted in probabilities, over a whole batch. A
    class that is not in the batch adds 0. It is that of TwinLiteNet's training code.
    "Tversky loss function for image segmentation", https://arxiv.org/abs/1706.05721.

    Args:
        alpha: Weight of false positives; with beta at 0.5 too, it is the Dice loss.
        beta: Weight of false negatives.
        gamma: Exponent.
    """

    def __init__(self, alpha: _Weight = 0.5, beta: _Weight = 0.5, gamma: _Exponent = 1.0) -> None:
        self._alpha = alpha
        self._beta = beta
        self._gamma = gamma

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss; see `Loss`."""
        truth, is_labeled = _encode_labels(labels, logits.shape[1])
        predicted = widen(logits).softmax(1) * is_labeled
        dims = (0, 2, 3)
        positives = (predicted * truth).sum(dims)
        false_positives = (predicted * (1 - truth)).sum(dims)
        false_negatives = ((1 - predicted) * truth).sum(dims)
        total = positives + self._alpha * false_positives + self._beta * false_negatives
        losses = (1 - positives / total.clamp_min(1e-7)) * (truth.sum(dims) > 0)
        return losses.mean() ** self._gamma


class Sum:
    """The weighted sum of other losses.

    Args:
        losses: Of each, its `name`, its `weight` unless that is 1, and its options.
    """

    def __init__(self, losses: Sequence[dict[str, Any]]) -> None:
        self._terms = [_build_term(table, f"losses[{index}]") for index, table in enumerate(losses)]
        if not self._terms:
            raise OptionError("losses", "is empty.", 'Give at least one: {name = "focal"}.')

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss; see `Loss`."""
        terms = [weight * loss(logits, labels) for weight, loss in self._terms]
        return torch.stack(terms).sum()


def _build_term(table: Mapping[str, Any], key: str) -> tuple[float, Loss]:
    name, weight, options = call_with_options(_split_term, table, key)
    return weight, call_with_options(LOSSES.load(name), options, key)


def _split_term(
    name: str, weight: _Weight = 1.0, **options: Any
) -> tuple[str, float, dict[str, Any]]:
    return name, weight, options


def _encode_labels(labels: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Return 1 where a pixel is of a class, (N, K, H, W), and where it counts, (N, 1, H, W)."""
    is_labeled = labels != IGNORE_INDEX
    one_hot = F.one_hot(labels.where(is_labeled, 0), num_classes).movedim(-1, 1)
    mask = is_labeled.unsqueeze(1).float()
    return one_hot.float() * mask, mask
