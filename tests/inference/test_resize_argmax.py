"""Class ids of resized logits equal those of logits that are resized as a whole."""

import pytest
import torch
from torch import Tensor

import bddseg.inference.resize_argmax as module
from bddseg.inference.resize_argmax import resize_argmax
from bddseg.models.layers import resize
from bddseg.types import SizeHW


def make_logits(height: int, width: int, *, detail: int, num_classes: int = 3) -> Tensor:
    """Return logits of two images; `detail` random values along each axis, smooth between them."""
    generator = torch.Generator().manual_seed(detail)
    coarse = torch.randn(2, num_classes, detail, detail, generator=generator, dtype=torch.float64)
    return resize(coarse, (height, width), align_corners=False).float()


def resize_whole(logits: Tensor, size_hw: SizeHW, *, align_corners: bool) -> Tensor:
    return resize(logits, size_hw, align_corners=align_corners).argmax(dim=1).to(torch.uint8)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size_hw", [(180, 320), (72, 128), (71, 200), (31, 57), (1, 1), (300, 1)])
@pytest.mark.parametrize("num_classes", [1, 2, 3, 19])
def test_labels_equal_those_of_whole_logits(
    size_hw: SizeHW, num_classes: int, align_corners: bool
) -> None:
    logits = make_logits(72, 128, detail=6, num_classes=num_classes)
    found = resize_argmax(logits, size_hw, align_corners=align_corners)
    expected = resize_whole(logits, size_hw, align_corners=align_corners)
    assert found.dtype == torch.uint8
    assert torch.equal(found, expected)


def test_random_logits_have_borders_everywhere() -> None:
    logits = make_logits(36, 64, detail=64)
    found = resize_argmax(logits, (90, 160), align_corners=False)
    assert torch.equal(found, resize_whole(logits, (90, 160), align_corners=False))


def test_one_row_and_one_column_of_logits() -> None:
    for height, width in ((1, 40), (40, 1), (1, 1)):
        logits = make_logits(height, width, detail=5)
        found = resize_argmax(logits, (64, 64), align_corners=False)
        assert torch.equal(found, resize_whole(logits, (64, 64), align_corners=False))


def test_the_first_of_equal_classes_counts() -> None:
    logits = torch.zeros(1, 3, 8, 8)
    logits[:, 1:, :4] = 1
    labels = resize_argmax(logits, (32, 32), align_corners=False)
    assert torch.equal(labels, resize_whole(logits, (32, 32), align_corners=False))
    assert set(labels.flatten().tolist()) == {0, 1}


def test_only_borders_are_interpolated(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> Tensor:
        raise AssertionError("whole logits were resized")

    monkeypatch.setattr(module, "resize", refuse)
    labels = resize_argmax(make_logits(72, 128, detail=4), (180, 320), align_corners=False)
    assert labels.shape == (2, 180, 320)
