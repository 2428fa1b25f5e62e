"""The network, whatever its weights."""

from collections.abc import Callable

import msgspec
import pytest
import torch
from bddseg_lite.efficientnet_lite import EfficientNetLite0

from bddseg.errors import BddsegError
from bddseg.models.build import build_network
from bddseg.testing import ARCHITECTURE_CONTRACTS, Example, make_example
from bddseg.zoo.catalog import find_entry

MODEL = "swiftnet_lite"
OPTIONS = [{"stage_blocks": [1, 1, 2, 3, 3, 1]}, {"decoder_channels": 32}]
# Two of the published checkpoint's tensors at each end of it, and their shapes.
PUBLISHED = {
    "_conv_stem.weight": (32, 3, 3, 3),
    "_bn0.running_var": (32,),
    "_blocks.0._depthwise_conv.weight": (32, 1, 3, 3),
    "_blocks.0._bn2.bias": (16,),
    "_blocks.1._expand_conv.weight": (96, 16, 1, 1),
    "_blocks.11._project_conv.weight": (192, 672, 1, 1),
    "_blocks.12._bn0.weight": (1152,),
    "_fc.bias": (1000,),
}


def count_parameters(**options: object) -> int:
    entry = find_entry(MODEL)
    entry = msgspec.structs.replace(entry, options={**entry.options, **options})
    return sum(each.numel() for each in build_network(entry).parameters())


@pytest.fixture(scope="module")
def example() -> Example:
    return make_example(MODEL)


@pytest.mark.parametrize("contract", ARCHITECTURE_CONTRACTS, ids=lambda each: each.__name__)
def test_contract(contract: Callable[[Example], None], example: Example) -> None:
    contract(example)


def test_the_number_of_parameters_is_the_entrys() -> None:
    assert count_parameters() == find_entry(MODEL).parameters


@pytest.mark.parametrize("options", OPTIONS)
def test_each_option_changes_the_network(options: dict[str, object]) -> None:
    assert count_parameters(**options) < count_parameters()


@pytest.mark.parametrize("options", [{"stage_blocks": [1, 2]}, {"decoder_channels": 0}])
def test_an_option_out_of_range_is_an_error(options: dict[str, object]) -> None:
    with pytest.raises(BddsegError) as caught:
        count_parameters(**options)
    assert next(iter(options)) in caught.value.message


def test_maps_have_the_papers_sizes_and_channels() -> None:
    maps = EfficientNetLite0((1, 2, 2, 3, 3, 1)).eval()(torch.zeros(1, 3, 64, 96))
    assert [tuple(each.shape[1:]) for each in maps] == [
        (16, 32, 48),
        (24, 16, 24),
        (40, 8, 12),
        (80, 4, 6),
        (112, 4, 6),
        (192, 2, 3),
    ]


def test_a_published_checkpoint_gets_the_backbones_names() -> None:
    backbone = EfficientNetLite0((1, 2, 2, 3, 3, 1))
    own = backbone.state_dict()
    found = backbone.convert_state_dict(
        {name: torch.zeros(shape) for name, shape in PUBLISHED.items()}
    )
    unused = {"_blocks.12._bn0.weight", "_fc.bias"}
    assert unused < found.keys()
    for name in found.keys() - unused:
        assert found[name].shape == own[name].shape


def test_all_of_the_backbone_has_a_published_name() -> None:
    backbone = EfficientNetLite0((1, 2, 2, 3, 3, 1))
    layers = ("_expand_conv", "_depthwise_conv", "_project_conv", "_bn0", "_bn1", "_bn2")
    kinds = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    parts = ["_conv_stem", "_bn0"]
    parts += [f"_blocks.{number}.{layer}" for number in range(12) for layer in layers]
    published = {f"{part}.{kind}": torch.zeros(()) for part in parts for kind in kinds}
    assert backbone.state_dict().keys() <= backbone.convert_state_dict(published).keys()
