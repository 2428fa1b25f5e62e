"""Contract tests: what bddseg expects of a plugin's objects, for the plugin's own tests.

    import pytest
    from bddseg.testing import ARCHITECTURE_CONTRACTS, Example, make_example

    @pytest.fixture(scope="module")
    def example() -> Example:
        return make_example("my_model")

    @pytest.mark.parametrize("contract", ARCHITECTURE_CONTRACTS, ids=lambda each: each.__name__)
    def test_contract(contract, example):
        contract(example)

A contract is a function that raises AssertionError if the object does not fulfil it. Networks and
metrics have a list of them; a runtime, a source, a writer and a task have one function each,
`check_runtime` and so on. There is one module per interface.
"""

from bddseg.testing.architecture import ARCHITECTURE_CONTRACTS, Example, make_example
from bddseg.testing.metric import METRIC_CONTRACTS
from bddseg.testing.runtime import check_runtime
from bddseg.testing.source import check_source
from bddseg.testing.task import check_task
from bddseg.testing.writer import check_writer

__all__ = [
    "ARCHITECTURE_CONTRACTS",
    "METRIC_CONTRACTS",
    "Example",
    "check_runtime",
    "check_source",
    "check_task",
    "check_writer",
    "make_example",
]
