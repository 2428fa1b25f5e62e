"""The overlays of a video or a folder of frames as one video. Needs PyAV, the extra `video`."""

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from bddseg.data.sources.files import is_video_folder
from bddseg.data.sources.source import FrameRef
from bddseg.data.sources.video import import_av
from bddseg.errors import BddsegError
from bddseg.inference.prediction import Prediction
from bddseg.inference.writers.mask import MaskWriter
from bddseg.tasks.task import Task
from bddseg.vis.batch import DrawOptions
from bddseg.vis.video import overlay_video


class VideoWriter:
    """Writes `OUT/videos/SOURCE.mp4` from the masks, when all frames are done."""

    needs_image: ClassVar[bool] = False
    needs_logits: ClassVar[bool] = False
    requires: ClassVar[tuple[str, ...]] = ("mask",)

    def __init__(self, out: Path, task: Task, source: str) -> None:
        # Checked before the work, not after it.
        import_av()
        if is_video_folder(source):
            raise BddsegError(
                f"The format 'video' draws one video, and {source} holds several.",
                "Run each by itself, or use --format overlay.",
            )
        self._out = out
        self._task = task
        self._source = source
        self._path = out / "videos" / f"{Path(source).stem}.mp4"

    def get_path(self, name: str) -> Path | None:
        """Return None: frames have no file of their own."""
        del name
        return None

    def list_outputs(self) -> list[Path]:
        """Return the video."""
        return [self._path]

    def write(self, item: FrameRef, prediction: Prediction) -> None:
        """Do nothing: the video is made of the masks."""

    def close(self, names: Iterable[str]) -> None:
        """Draw the video."""
        overlay_video(
            self._source,
            self._out / MaskWriter.folder,
            self._path,
            self._task,
            names=names,
            options=DrawOptions(overwrite=True),
        )
