"""What a writer has to do."""

from pathlib import Path

import numpy as np
import torch

from bddseg.data.sources.source import FrameRef
from bddseg.inference.prediction import Prediction
from bddseg.inference.writers.writer import Writer
from bddseg.tasks.task import get_task
from bddseg.testing.check import check


def check_writer(writer: type[Writer], out: Path, task: str = "drivable") -> None:
    """Check a writer: it writes where it says, below the output folder, and can be closed.

    Args:
        writer: The class that is registered.
        out: An empty folder.
        task: Name of the task of the predictions.

    Raises:
        AssertionError: it does something else.
    """
    used = get_task(task)
    rng = np.random.default_rng(0)
    opened = writer(out, used, "frames")
    item = FrameRef("frames/night/0001.jpg", "night/0001")
    prediction = Prediction(
        labels=rng.integers(0, used.num_classes, (32, 48), np.uint8),
        task=used,
        name=item.name,
        image=rng.integers(0, 256, (32, 48, 3), np.uint8) if writer.needs_image else None,
        raw_logits=torch.randn(used.num_classes, 16, 24) if writer.needs_logits else None,
    )
    path = opened.get_path(item.name)
    outputs = opened.list_outputs()
    opened.write(item, prediction)
    if path is not None:
        check(path.is_relative_to(out), f"{path} is not below the output folder")
        check(
            any(path.is_relative_to(output) for output in outputs),
            f"list_outputs() does not contain {path}, which get_path() returns",
        )
        check(path.is_file(), f"write() did not write {path}, which get_path() returns")
        other = opened.get_path("night/0002")
        check(other != path, "get_path() gives two frames the same file")
    opened.close([item.name])
