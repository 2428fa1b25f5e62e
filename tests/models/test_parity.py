"""Our networks against recorded outputs of the reference implementation."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from bddseg.models.build import build_network
from bddseg.models.encoder_decoder import EncoderDecoder
from bddseg.models.layers import resize
from bddseg.testing.seeded_weights import load_seeded_weights, make_seeded_images
from bddseg.zoo.catalog import find_entry, list_entries

GOLDEN = Path(__file__).parents[1] / "golden"
TOLERANCE = 1e-4  # of the output's standard deviation
ZOO = [entry.name for entry in list_entries() if entry.name.endswith("_drivable_bdd100k")]
PUBLISHED = json.loads(gzip.decompress((GOLDEN / "state_dicts.json.gz").read_bytes()))
RECORDED = sorted(path.stem for path in GOLDEN.glob("*.npz"))


def build(name: str) -> EncoderDecoder:
    network = build_network(find_entry(name)).eval()
    assert isinstance(network, EncoderDecoder)
    return network


class SharedBackbone(nn.Module):
    """A backbone that computes the features of each size of images once."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.features: dict[torch.Size, Any] = {}

    def forward(self, images: Tensor) -> Any:
        if images.shape not in self.features:
            self.features[images.shape] = self.backbone(images)
        return self.features[images.shape]


# By its options: networks with the same backbone get the same weights and images for it.
BACKBONES: dict[str, SharedBackbone] = {}


def build_seeded(name: str) -> EncoderDecoder:
    # Parameters need no initial values: all are replaced.
    with torch.device("meta"):
        network = build(name)
    backbone = json.dumps(find_entry(name).options["backbone"])
    if backbone in BACKBONES:
        network.backbone = nn.Identity()
    load_seeded_weights(network)
    network.backbone = BACKBONES.setdefault(backbone, SharedBackbone(network.backbone))
    return network


def deviation(output: Tensor, golden: npt.NDArray[np.float32]) -> float:
    return float(np.abs(output.numpy() - golden).max() / golden.std())


@pytest.mark.parametrize("name", ZOO)
def test_parameters_have_the_published_names_and_shapes(name: str) -> None:
    with torch.device("meta"):
        own = {key: list(value.shape) for key, value in build(name).state_dict().items()}
    assert own == PUBLISHED[name]


def test_all_models_of_the_zoo_are_compared() -> None:
    assert len(ZOO) == 26
    assert len(RECORDED) == 13


@pytest.mark.parametrize("name", RECORDED)
def test_outputs_equal_the_reference(name: str) -> None:
    network = build_seeded(name)
    golden = np.load(GOLDEN / f"{name}.npz")
    with torch.inference_mode():
        for view, size_hw in (("odd", (97, 161)), ("wide", (64, 832))):
            images = make_seeded_images(*size_hw)
            heads = dict(zip(("decode", "aux"), network.forward_heads(images), strict=False))
            assert {f"{view}_{head}_logits" for head in heads} == {
                key for key in golden if key.startswith(view) and key != "odd_logits"
            }
            for head, logits in heads.items():
                assert deviation(logits, golden[f"{view}_{head}_logits"]) < TOLERANCE
            if view == "odd":
                resized = resize(heads["decode"], size_hw, align_corners=network.align_corners)
                assert deviation(resized, golden["odd_logits"]) < TOLERANCE
        network.fuse()
        fused = network(make_seeded_images(97, 161))
    assert deviation(fused, golden["odd_decode_logits"]) < TOLERANCE
