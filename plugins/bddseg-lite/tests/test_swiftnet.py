"""The network, whatever its weights."""

from collections.abc import Callable

import msgspec
import pytest

from bddseg.errors import BddsegError
from bddseg.models.build import build_network
from bddseg.testing import ARCHITECTURE_CONTRACTS, Example, make_example
from bddseg.zoo.catalog import find_entry

MODEL = "swiftnet_lite"
OPTIONS = [
    {"stem_channels": 8},
    {"stage_channels": [16, 24, 32, 40]},
    {"stage_blocks": [2, 1, 1, 3]},
    {"decoder_channels": 32},
]


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
    assert count_parameters(**options) != count_parameters()


@pytest.mark.parametrize("options", [{"stage_channels": [16, 24]}, {"decoder_channels": 0}])
def test_an_option_out_of_range_is_an_error(options: dict[str, object]) -> None:
    with pytest.raises(BddsegError) as caught:
        count_parameters(**options)
    assert next(iter(options)) in caught.value.message
