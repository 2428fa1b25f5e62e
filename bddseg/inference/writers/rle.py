"""Run-length encoded masks in Scalabel's JSON."""

from collections.abc import Iterable
from pathlib import Path

from bddseg.data.scalabel import decode_json, encode_frame, encode_json, write_scalabel
from bddseg.data.sources.source import FrameRef
from bddseg.inference.prediction import Prediction
from bddseg.inference.writers.writer import FileWriter


class RleWriter(FileWriter):
    """Writes `OUT/rle/NAME.json` and, of all frames, `OUT/TASK.json`."""

    folder = "rle"
    suffix = ".json"

    def encode(self, item: FrameRef, prediction: Prediction) -> bytes:
        """Return the frame as JSON; its name is the image file's, as in the dataset."""
        name = item.path.name if item.index is None else item.name
        return encode_json(encode_frame(name, prediction.labels, self.task))

    def list_outputs(self) -> list[Path]:
        """Return the folder of the files, and the file of all frames."""
        return [*super().list_outputs(), self._joined]

    def close(self, names: Iterable[str]) -> None:
        """Join the frames in one file, sorted by name."""
        paths = sorted(path for name in names if (path := self.get_path(name)))
        write_scalabel(self._joined, map(decode_json, paths))

    @property
    def _joined(self) -> Path:
        return self.out / f"{self.task.name}.json"
