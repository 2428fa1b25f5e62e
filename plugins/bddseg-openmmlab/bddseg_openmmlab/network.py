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
        segmentor: of mmsegmentation.
        is_bgr: whether it wants its channels the other way round.
    """

    def __init__(self, segmentor: Any, *, is_bgr: bool) -> None:
        super().__init__()
        self.model = segmentor
        self._is_bgr = is_bgr

    @property
    def align_corners(self) -> bool:
        """How logits are interpolated."""
        return bool(self.model.align_corners)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W), RGB, normalised -> logits (N, K, H, W)."""
        images = images.flip(1) if self._is_bgr else images
        # It wants facts about each image, and uses none of them here.
        logits: Tensor = self.model.encode_decode(images, [{}] * len(images))
        return logits

    def translate_state(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what a checkpoint of mmsegmentation holds, under this network's names."""
        if state.keys() & self.state_dict().keys():
            return dict(state)
        return {f"model.{name}": tensor for name, tensor in state.items()}


def build_openmmlab(*, num_classes: int, config: str, is_bgr: bool = False) -> nn.Module:
    """Return the network that a config of mmsegmentation describes, with fresh parameters.

    Args:
        num_classes: K, of the task.
        config: the config's path. It is Python, and is run.
        is_bgr: whether its channels are blue, green, red.

    Raises:
        BddsegError: mmsegmentation is missing, the config cannot be used, or has other classes.
    """
    segmentor = build_segmentor(read_config(config), config)
    found = segmentor.num_classes
    if found != num_classes:
        raise BddsegError(
            f"{config} has {found} classes, and the task {num_classes}.",
            "Name the task with -t: drivable has 3 classes, sem_seg 19.",
        )
    return OpenMMLabNetwork(segmentor, is_bgr=is_bgr)


def build_segmentor(config: Any, origin: str) -> Any:
    """Return mmsegmentation's own network of a config, with fresh parameters.

    Raises:
        BddsegError: the config does not describe one.
    """
    from mmcv.cnn.utils import revert_sync_batchnorm
    from mmseg.models import build_segmentor as build

    model = config.model.copy()
    # Weights come from the checkpoint; nothing is fetched.
    model["pretrained"] = None
    model["train_cfg"] = None
    model.backbone["init_cfg"] = None
    try:
        with warnings.catch_warnings():
            # Losses and their defaults are of no matter here.
            warnings.simplefilter("ignore")
            segmentor = build(model, test_cfg=config.get("test_cfg"))
    except (KeyError, TypeError, ValueError, AttributeError, AssertionError) as error:
        raise BddsegError(
            f"{origin} describes no model: {type(error).__name__}: {error}.",
            "Was it made for mmsegmentation 0.x?",
        ) from error
    # It works between processes that train together, of which there are none.
    return revert_sync_batchnorm(segmentor)
