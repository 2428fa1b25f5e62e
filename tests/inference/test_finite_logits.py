"""Logits that are not finite never become a class: they are computed again, or the frame fails."""

from pathlib import Path
from typing import ClassVar

import msgspec
import numpy as np
import pytest
import torch
from models.small import make_small_entry
from torch import Tensor, nn

import bddseg
from bddseg.errors import BddsegError
from bddseg.inference.predictor import Predictor
from bddseg.inference.runtimes.torch import TorchRuntime
from bddseg.specs import Precision, Preprocessing

RAW = Preprocessing(size_hw=(32, 48), mean=(0, 0, 0), std=(1, 1, 1))
WHITE, GREY = (np.full((32, 48, 3), level, np.uint8) for level in (255, 100))


class Steep(nn.Module):
    """A network whose logits for bright pixels are beyond the range of half precision."""

    align_corners = False
    # Of all copies: half precision has a copy of its own.
    runs: ClassVar[list[tuple[int, torch.dtype]]] = []

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1, bias=False)
        # Grey: -20,000, 20,000 and 0; white: 2.5 times as much.
        nn.init.constant_(self.conv.weight, 0)
        with torch.no_grad():
            self.conv.weight[0], self.conv.weight[1] = -200 / 3 * 2, 200 / 3 * 2

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.conv(images)
        self.runs.append((len(images), logits.dtype))
        return logits


def make_model(precision: Precision, *, tta: bool = False) -> tuple[Predictor, Steep]:
    entry = make_small_entry("pspnet")
    entry = msgspec.structs.replace(entry, preprocessing=RAW, sliding_window=None)
    Steep.runs.clear()
    network = Steep().eval()
    runtime = TorchRuntime(network, entry.task, torch.device("cpu"), precision)
    return Predictor(entry, runtime, tta=tta), network


def test_an_image_that_overflows_half_precision_is_run_again_in_float32() -> None:
    model, network = make_model("fp16")
    assert (model(GREY).labels == 1).all()
    assert network.runs == [(1, torch.float16)]
    prediction = model(WHITE)
    assert network.runs[1:] == [(1, torch.float16), (1, torch.float32)]
    expected = make_model("fp32")[0](WHITE)
    assert np.array_equal(prediction.labels, expected.labels)
    assert np.array_equal(prediction.logits(), expected.logits())


def test_with_test_time_augmentation_too() -> None:
    model, network = make_model("fp16", tta=True)
    assert (model(WHITE).labels == 1).all()
    assert [dtype for _, dtype in network.runs].count(torch.float32) == 12
    assert (model(GREY).labels == 1).all()
    assert [dtype for _, dtype in network.runs].count(torch.float32) == 12


def test_of_a_batch_only_the_images_that_overflow_are_run_again() -> None:
    model, network = make_model("fp16")
    batch = [model.prepare(image) for image in (GREY, WHITE, GREY)]
    logits = model.compute_logits(batch)[0]
    labels = model.argmax(logits, batch[0].size_hw)
    assert labels.amin(dim=(1, 2)).tolist() == [1, 255, 1]
    for outputs in zip(batch, labels, logits, strict=True):
        assert (model.finish(*outputs).labels == 1).all()
    assert network.runs == [(3, torch.float16), (1, torch.float32)]


def change_weights(model: Path, name: str, factor: float) -> None:
    path = model.with_suffix(".pth")
    state = torch.load(path)
    state[name] *= factor
    torch.save(state, path)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_frames_whose_logits_are_never_finite_fail_and_have_no_mask(
    tiny: Path, frames: Path, tmp_path: Path, precision: Precision
) -> None:
    # Each weight is finite, and what they make of an image is not.
    change_weights(tiny, "decode_head.conv_seg.weight", 1e38)
    change_weights(tiny, "decode_head.bottleneck.bn.weight", 1e10)
    with pytest.raises(BddsegError, match="The logits of an image are not finite numbers"):
        bddseg.load_model(str(tiny), precision=precision, device="cpu")(frames / "a.jpg")
    record = bddseg.infer(str(tiny), frames, tmp_path / "out", precision=precision, device="cpu")
    assert record is not None
    assert (record.done, len(record.failures)) == (0, 5)
    assert "a are not finite numbers, in float32 too" in record.failures[0].error
    assert not list(tmp_path.glob("out/masks/*.png"))
