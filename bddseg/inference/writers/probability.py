"""Confidence: the probability of each pixel's class, as 16-bit PNG."""

import cv2
import numpy as np

from bddseg.data.probability import MAX_PROBABILITY, PROBABILITIES_FOLDER
from bddseg.data.sources.source import FrameRef
from bddseg.inference.prediction import Prediction
from bddseg.inference.writers.writer import FileWriter


class ProbabilityWriter(FileWriter):
    """Writes `OUT/probabilities/NAME.png`: 0 to 65535 for a probability of 0 to 1."""

    folder = PROBABILITIES_FOLDER
    suffix = ".png"
    needs_logits = True

    def encode(self, item: FrameRef, prediction: Prediction) -> bytes:
        """Return the probability of the winning class as a single-channel 16-bit PNG."""
        del item
        values = np.rint(prediction.confidence * MAX_PROBABILITY).astype(np.uint16)
        _, data = cv2.imencode(".png", values)
        return data.tobytes()
