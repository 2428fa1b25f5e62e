import pytest
import torch

from bddseg.errors import BddsegError
from bddseg.models.architectures import build_network
from bddseg.zoo.entry import read_entry


def test_an_unknown_option_is_named_with_those_that_exist(tiny):
    options = dict(read_entry(tiny).options, depht=50)
    with pytest.raises(BddsegError, match="depht") as caught:
        build_network("pspnet", num_classes=3, options=options)
    assert "depth" in caught.value.hint


def test_a_missing_option_is_named(tiny):
    options = dict(read_entry(tiny).options)
    del options["channels"]
    with pytest.raises(BddsegError, match="channels"):
        build_network("pspnet", num_classes=3, options=options)


def test_an_unknown_architecture_offers_the_nearest():
    with pytest.raises(BddsegError, match="pspnet"):
        build_network("pspnett", num_classes=3, options={})


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("depth", 34),
        ("base_channels", 8),
        ("strides", [1, 2, 2, 1]),
        ("dilations", [1, 1, 1, 1]),
        ("channels", 16),
        ("pool_scales", [1, 3]),
        ("dropout", 0.5),
        ("auxiliary_channels", 8),
        ("align_corners", True),
    ],
)
def test_each_option_of_pspnet_changes_the_network(tiny, option, value):
    def describe(options):
        torch.manual_seed(0)
        network = build_network("pspnet", num_classes=3, options=options)
        torch.manual_seed(0)
        images = torch.randn(2, 3, 64, 96)
        return repr(network), network.align_corners, network(images)

    base = dict(read_entry(tiny).options)
    first, second = describe(base), describe(base | {option: value})
    changed = first[2].shape != second[2].shape or not torch.equal(first[2], second[2])
    assert first[:2] != second[:2]
    assert changed or option in ("auxiliary_channels",)
