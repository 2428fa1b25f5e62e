"""The contracts hold for every architecture, ours and each installed plugin's alike.

An architecture takes part as soon as an entry of some catalog uses it.
"""

import copy

import pytest
import torch
from torch import nn

from bddseg import testing
from bddseg.models.architectures import ARCHITECTURES, Optimizable
from bddseg.testing import CONTRACTS, Example, make_example
from bddseg.zoo.catalog import find_entry, list_entries

EXAMPLES = {
    entry.architecture: entry
    for entry in reversed(list_entries())
    if entry.architecture in ARCHITECTURES.list_names()
}


@pytest.fixture(scope="module", params=sorted(EXAMPLES))
def example(request):
    return make_example(EXAMPLES[request.param])


def test_every_architecture_has_an_example():
    ours = {name for name in ARCHITECTURES.list_names() if is_ours(name)}
    assert len(ours) == 12
    assert ours <= set(EXAMPLES)


def is_ours(name):
    return ARCHITECTURES.get_package(name) == "bddseg"


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.__name__)
def test_contract(contract, example):
    contract(example)


def test_what_makes_it_faster_takes_norms_away(example):
    if not isinstance(example.network, Optimizable):
        pytest.skip("the architecture leaves its network as it is")
    optimized = copy.deepcopy(example.network)
    optimized.optimize()
    norms = [
        sum(isinstance(module, nn.BatchNorm2d) for module in each.modules())
        for each in (example.network, optimized)
    ]
    assert norms[1] < norms[0]


class Good(nn.Module):
    """A network that keeps every contract, and from which the following differ in one point."""

    align_corners = False

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 3, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(3)

    def forward(self, images):
        return self.norm(self.conv(images))

    def optimize(self):
        """Nothing to be done."""


class Silent(Good):
    align_corners = None


class FewerClasses(Good):
    def forward(self, images):
        return super().forward(images)[:, :2]


class Infinite(Good):
    def forward(self, images):
        return super().forward(images) / 0


class Mixing(Good):
    def forward(self, images):
        logits = super().forward(images)
        return logits - logits.mean(dim=0, keepdim=True)


class Blind(Good):
    def forward(self, images):
        return super().forward(images * 0)


class OneSize(Good):
    def forward(self, images):
        if images.shape[2] > images.shape[3]:
            raise RuntimeError("portraits are not foreseen")
        return super().forward(images)


class Unused(Good):
    def __init__(self):
        super().__init__()
        self.other = nn.Conv2d(3, 3, 1)


class Exploding(Good):
    def forward(self, images):
        return super().forward(images) + (self.conv.bias.sum() * 0).sqrt()


class Forgetful(Good):
    def __init__(self):
        super().__init__()
        self.register_buffer("scale", torch.ones(1), persistent=False)

    def forward(self, images):
        return super().forward(images) * self.scale


class Careless(Good):
    def optimize(self):
        self.norm = nn.Identity()


class Moody(Good):
    def forward(self, images):
        return super().forward(images) * (2 if self.training else 1)


class Unexportable(Good):
    def forward(self, images):
        return super().forward(images) * (2 if images.mean() > 9 else 1)


def test_a_network_that_keeps_all_contracts_passes():
    for contract in CONTRACTS:
        contract(Example(find_entry("pspnet_r50-d8_512x1024_40k"), Good().eval()))


@pytest.mark.parametrize(
    ("kind", "broken"),
    [
        (Silent, "gives_logits_for_each_class"),
        (FewerClasses, "gives_logits_for_each_class"),
        (Infinite, "gives_logits_for_each_class"),
        (Mixing, "does_not_mix_images_of_a_batch"),
        (Blind, "does_not_mix_images_of_a_batch"),
        (OneSize, "labels_every_pixel_of_odd_sizes"),
        (Unused, "trains_every_parameter"),
        (Exploding, "trains_every_parameter"),
        (Forgetful, "keeps_its_state"),
        (Careless, "optimizes_without_change"),
        (Moody, "trains_as_it_evaluates"),
        (Unexportable, "is_exported"),
    ],
)
def test_a_broken_contract_is_found(kind, broken):
    entry = find_entry("pspnet_r50-d8_512x1024_40k")
    with pytest.raises((AssertionError, RuntimeError, torch._dynamo.exc.UserError)):
        getattr(testing, broken)(Example(entry, kind().eval()))
