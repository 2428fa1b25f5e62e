"""From upload to download, a GPU is never waited for; on a fake GPU, which computes nothing."""

import msgspec
import pytest
import torch
from inference.fake_gpu import GPU, Transfers, use_fake_gpu
from models.small import BUILT_IN, make_small_entry

from bddseg.inference.images import Inputs
from bddseg.inference.predictor import Predictor
from bddseg.specs import Entry, Precision

SIZE_HW = (90, 160)


def watch(entry: Entry, precision: Precision, *, tta: bool = False) -> Transfers:
    """Run a batch that is on the GPU already."""
    with use_fake_gpu(entry, precision) as runtime:
        predictor = Predictor(entry, runtime, tta=tta)
        images = torch.empty(*SIZE_HW, 3, dtype=torch.uint8, device=GPU)
        transfers = Transfers()
        with transfers:
            (logits,) = predictor.compute_logits([Inputs((images,), SIZE_HW)] * 2)
            labels = predictor.argmax(logits, SIZE_HW)
    assert (labels.shape, labels.dtype, labels.device) == ((2, *SIZE_HW), torch.uint8, GPU)
    assert logits.dtype is torch.float32
    assert transfers.num_launched > 50
    return transfers


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("architecture", BUILT_IN)
def test_no_operation_waits_for_the_device(architecture: str, precision: Precision) -> None:
    assert watch(make_small_entry(architecture), precision).seen == []


def test_nor_with_augmentation_or_a_class_map() -> None:
    entry = make_small_entry("pspnet")
    mapped = msgspec.structs.replace(entry, class_map=(2, 0, 1, 0))
    assert watch(mapped, "fp16", tta=True).seen == []
