"""Masks: class ids as 8-bit PNG."""

from bddseg.data.mask import MASKS_FOLDER
from bddseg.data.sources.source import FrameRef
from bddseg.inference.prediction import Prediction
from bddseg.inference.writers.writer import FileWriter
from bddseg.io.png import encode_png


class MaskWriter(FileWriter):
    """Writes `OUT/masks/NAME.png`."""

    folder = MASKS_FOLDER
    suffix = ".png"

    def encode(self, item: FrameRef, prediction: Prediction) -> bytes:
        """Return the label map as a single-channel 8-bit PNG."""
        del item
        return encode_png(prediction.labels)
