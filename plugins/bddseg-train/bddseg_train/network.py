"""A network with its loss: what the training loop runs, forwards and backwards."""

from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn

from bddseg.errors import BddsegError
from bddseg.inference.postprocess import apply_class_map
from bddseg.models.layers import resize, widen
from bddseg.models.losses import LOSSES
from bddseg.models.network import HasHeads, Network
from bddseg.models.options import call_with_options
from bddseg.specs import Entry
from bddseg_train.recipe import Loss


class TrainingNetwork(nn.Module):
    """A network followed by its loss.

    Args:
        network: Also a `bddseg.models.network.Network`; where it is a `HasHeads`, its further heads
            are trained with `auxiliary_weight`.
        entry: Its entry: of several outputs, that of the entry's task is trained.
        loss: The loss.

    Raises:
        BddsegError: There is no such loss, or its options do not fit.
    """

    def __init__(self, network: nn.Module, entry: Entry, loss: Loss) -> None:
        super().__init__()
        self.network = network
        self._task = entry.task
        self._class_map = entry.class_map
        self._auxiliary_weight = loss.auxiliary_weight
        self._loss = call_with_options(LOSSES.load(loss.name), loss.options, "loss.options")

    def forward(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return the losses of a batch, scalars: "loss" is what is minimised.

        Args:
            images: (N, 3, H, W), float, normalised.
            labels: Class ids (N, H, W), int64; 255 is ignored.
        """
        main, *further = self._compute_logits(images)
        losses = {"loss": self._compute_loss(main, labels)}
        for number, logits in enumerate(further):
            name = f"auxiliary_{number}" if number else "auxiliary"
            losses[name] = self._compute_loss(logits, labels)
        if further:
            losses["main"] = losses["loss"]
            auxiliary = sum(losses[name] for name in losses if name.startswith("auxiliary"))
            losses["loss"] = losses["main"] + self._auxiliary_weight * auxiliary
        return losses

    def _compute_logits(self, images: Tensor) -> list[Tensor]:
        if isinstance(self.network, HasHeads):
            return self.network.forward_heads(images)
        outputs = self.network(images)
        if not isinstance(outputs, Mapping):
            return [outputs]
        if self._task not in outputs:
            raise BddsegError(
                f"The network has no output '{self._task}', but {', '.join(outputs)}.",
                "Correct the task in the model's entry.",
            )
        return [outputs[self._task]]

    def _compute_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        align_corners = cast(Network, self.network).align_corners
        size_hw = (labels.shape[1], labels.shape[2])
        # Half precision would round what is summed over all pixels.
        mapped = apply_class_map(widen(logits), self._class_map)
        resized = resize(mapped, size_hw, align_corners=align_corners)
        value: Tensor = self._loss(resized, labels)
        return value
