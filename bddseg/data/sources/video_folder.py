"""A folder of videos as a source: the frames of each, one video after the other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from pathlib import Path
from typing import Self

from bddseg.data.sources.files import is_video_folder
from bddseg.data.sources.source import FrameRef, Selection
from bddseg.data.sources.video import VideoSource, is_video
from bddseg.errors import BddsegError
from bddseg.io.overwrite import identify
from bddseg.io.walk import walk
from bddseg.record import has_record
from bddseg.types import Image


@dataclass(frozen=True, slots=True)
class VideoFolderSource:
    """The videos of a folder and of its subfolders, sorted by name; no images are among them.

    Frames are named by video and number: "night/drive/000120". A selection holds for each video, a
    limit for all together.
    """

    folder: Path
    selection: Selection
    exclude: Path | None = None
    is_live = False

    @classmethod
    def accepts(cls, source: str) -> bool:
        """Return whether it is a folder of videos."""
        return is_video_folder(source)

    @classmethod
    def open(cls, source: str, selection: Selection, *, exclude: Path | None = None) -> Self:
        """Return the source; see `Source.open`."""
        return cls(Path(source), selection, exclude)

    def items(self) -> Iterator[FrameRef]:
        """Yield the selected frames of each video, in order of display.

        Raises:
            BddsegError: a video cannot be read, or none of its frames is selected.
        """
        yield from islice(self._list(), self.selection.limit)

    def read(self, refs: Sequence[FrameRef]) -> Iterator[tuple[FrameRef, Image | BddsegError]]:
        """Yield frames of one segment of a video in order, or why one cannot be decoded."""
        for file, group in groupby(refs, key=lambda ref: ref.file):
            yield from self._open(Path(file)).read(list(group))

    def _list(self) -> Iterator[FrameRef]:
        for video in self._list_videos():
            name = video.relative_to(self.folder).with_suffix("").as_posix()
            for ref in self._open(video).items():
                yield replace(ref, name=f"{name}/{ref.name}")

    def _open(self, video: Path) -> VideoSource:
        return VideoSource.open(str(video), replace(self.selection, limit=None))

    def _list_videos(self) -> list[Path]:
        def is_output(folder: str) -> bool:
            is_own = self.exclude is not None and identify(folder) == identify(self.exclude)
            return is_own or has_record(folder)

        return sorted(
            Path(entry.path) for entry in walk(self.folder, skip=is_output) if is_video(entry.path)
        )
