"""Every option of every architecture changes its network; wrong ones are named with their key."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
import torch
from models.small import BUILT_IN, make_small_entry, replace_options
from torch import Tensor, nn

from bddseg.errors import BddsegError
from bddseg.models.backbones.backbone import BACKBONES
from bddseg.models.build import build_network
from bddseg.models.encoder_decoder import EncoderDecoder, make_architecture
from bddseg.models.heads.head import DecodeHead, HeadOptions
from bddseg.specs import Entry

# Of each option, another value that is possible for every network that has it.
CHANGES: dict[str, Callable[[Any], Any]] = {
    "align_corners": lambda value: not value,
    "dropout": lambda value: value + 0.4,
    "backbone.base_channels": lambda _: 16,
    "backbone.blocks": lambda _: 2,
    "backbone.depth": lambda _: 34,
    "backbone.dilations": lambda value: [*value[:3], 8],
    "backbone.modules": lambda _: [1, 2, 1, 1],
    "backbone.strides": lambda value: [*value[:3], 3],
    "backbone.width": lambda _: 12,
    "auxiliary_head.channels": lambda _: 12,
    "auxiliary_head.stage": lambda _: 1,
    "head.channels": lambda _: 24,
    "head.dilations": lambda value: [*value[:-1], 4],
    "head.direction": lambda _: "collect",
    "head.ema_channels": lambda _: 24,
    "head.filter_sizes": lambda value: [*value[:-1], 5],
    "head.low_level_channels": lambda _: 12,
    "head.mask_hw": lambda _: [5, 7],
    "head.momentum": lambda value: value / 2,
    "head.normalization_factor": lambda _: 2.0,
    "head.num_bases": lambda value: value + 1,
    "head.num_stages": lambda value: value + 1,
    "head.pool_scales": lambda value: [*value[:-1], 4],
    "head.ratio": lambda _: 0.5,
    "head.recurrence": lambda _: 1,
    "head.reduction": lambda _: 4,
    "head.shrink_factor": lambda _: 1,
    "head.softmax": lambda value: not value,
    "head.use_scale": lambda value: not value,
}


def list_cases() -> Iterator[tuple[str, str]]:
    """Yield each architecture with each key; one code builds the backbone for all heads."""
    for name in BUILT_IN:
        options = make_small_entry(name).options
        for key in CHANGES:
            table, _, option = key.rpartition(".")
            if table in ("backbone", "auxiliary_head") and name not in ("pspnet", "hrnet"):
                continue
            owner = options.get(table, {}) if table else options
            if isinstance(owner, dict) and option in owner:
                yield name, key


def describe(entry: Entry) -> list[Tensor | bool]:
    """Return all that an option can change: both modes' outputs, and parameters after them."""
    torch.manual_seed(0)
    network = build_network(entry)
    assert isinstance(network, EncoderDecoder)
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


def is_same(one: list[Tensor | bool], other: list[Tensor | bool]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(a, b) if isinstance(a, Tensor) and isinstance(b, Tensor) else a == b
        for a, b in zip(one, other, strict=True)
    )


Describe = Callable[[str], list[Tensor | bool]]


@pytest.fixture(scope="module")
def unchanged() -> Describe:
    """Describe an architecture's small network, once each."""
    made: dict[str, list[Tensor | bool]] = {}

    def get(name: str) -> list[Tensor | bool]:
        if name not in made:
            made[name] = describe(make_small_entry(name))
        return made[name]

    return get


@pytest.mark.parametrize(("name", "key"), list(list_cases()))
def test_each_option_changes_the_network(unchanged: Describe, name: str, key: str) -> None:
    entry = make_small_entry(name)
    value: Any = entry.options
    for part in key.split("."):
        value = value[part]
    changed = replace_options(entry, {key: CHANGES[key](value)})
    assert not is_same(unchanged(name), describe(changed))


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_same_options_give_the_same_network(unchanged: Describe, name: str) -> None:
    assert is_same(unchanged(name), describe(make_small_entry(name)))


def test_without_an_auxiliary_head_there_is_none(unchanged: Describe) -> None:
    entry = replace_options(make_small_entry("pspnet"), {"auxiliary_head": None})
    assert len(describe(entry)) < len(unchanged("pspnet"))


def test_every_option_is_tested() -> None:
    assert len(BUILT_IN) == 12
    assert {key for _, key in list_cases()} == set(CHANGES)


HRNET = {"type": "hrnet", "width": 8, "modules": [1, 1, 1, 1], "blocks": 1}


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_head_runs_on_the_other_backbone(name: str) -> None:
    entry = make_small_entry(name)
    other = HRNET if name != "hrnet" else make_small_entry("pspnet").options["backbone"]
    network = build_network(replace_options(entry, {"backbone": other})).eval()
    with torch.inference_mode():
        assert network(torch.randn(1, 3, 65, 97)).shape[:2] == (1, 3)


class MeanHead(DecodeHead):
    """A head of a plugin: the mean of the last stage, at each position."""

    min_stages = 2

    def __init__(self, common: HeadOptions, *, channels: int) -> None:
        super().__init__(common, channels=channels)
        self.conv = nn.Conv2d(common.in_channels[-1], channels, 1)

    def forward(self, features: Any) -> Tensor:
        return self.classify(self.conv(features[-1].mean(dim=(2, 3), keepdim=True)))


class OneStage(nn.Module):
    """A backbone of a plugin, with one stage and no `fuse`."""

    def __init__(self, *, width: int = 4) -> None:
        super().__init__()
        self.out_channels = (width,)
        # Not applied in the order in which they are declared: folding these would be wrong.
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.stem = nn.Conv2d(3, width, 3, stride=2)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return (self.conv(self.norm(self.stem(images)).relu()),)


def use_backbone(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: dict[str, Any] = BACKBONES._loaded
    monkeypatch.setitem(loaded, "one_stage", OneStage)


def test_a_head_of_a_plugin_runs_on_our_backbones() -> None:
    build = make_architecture(MeanHead)
    options = make_small_entry("pspnet").options
    for backbone in (options["backbone"], HRNET):
        network = build(
            num_classes=5,
            backbone=backbone,
            head={"channels": 8},
            dropout=0.1,
            align_corners=False,
        )
        assert network.eval()(torch.randn(1, 3, 64, 64)).shape == (1, 5, 1, 1)


def test_a_backbone_of_a_plugin_runs_under_our_head(monkeypatch: pytest.MonkeyPatch) -> None:
    use_backbone(monkeypatch)
    entry = replace_options(
        make_small_entry("pspnet"),
        {"backbone": {"type": "one_stage", "width": 6}, "auxiliary_head.stage": 0},
    )
    network = build_network(entry).eval()
    assert isinstance(network, EncoderDecoder)
    images = torch.randn(1, 3, 33, 65)
    with torch.inference_mode():
        expected = network(images)
        assert expected.shape == (1, 3, 16, 32)
        network.fuse()
        torch.testing.assert_close(network(images), expected, rtol=1e-4, atol=1e-4)


# Architecture, change of its options, what the error names, and its hint.
WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    ("pspnet", {"depht": 50}, "options.depht is not a known key", "backbone, head, auxiliary"),
    ("pspnet", {"head.foo": 1}, "options.head.foo is not a known key", "channels, pool_scales"),
    ("pspnet", {"head.channels": None}, "options.head.channels is missing", "pool_scales"),
    ("pspnet", {"head": None}, "options.head is missing", "backbone"),
    ("pspnet", {"head": 3}, "options.head is 3", "Correct"),
    ("pspnet", {"head.channels": "wide"}, "options.head.channels is 'wide'", "Correct"),
    ("psanet", {"head.direction": "up"}, "options.head.direction is 'up'", "Correct"),
    ("psanet", {"head.mask_hw": [9]}, "options.head.mask_hw is [9]", "Correct"),
    ("pspnet", {"num_classes": 3}, "options.num_classes is not a known key", "backbone"),
    ("pspnet", {"backbone.type": None}, "options.backbone.type is missing", "hrnet, resnet"),
    ("pspnet", {"backbone.type": "resnett"}, "options.backbone.type", "plugin"),
    ("pspnet", {"backbone.foo": 1}, "options.backbone.foo is not a known key", "depth, strides"),
    ("pspnet", {"backbone.base_channels": -1}, "options.backbone cannot be used", "Correct"),
    ("pspnet", {"backbone.base_channels": 10**30}, "options.backbone.base_channels is 10", "Corr"),
    ("pspnet", {"backbone.depth": 7}, "options.backbone.depth is 7", "Depths of a ResNet: 18"),
    ("pspnet", {"backbone.strides": [1, 2]}, "options.backbone.strides has 2", "Give 4 numbers"),
    ("pspnet", {"backbone.dilations": [1] * 5}, "options.backbone.dilations has 5", "Give 4"),
    ("hrnet", {"backbone.modules": [1]}, "options.backbone.modules has 1 number:", "Give 4"),
    ("pspnet", {"auxiliary_head.stage": 4}, "options.auxiliary_head.stage is 4", "stages"),
    ("upernet", {"backbone": {"type": "one_stage"}}, "options.head needs", "options.backbone.type"),
    (
        "pspnet",
        {"backbone": {"type": "one_stage"}},
        "options.auxiliary_head.stage is 2",
        "one of these stages",
    ),
]


@pytest.mark.parametrize(("name", "changes", "named", "hint"), WRONG)
def test_a_wrong_option_is_named_with_its_key(
    monkeypatch: pytest.MonkeyPatch, name: str, changes: dict[str, Any], named: str, hint: str
) -> None:
    use_backbone(monkeypatch)
    entry = make_small_entry(name)
    with pytest.raises(BddsegError) as caught:
        build_network(replace_options(entry, changes))
    assert caught.value.message.startswith(f"{entry.name} (architecture {name}): {named}")
    assert hint in caught.value.hint


def test_an_unknown_architecture_names_the_nearest() -> None:
    entry = msgspec.structs.replace(make_small_entry("pspnet"), architecture="pspnett")
    with pytest.raises(BddsegError, match="pspnet"):
        build_network(entry)


def test_a_class_map_that_misses_a_class_is_refused() -> None:
    entry = msgspec.structs.replace(make_small_entry("pspnet"), class_map=(0, 2, 2))
    with pytest.raises(BddsegError, match=r"class_map \[0, 2, 2\].* does not cover") as caught:
        build_network(entry)
    assert "direct, alternative, background" in caught.value.hint


def test_a_class_map_gives_the_network_its_number_of_classes() -> None:
    entry = msgspec.structs.replace(make_small_entry("pspnet"), class_map=(2, 1, 0, 0))
    network = build_network(entry).eval()
    assert network(torch.randn(1, 3, 64, 64)).shape[1] == 4


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_network_is_traced_as_one_graph(name: str) -> None:
    """What cannot be traced would cut the network into pieces, and `--compile` gain little."""
    entry = make_small_entry(name)
    head = entry.options["head"]
    # Wide enough for each way to compute a convolution.
    if isinstance(head, dict) and "channels" in head:
        entry = replace_options(entry, {"head.channels": 256})
    network = build_network(entry).eval()
    assert isinstance(network, EncoderDecoder)
    network.fuse()
    images = torch.randn(1, 3, 72, 104, generator=torch.Generator().manual_seed(0))
    torch.compiler.reset()
    traced = torch.compile(network, backend="eager", fullgraph=True, dynamic=False)
    with torch.inference_mode():
        torch.testing.assert_close(traced(images), network(images))
