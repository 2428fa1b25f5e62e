"""Frozen parts of a network."""

import pytest
from bddseg_train.frozen import freeze
from torch import nn

from bddseg.errors import BddsegError


def make() -> nn.Module:
    stages = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    return nn.ModuleDict(
        {"backbone": nn.ModuleDict({"stages": stages}), "head": nn.Conv2d(4, 3, 1)}
    )


def test_a_part_keeps_its_weights_and_its_statistics() -> None:
    network = make().train()
    freeze(network, ["backbone.stages"])
    trained = [name for name, each in network.named_parameters() if each.requires_grad]
    assert trained == ["head.weight", "head.bias"]
    modes = {name: each.training for name, each in network.named_modules() if name}
    assert [name for name, mode in modes.items() if mode] == ["backbone", "head"]


@pytest.mark.parametrize(
    ("name", "known"),
    [("bakbone", "backbone, head"), ("backbone.stem", "backbone.stages"), ("stem.0", "backbone")],
)
def test_an_unknown_part_is_an_error_with_the_names_of_its_level(name: str, known: str) -> None:
    with pytest.raises(BddsegError) as caught:
        freeze(make(), [name])
    assert name in caught.value.message
    assert known in (caught.value.hint or "")
