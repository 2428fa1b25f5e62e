"""mmsegmentation's own way from a frame to labels."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bddseg.data.frames import Frame
from bddseg.data.masks import Labels
from bddseg.errors import BddsegError
from bddseg.zoo.entry import Entry
from bddseg_openmmlab.config import find_steps
from bddseg_openmmlab.network import build_segmentor


class Reference:
    """A model of mmsegmentation with its test pipeline.

    Args:
        config: of mmsegmentation.
        entry: whose size of input it gets; the config's own is that of its dataset.
        origin: what an error names.

    Raises:
        BddsegError: the config does not describe a model.
    """

    def __init__(self, config: Any, entry: Entry, origin: str) -> None:
        from mmseg.datasets.pipelines import Compose

        self._segmentor = build_segmentor(config, origin).eval()
        self._origin = origin
        steps = find_steps(config, origin)
        self._in_floats = steps.in_floats
        augmentation = steps.augmentation
        height, width = entry.preprocessing.size_hw
        augmentation["img_scale"] = (width, height)
        self._pipeline = Compose([augmentation])

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Load weights; every name and shape must fit.

        Raises:
            BddsegError: they do not.
        """
        try:
            self._segmentor.load_state_dict(state)
        except RuntimeError as error:
            raise BddsegError(
                f"The weights do not fit the reference's {self._origin}: {error}.",
                "Name its config with --config.",
            ) from error

    def to(self, device: torch.device) -> None:
        """Move the model."""
        self._segmentor.to(device)

    def prepare(self, frame: Frame) -> tuple[Tensor, dict[str, Any]]:
        """Return the model's input (1, 3, H, W) and what is known about it."""
        kind = np.float32 if self._in_floats else np.uint8
        bgr = np.ascontiguousarray(frame[..., ::-1], kind)
        facts = {
            "filename": None,
            "ori_filename": None,
            "img": bgr,
            "img_shape": bgr.shape,
            "ori_shape": bgr.shape,
            "pad_shape": bgr.shape,
            "scale_factor": 1.0,
        }
        prepared = self._pipeline(facts)
        device = next(self._segmentor.parameters()).device
        return prepared["img"][0][None].to(device), prepared["img_metas"][0].data

    def compute_logits(self, frame: Frame) -> Tensor:
        """Return logits (1, K, H, W) at the size of the input, on the model's device."""
        images, facts = self.prepare(frame)
        slides = self._segmentor.test_cfg.mode == "slide"
        infer = self._segmentor.slide_inference if slides else self._segmentor.whole_inference
        with torch.inference_mode():
            logits: Tensor = infer(images, [facts], False)
        return logits

    def label(self, frame: Frame) -> Labels:
        """Return labels at the frame's size, (H, W), uint8."""
        images, facts = self.prepare(frame)
        with torch.inference_mode():
            (labels,) = self._segmentor.simple_test(images, [facts], rescale=True)
        return labels.astype(np.uint8)
