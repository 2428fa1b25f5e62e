"""Colormaps: masks in their task's colors, as palette PNG."""

from bddseg.data.sources.source import FrameRef
from bddseg.inference.prediction import Prediction
from bddseg.inference.writers.writer import FileWriter
from bddseg.vis.colorize import encode_colormap


class ColormapWriter(FileWriter):
    """Writes `OUT/colormaps/NAME.png`."""

    folder = "colormaps"
    suffix = ".png"

    def encode(self, item: FrameRef, prediction: Prediction) -> bytes:
        """Return the label map as a palette PNG."""
        del item
        return encode_colormap(prediction.labels, self.task)
