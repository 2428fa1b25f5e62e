"""The files of a frame."""

from pathlib import Path

import numpy as np
import pytest

from bddseg.data.sources.source import FrameRef
from bddseg.errors import BddsegError
from bddseg.inference.prediction import Prediction
from bddseg.inference.writers.mask import MaskWriter
from bddseg.inference.writers.writer import RunWriters
from bddseg.tasks.task import get_task


@pytest.mark.parametrize("name", ["../../../x", "/x", "a/../../x", "..", "a\0"])
def test_a_name_that_leads_out_of_the_output_folder_is_refused(name: str, tmp_path: Path) -> None:
    out, task = tmp_path / "a" / "b" / "c", get_task("drivable")
    prediction = Prediction(labels=np.zeros((2, 2), np.uint8), task=task)
    with pytest.raises(BddsegError, match="would lead out of the output folder"):
        MaskWriter(out, task, "").write(FrameRef("x.jpg", name), prediction)
    with pytest.raises(BddsegError, match="would lead out of the output folder"):
        RunWriters(out, ["video", "mask"], [task], "").is_done(FrameRef("x.jpg", name), 0)
    assert not list(tmp_path.iterdir())


def test_names_with_dots_are_allowed(tmp_path: Path) -> None:
    writer = MaskWriter(tmp_path, get_task("drivable"), "")
    assert writer.get_path("a..b/.c...") == tmp_path / "masks" / "a..b" / ".c....png"
