"""A network with several outputs, through the predictor that masks come from."""

import msgspec
import numpy as np
import pytest
import torch
from models.small import make_small_entry
from torch import Tensor, nn

from bddseg.errors import BddsegError
from bddseg.inference.predictor import Predictor
from bddseg.inference.runtimes.torch import TorchRuntime
from bddseg.specs import Entry, SlidingWindow


class Brightness(nn.Module):
    """Two tasks: dark pixels are class 0 of the first one, bright pixels of the second one."""

    align_corners = False

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        brightness = images.mean(dim=1)
        first = torch.stack([-brightness, brightness, brightness - 1], dim=1)
        second = torch.stack([brightness, -brightness], dim=1)
        return {"drivable": first, "drivable_binary": second}


@pytest.fixture(params=[None, SlidingWindow(crop_hw=(32, 48), stride_hw=(20, 30))])
def entry(request: pytest.FixtureRequest) -> Entry:
    return msgspec.structs.replace(
        make_small_entry("pspnet"),
        extra_tasks=("drivable_binary",),
        sliding_window=request.param,
    )


def predict(entry: Entry, task: str | None) -> list[int]:
    """Return the class ids of a dark and of a bright half."""
    runtime = TorchRuntime(Brightness(), entry.task, torch.device("cpu"))
    image = np.zeros((72, 128, 3), np.uint8)
    image[:, 64:] = 255
    labels = Predictor(entry, runtime, tasks=[task] if task else [])(image).labels
    assert np.unique(labels[:, :60]).size == np.unique(labels[:, 68:]).size == 1
    return [int(labels[0, 0]), int(labels[0, -1])]


def test_each_task_gets_its_own_output(entry: Entry) -> None:
    assert predict(entry, None) == [0, 1]
    assert predict(entry, "drivable") == [0, 1]
    assert predict(entry, "drivable_binary") == [1, 0]


def test_the_class_map_is_that_of_the_main_task(entry: Entry) -> None:
    mapped = msgspec.structs.replace(entry, class_map=(2, 0, 1))
    assert predict(mapped, "drivable") == [2, 0]
    assert predict(mapped, "drivable_binary") == [1, 0]


def test_a_task_that_the_entry_or_the_network_does_not_have_is_named(entry: Entry) -> None:
    with pytest.raises(BddsegError, match="does not predict the task 'sem_seg'"):
        predict(entry, "sem_seg")
    more = msgspec.structs.replace(entry, extra_tasks=("sem_seg",))
    with pytest.raises(BddsegError, match="no output 'sem_seg', but drivable, drivable_binary"):
        predict(more, "sem_seg")
