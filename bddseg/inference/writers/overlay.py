"""Overlays: colors blended onto the frames, as JPEG."""

from bddseg.data.image import encode_jpeg
from bddseg.data.sources.source import FrameRef
from bddseg.inference.prediction import Prediction
from bddseg.inference.writers.writer import FileWriter


class OverlayWriter(FileWriter):
    """Writes `OUT/overlays/NAME.jpg`."""

    folder = "overlays"
    suffix = ".jpg"
    needs_image = True

    def encode(self, item: FrameRef, prediction: Prediction) -> bytes:
        """Return the overlay as JPEG."""
        del item
        return encode_jpeg(prediction.overlay())
