import pytest
import torch
from torch import nn

from bddseg.errors import BddsegError
from bddseg.models.architectures import ARCHITECTURES, build_network
from bddseg.zoo.catalog import list_entries
from bddseg.zoo.entry import read_entry

EXAMPLES = {entry.architecture: entry for entry in reversed(list_entries())}

# Small enough to build many of; what an architecture does not have is left out.
SMALL = {
    "auxiliary_channels": 8,
    "base_channels": 8,
    "blocks": 1,
    "channels": 16,
    "depth": 18,
    "ema_channels": 16,
    "low_level_channels": 8,
    "mask_hw": [9, 9],
    "modules": [1, 1, 1, 1],
    "num_bases": 4,
    "width": 8,
}
OTHER = {
    "align_corners": lambda value: not value,
    "auxiliary_channels": lambda _: 0,
    "base_channels": lambda _: 16,
    "blocks": lambda _: 2,
    "channels": lambda _: 24,
    "depth": lambda _: 34,
    "dilations": lambda value: [*value[:3], 8],
    "direction": lambda _: "collect",
    "dropout": lambda value: value + 0.4,
    "ema_channels": lambda _: 24,
    "filter_sizes": lambda value: [*value[:-1], 5],
    "head_dilations": lambda value: [*value[:-1], 4],
    "low_level_channels": lambda _: 12,
    "mask_hw": lambda _: [5, 7],
    "modules": lambda _: [1, 2, 1, 1],
    "momentum": lambda value: value / 2,
    "normalization_factor": lambda _: 2.0,
    "pool_scales": lambda value: [*value[:-1], 4],
    "ratio": lambda _: 0.5,
    "recurrence": lambda _: 1,
    "reduction": lambda _: 4,
    "shrink_factor": lambda _: 1,
    "softmax": lambda value: not value,
    "strides": lambda value: [*value[:3], 3],
    "use_scale": lambda value: not value,
}
DEFAULT = {"num_bases", "num_stages", "width", "level2_blocks", "level3_blocks"}  # one more


def change(option, value):
    return OTHER[option](value) if option in OTHER else value + 1


def cases():
    for name, entry in sorted(EXAMPLES.items()):
        own = set(entry.options) | ({"base_channels"} if "depth" in entry.options else set())
        for option in sorted(own):
            yield name, option


def make_small(name):
    options = dict(EXAMPLES[name].options)
    extra = {"base_channels"} if "depth" in options else set()
    return options | {key: SMALL[key] for key in SMALL if key in options or key in extra}


def describe(name, options):
    """All that an option can change: outputs of evaluation and of training, and what it leaves."""
    torch.manual_seed(0)
    network = build_network(name, num_classes=2 if name == "twinlitenet" else 3, options=options)
    for parameter in network.parameters():
        if parameter.dim() <= 1 and not parameter.any():
            nn.init.constant_(parameter, 0.5)
    torch.manual_seed(0)
    images = torch.randn(2, 3, 72, 104)
    with torch.inference_mode():
        evaluated = network.eval().forward_heads(images)
        torch.manual_seed(0)
        trained = network.train().forward_heads(images)
    return [network.align_corners, *evaluated, *trained, *network.state_dict().values()]


def is_same(one, other):
    return len(one) == len(other) and all(
        torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
        for a, b in zip(one, other, strict=True)
    )


@pytest.fixture(scope="module")
def base():
    made = {}
    return lambda name: made.setdefault(name, describe(name, make_small(name)))


@pytest.mark.parametrize(("name", "option"), list(cases()))
def test_each_option_changes_the_network(base, name, option):
    options = make_small(name)
    changed = options | {option: change(option, options[option])}
    assert not is_same(base(name), describe(name, changed))


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_the_same_options_give_the_same_network(base, name):
    assert is_same(base(name), describe(name, make_small(name)))


def test_every_architecture_and_every_option_takes_part():
    names = ARCHITECTURES.list_names()
    assert {name for name in names if ARCHITECTURES.get_package(name) == "bddseg"} <= set(EXAMPLES)
    assert {option for _, option in cases()} == set(OTHER) | DEFAULT


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
