"""Logits at the frame's size, as NumPy archives."""

from io import BytesIO

import numpy as np

from bddseg.data.sources.source import FrameRef
from bddseg.inference.prediction import Prediction
from bddseg.inference.writers.writer import FileWriter


class LogitsWriter(FileWriter):
    """Writes `OUT/logits/NAME.npz`: `logits` (K, H, W), float16, and `classes` (K,)."""

    folder = "logits"
    suffix = ".npz"
    needs_logits = True

    def encode(self, item: FrameRef, prediction: Prediction) -> bytes:
        """Return the logits as a compressed archive."""
        del item
        file = BytesIO()
        logits = prediction.logits().astype(np.float16)
        np.savez_compressed(file, logits=logits, classes=np.array(self.task.classes))
        return file.getvalue()
