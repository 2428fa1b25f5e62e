"""Run-length encoded masks in Scalabel's JSON."""

from pathlib import Path

from bddseg.data.scalabel import decode_json, encode_frame, encode_json, write_scalabel
from bddseg.data.sources.source import FrameRef
from bddseg.inference.prediction import Prediction
from bddseg.inference.writers.writer import FileWriter
from bddseg.io.walk import list_files


class RleWriter(FileWriter):
    """Writes `OUT/rle/NAME.json` and, of all frames, `OUT/TASK.json`."""

    folder = "rle"
    suffix = ".json"

    def encode(self, item: FrameRef, prediction: Prediction) -> bytes:
        """Return the frame as JSON; its name is the image file's, as in the dataset."""
        name = item.path.name if item.index is None else item.name
        return encode_json(encode_frame(name, prediction.labels, self.task))

    def close(self) -> None:
        """Join the frames in one file, sorted by name."""
        join_frames(self.out / self.folder, self.out / f"{self.task.name}.json")


def join_frames(folder: Path, out: Path) -> None:
    """Join the frames in a folder of JSON files into one file, sorted by name."""
    paths = list_files(folder, lambda path: path.suffix == ".json")
    write_scalabel(out, map(decode_json, paths))
