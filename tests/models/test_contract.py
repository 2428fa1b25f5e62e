"""All our architectures fulfil the contracts, and each contract finds a network that breaks it."""

import copy
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import torch
from models.small import BUILT_IN, make_small_entry
from torch import Tensor, nn

from bddseg.models.network import Fusible
from bddseg.specs import Entry
from bddseg.testing import ARCHITECTURE_CONTRACTS, Example, architecture, make_example

Contract = Callable[[Example], None]


@pytest.fixture(scope="module", params=BUILT_IN)
def example(request: pytest.FixtureRequest) -> Example:
    return make_example(make_small_entry(request.param))


@pytest.mark.parametrize("contract", ARCHITECTURE_CONTRACTS, ids=lambda each: each.__name__)
def test_contract(contract: Contract, example: Example) -> None:
    contract(example)


def test_fusing_removes_norms(example: Example) -> None:
    fused = copy.deepcopy(example.network)
    assert isinstance(fused, Fusible)
    fused.fuse()
    before, after = (
        sum(isinstance(module, nn.BatchNorm2d) for module in each.modules())
        for each in (example.network, fused)
    )
    assert after < before


class Good(nn.Module):
    """A network that fulfils all contracts; each of the following breaks one."""

    align_corners: Any = False

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 3, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(3)

    def forward(self, images: Tensor) -> Any:
        return self.norm(self.conv(images))

    def fuse(self) -> None:
        """There is nothing to fuse."""


class TwoOutputs(Good):
    """It fulfils all contracts, with an output for a second task."""

    def __init__(self) -> None:
        super().__init__()
        self.second = nn.Conv2d(3, 2, 1)

    def forward(self, images: Tensor) -> Any:
        logits = super().forward(images)
        return {"drivable": logits, "drivable_binary": self.second(logits)}


class OneOfTwoOutputs(TwoOutputs):
    def forward(self, images: Tensor) -> Any:
        return {"drivable": super().forward(images)["drivable"]}


class SecondFewerClasses(TwoOutputs):
    def forward(self, images: Tensor) -> Any:
        outputs = super().forward(images)
        return outputs | {"drivable_binary": outputs["drivable_binary"][:, :1]}


class SecondMixing(TwoOutputs):
    def forward(self, images: Tensor) -> Any:
        outputs = super().forward(images)
        second = outputs["drivable_binary"]
        return outputs | {"drivable_binary": second - second.mean(dim=0, keepdim=True)}


class SecondCareless(TwoOutputs):
    def fuse(self) -> None:
        assert self.second.bias is not None
        nn.init.constant_(self.second.bias, 3)


class NoAlignCorners(Good):
    align_corners = None


class FewerClasses(Good):
    def forward(self, images: Tensor) -> Any:
        return super().forward(images)[:, :2]


class Infinite(Good):
    def forward(self, images: Tensor) -> Any:
        return super().forward(images) / 0


class Mixing(Good):
    def forward(self, images: Tensor) -> Any:
        logits = super().forward(images)
        return logits - logits.mean(dim=0, keepdim=True)


class Blind(Good):
    def forward(self, images: Tensor) -> Any:
        return super().forward(images * 0)


class LandscapeOnly(Good):
    def forward(self, images: Tensor) -> Any:
        if images.shape[2] > images.shape[3]:
            raise RuntimeError("portrait images are not supported")
        return super().forward(images)


class Unused(Good):
    def __init__(self) -> None:
        super().__init__()
        self.other = nn.Conv2d(3, 3, 1)


class Exploding(Good):
    def forward(self, images: Tensor) -> Any:
        assert self.conv.bias is not None
        return super().forward(images) + (self.conv.bias.sum() * 0).sqrt()


class Forgetful(Good):
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(1), persistent=False)

    def forward(self, images: Tensor) -> Any:
        return super().forward(images) * self.scale


class Careless(Good):
    def fuse(self) -> None:
        self.norm = nn.Identity()  # type: ignore[assignment]


class Moody(Good):
    def forward(self, images: Tensor) -> Any:
        return super().forward(images) * (2 if self.training else 1)


class Widening(Good):
    def forward(self, images: Tensor) -> Any:
        return super().forward(images) * torch.ones(1, 3, 1, 1)


class Overflowing(Good):
    def forward(self, images: Tensor) -> Any:
        return super().forward(images + 300) - super().forward(images.flip(2) + 300)


class Unexportable(Good):
    def forward(self, images: Tensor) -> Any:
        return super().forward(images) * (2 if images.mean() > 9 else 1)


def make_entry(kind: type[Good]) -> Entry:
    second = ("drivable_binary",) if issubclass(kind, TwoOutputs) else ()
    return msgspec.structs.replace(make_small_entry("pspnet"), extra_tasks=second)


@pytest.mark.parametrize("kind", [Good, TwoOutputs])
@pytest.mark.parametrize("contract", ARCHITECTURE_CONTRACTS, ids=lambda each: each.__name__)
def test_a_network_that_fulfils_all_contracts_passes(contract: Contract, kind: type[Good]) -> None:
    contract(Example(make_entry(kind), kind().eval()))


def test_with_a_class_map_the_network_has_its_number_of_classes() -> None:
    entry = msgspec.structs.replace(make_entry(Good), class_map=(2, 1, 0, 0))
    for contract in ARCHITECTURE_CONTRACTS:
        contract(make_example(entry))


@pytest.mark.parametrize(
    ("kind", "broken"),
    [
        (NoAlignCorners, "returns_logits_for_each_class"),
        (FewerClasses, "returns_logits_for_each_class"),
        (Infinite, "returns_logits_for_each_class"),
        (OneOfTwoOutputs, "returns_logits_for_each_class"),
        (SecondFewerClasses, "returns_logits_for_each_class"),
        (Mixing, "treats_images_of_a_batch_separately"),
        (Blind, "treats_images_of_a_batch_separately"),
        (SecondMixing, "treats_images_of_a_batch_separately"),
        (LandscapeOnly, "labels_every_pixel_of_odd_sizes"),
        (Unused, "trains_every_parameter"),
        (Exploding, "trains_every_parameter"),
        (Forgetful, "loads_its_own_state_dict"),
        (Careless, "returns_equal_logits_when_fused"),
        (SecondCareless, "returns_equal_logits_when_fused"),
        (Moody, "returns_equal_logits_in_training_mode"),
        (Widening, "runs_in_half_precision"),
        (Overflowing, "runs_in_half_precision"),
        (Unexportable, "can_be_exported"),
        (SecondFewerClasses, "can_be_exported"),
    ],
)
def test_a_broken_contract_is_found(kind: type[Good], broken: str) -> None:
    with pytest.raises((AssertionError, RuntimeError, torch._dynamo.exc.UserError)):
        getattr(architecture, broken)(Example(make_entry(kind), kind().eval()))
