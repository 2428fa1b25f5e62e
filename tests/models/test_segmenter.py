import pytest
import torch
from torch import nn

from bddseg.models.segmenter import Segmenter, pick_classes


class Echo(nn.Module):
    """A network whose logits are its input at half the size, and which counts its calls."""

    align_corners = False

    def __init__(self):
        super().__init__()
        self.sizes = []

    def forward(self, images):
        self.sizes.append(tuple(images.shape[-2:]))
        return nn.functional.avg_pool2d(images, 2)


def reference_slide(network, images, crop, stride):
    """The reference's loop over crops, written out."""
    height, width = images.shape[2:]
    total, count = torch.zeros_like(images), torch.zeros(1, 1, height, width)
    rows = max(height - crop[0] + stride[0] - 1, 0) // stride[0] + 1
    columns = max(width - crop[1] + stride[1] - 1, 0) // stride[1] + 1
    for row in range(rows):
        for column in range(columns):
            y2, x2 = (
                min(row * stride[0] + crop[0], height),
                min(column * stride[1] + crop[1], width),
            )
            y1, x1 = max(y2 - crop[0], 0), max(x2 - crop[1], 0)
            part = images[:, :, y1:y2, x1:x2]
            logits = nn.functional.interpolate(network(part), part.shape[2:], mode="bilinear")
            total[:, :, y1:y2, x1:x2] += logits
            count[:, :, y1:y2, x1:x2] += 1
    return total / count


@pytest.mark.parametrize("size_hw", [(48, 80), (33, 71), (20, 20), (16, 100)])
def test_slide_averages_crops_as_the_reference_does(size_hw):
    images = torch.randn(2, 3, *size_hw, generator=torch.Generator().manual_seed(0))
    segmenter = Segmenter(Echo(), mode="slide", crop_hw=(32, 32), stride_hw=(20, 20))
    expected = reference_slide(Echo(), images, (32, 32), (20, 20))
    torch.testing.assert_close(segmenter(images), expected)


def test_the_last_crop_ends_at_the_border():
    network = Echo()
    segmenter = Segmenter(network, mode="slide", crop_hw=(32, 32), stride_hw=(20, 20))
    segmenter(torch.zeros(1, 3, 32, 60))
    assert network.sizes == [(32, 32)] * 3


def test_whole_runs_once_and_returns_the_image_size():
    network = Echo()
    assert Segmenter(network)(torch.zeros(1, 3, 31, 47)).shape == (1, 3, 31, 47)
    assert network.sizes == [(31, 47)]


@pytest.mark.parametrize("classes", [1, 2, 3, 8, 19])
def test_classes_are_picked_as_argmax_does_ties_included(classes):
    scores = torch.randint(0, 4, (2, classes, 31, 17)).float()
    assert torch.equal(pick_classes(scores), scores.argmax(dim=1).to(torch.uint8))


def test_labels_are_the_strongest_class_at_the_frame_size():
    images = torch.zeros(1, 3, 8, 8)
    images[:, 2, :, 4:] = 1
    images[:, 1, :, :4] = 1
    labels = Segmenter(Echo()).label(images, (16, 16))
    assert labels.dtype == torch.uint8
    assert labels.shape == (1, 16, 16)
    assert labels[0, :, 0].unique().tolist() == [1]
    assert labels[0, :, -1].unique().tolist() == [2]
