"""A segmentor of mmsegmentation as a network."""

import warnings
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from bddseg.errors import BddsegError
from bddseg_openmmlab.config import read_config


class OpenMMLabNetwork(nn.Module):
    """Images to logits at the images' own size, exactly as mmsegmentation computes them.

    Args:
        segmentor: Segmentor of mmsegmentation.
    """

    def __init__(self, segmentor: Any) -> None:
        super().__init__()
        self.model = segmentor

    @property
    def align_corners(self) -> bool:
        """How the logits are interpolated."""
        return bool(self.model.align_corners)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W), normalised, in the config's channel order -> logits (N, K, H, W)."""
        # It expects metadata of each image, but uses none here.
        logits: Tensor = self.model.encode_decode(images, [{}] * len(images))
        return logits

    def convert_state_dict(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors of a checkpoint of mmsegmentation under this network's names."""
        if state.keys() & self.state_dict().keys():
            return dict(state)
        return {f"model.{name}": tensor for name, tensor in state.items()}


def build_openmmlab(*, num_classes: int, config: str) -> nn.Module:
    """Return the network that a config of mmsegmentation describes, with fresh parameters.

    Args:
        num_classes: K, the number of the task's classes.
        config: Path of the config. It is Python code, and is executed.

    Raises:
        BddsegError: mmsegmentation is missing, the config cannot be used, or has other classes.
    """
    segmentor = build_segmentor(read_config(config), config)
    found = segmentor.num_classes
    if found != num_classes:
        raise BddsegError(
            f"{config} has {found} classes, but the task has {num_classes}.",
            "Choose the task with -t: drivable has 3 classes, sem_seg has 19.",
        )
    return OpenMMLabNetwork(segmentor)


def build_segmentor(config: Any, origin: str) -> Any:
    """Return mmsegmentation's own network of a config, with fresh parameters.

    Raises:
        BddsegError: The config does not describe a model.
    """
    from mmcv.cnn.utils import revert_sync_batchnorm
    from mmseg.models import build_segmentor as build

    model = config.model.copy()
    # Weights come from the checkpoint; nothing is downloaded.
    model["pretrained"] = None
    model["train_cfg"] = None
    model.backbone["init_cfg"] = None
    try:
        with warnings.catch_warnings():
            # It warns about losses, which are not used here.
            warnings.simplefilter("ignore")
            segmentor = build(model, test_cfg=config.get("test_cfg"))
    except (KeyError, TypeError, ValueError, AttributeError, AssertionError) as error:
        raise BddsegError(
            f"{origin} does not describe a model: {type(error).__name__}: {error}.",
            "Use a config that was made for mmsegmentation 0.x.",
        ) from error
    # SyncBN needs several training processes; BN has the same parameters.
    return revert_sync_batchnorm(segmentor)
