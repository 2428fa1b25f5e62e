"""From logits to class ids."""

import pytest
import torch

from bddseg.inference.postprocess import apply_class_map, argmax


@pytest.mark.parametrize("num_classes", [1, 2, 3, 8, 19])
def test_argmax_equals_torchs_with_ties(num_classes: int) -> None:
    logits = torch.randint(0, 4, (2, num_classes, 31, 17)).float()
    assert torch.equal(argmax(logits), logits.argmax(dim=1).to(torch.uint8))


def test_a_class_map_reorders_classes() -> None:
    logits = torch.randn(2, 3, 4, 5)
    # The network's classes 0, 1, 2 are the task's classes 2, 0, 1.
    mapped = apply_class_map(logits, (2, 0, 1))
    for source, target in enumerate((2, 0, 1)):
        assert torch.equal(mapped[:, target], logits[:, source])


def test_of_classes_that_become_one_the_highest_logit_counts() -> None:
    logits = torch.randn(2, 4, 4, 5)
    mapped = apply_class_map(logits, (0, 1, 0, 2))
    assert torch.equal(mapped[:, 0], torch.maximum(logits[:, 0], logits[:, 2]))
    assert torch.equal(mapped[:, 1:], logits[:, [1, 3]])


def test_without_a_class_map_logits_stay_as_they_are() -> None:
    logits = torch.randn(2, 3, 4, 5)
    assert apply_class_map(logits, ()) is logits
