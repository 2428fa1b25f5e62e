"""mmsegmentation's own path from an image to a label map."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bddseg.errors import BddsegError
from bddseg.specs import Entry
from bddseg.types import Image, LabelMap
from bddseg_openmmlab.config import find_test_pipeline
from bddseg_openmmlab.network import build_segmentor


class Reference:
    """A model of mmsegmentation with its test pipeline.

    Args:
        config: Config of mmsegmentation.
        entry: Entry with the input size to use; the config's own is that of its dataset.
        origin: Name of the config in errors.

    Raises:
        BddsegError: The config does not describe a model.
    """

    def __init__(self, config: Any, entry: Entry, origin: str) -> None:
        from mmseg.datasets.pipelines import Compose

        self._segmentor = build_segmentor(config, origin).eval()
        self._origin = origin
        pipeline = find_test_pipeline(config, origin)
        self._dtype = np.float32 if pipeline.to_float32 else np.uint8
        height, width = entry.preprocessing.size_hw
        pipeline.augmentation["img_scale"] = (width, height)
        self._pipeline = Compose([pipeline.augmentation])

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Load weights; every name and shape must fit.

        Raises:
            BddsegError: They do not fit.
        """
        try:
            self._segmentor.load_state_dict(state)
        except RuntimeError as error:
            raise BddsegError(
                f"The weights do not fit the reference model of {self._origin}: {error}.",
                "Give the config of these weights with --config.",
            ) from error

    def to(self, device: torch.device) -> None:
        """Move the model to a device."""
        self._segmentor.to(device)

    def prepare(self, image: Image) -> tuple[Tensor, dict[str, Any]]:
        """Return the model's input (1, 3, H, W) and mmsegmentation's metadata of it."""
        bgr = np.ascontiguousarray(image[..., ::-1], self._dtype)
        results = {
            "filename": None,
            "ori_filename": None,
            "img": bgr,
            "img_shape": bgr.shape,
            "ori_shape": bgr.shape,
            "pad_shape": bgr.shape,
            "scale_factor": 1.0,
        }
        prepared = self._pipeline(results)
        device = next(self._segmentor.parameters()).device
        return prepared["img"][0][None].to(device), prepared["img_metas"][0].data

    def compute_logits(self, image: Image) -> Tensor:
        """Return the logits (1, K, H, W) at the size of the input, on the model's device."""
        inputs, metadata = self.prepare(image)
        slides = self._segmentor.test_cfg.mode == "slide"
        infer = self._segmentor.slide_inference if slides else self._segmentor.whole_inference
        with torch.inference_mode():
            logits: Tensor = infer(inputs, [metadata], False)
        return logits

    def predict(self, image: Image) -> LabelMap:
        """Return the label map at the image's size, (H, W), uint8."""
        inputs, metadata = self.prepare(image)
        with torch.inference_mode():
            (labels,) = self._segmentor.simple_test(inputs, [metadata], rescale=True)
        label_map: LabelMap = labels.astype(np.uint8)
        return label_map
