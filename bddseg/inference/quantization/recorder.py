"""What a network is given for frames, to calibrate with."""

from collections.abc import Mapping
from typing import Any, cast

import numpy.typing as npt
from torch import Tensor

from bddseg.errors import BddsegError
from bddseg.inference.runtimes.torch import TorchRuntime
from bddseg.models.layers import get_size
from bddseg.types import SizeHW


class Recorder(TorchRuntime):
    """Runs a network, and keeps the images that it is given.

    Args:
        runtime: Another one of that network.
        task: Name of the entry's task.
        source: Of the frames, for messages.

    Attributes:
        images: Each is (1, 3, H, W), float32.
        num_classes: Numbers of channels of the logits.
    """

    def __init__(self, runtime: TorchRuntime, task: str, source: object) -> None:
        super().__init__(runtime.network, task, runtime.device)
        self.images: list[npt.NDArray[Any]] = []
        self.num_classes: set[int] = set()
        self._source = source

    @property
    def size_hw(self) -> SizeHW:
        """Size of the images."""
        return cast(SizeHW, self.images[0].shape[2:])

    def infer(self, images: Tensor) -> Mapping[str, Tensor]:
        """Keep the images, and return their logits.

        Raises:
            BddsegError: they have another size than those before.
        """
        if self.images and get_size(images) != self.size_hw:
            sizes = (self.size_hw, get_size(images))
            raise BddsegError(
                f"Frames of {self._source} become inputs of "
                f"{' and '.join('x'.join(map(str, size)) for size in sizes)} pixels (height x "
                "width), and a quantized network takes one size.",
                "Give frames of one size.",
            )
        self.images += [image[None].numpy() for image in images]
        outputs = super().infer(images)
        self.num_classes |= {logits.shape[1] for logits in outputs.values()}
        return outputs
