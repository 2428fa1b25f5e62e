"""Confidence on disk: the probability of each pixel's class, as 16-bit PNG."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from bddseg.data.label_set import LabelSet
from bddseg.errors import BddsegError
from bddseg.io.png import read_png
from bddseg.record import find_record

# The folder in the output folder of a run, and the value that stands for a probability of 1.
PROBABILITIES_FOLDER = "probabilities"
MAX_PROBABILITY = 65535

ProbabilityMap = npt.NDArray[np.uint16]


def find_probabilities(label_set: LabelSet) -> Path | None:
    """Return the folder of probabilities beside the results of a run; None if there is none.

    Raises:
        BddsegError: the run record cannot be read.
    """
    folder = label_set.source.parent / PROBABILITIES_FOLDER
    return folder if folder.is_dir() and find_record(label_set.source) else None


def read_probability(path: Path) -> ProbabilityMap:
    """Return the probability of each pixel's class, (H, W), uint16: 0 to `MAX_PROBABILITY`.

    Raises:
        BddsegError: the file is missing, damaged, or has not one channel of 16 bits.
    """
    image = read_png(path)
    if not image.mode.startswith("I"):
        raise BddsegError(
            f"{path} holds no probabilities: its mode is {image.mode}, and one channel of 16 bits "
            "was expected.",
            "Write them again: bddseg infer MODEL FRAMES -o OUT --format mask,probability",
        )
    return image.pixels.astype(np.uint16, copy=False)
