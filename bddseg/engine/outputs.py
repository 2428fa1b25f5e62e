"""What a run writes for each frame: where, in which formats, and what is there already."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path

from bddseg.data.frames import Frame, encode_jpeg
from bddseg.data.masks import Labels, encode_mask
from bddseg.data.scalabel import decode_json, encode_frame, encode_json, write_scalabel
from bddseg.data.sources import FrameRef
from bddseg.errors import unknown_name
from bddseg.files import list_files, write_atomically
from bddseg.tasks import Task
from bddseg.vis.colorize import encode_colormap
from bddseg.vis.overlay import overlay_labels


class Format(StrEnum):
    """A kind of result.

    Attributes:
        MASK: class ids, 8-bit PNG.
        COLOR: the mask in the task's colours, palette PNG.
        OVERLAY: those blended onto the frame, JPEG.
        RLE: run-length encoded masks in Scalabel's JSON; at the end, `TASK.json` has all frames.
        VIDEO: of a video, its overlays as an MP4.
    """

    MASK = "mask"
    COLOR = "color"
    OVERLAY = "overlay"
    RLE = "rle"
    VIDEO = "video"


_SUFFIXES = {
    Format.MASK: ".png",
    Format.COLOR: ".png",
    Format.OVERLAY: ".jpg",
    Format.RLE: ".json",
}


def parse_formats(names: Sequence[str]) -> tuple[Format, ...]:
    """Return the formats of these names.

    Raises:
        BddsegError: there is no such format.
    """
    known = {each.value: each for each in Format}
    for name in names:
        if name not in known:
            raise unknown_name("format", name, known, f"Formats: {', '.join(known)}.")
    return tuple(known[name] for name in names)


class Outputs:
    """The results of a run below one folder.

    Masks, colormaps or overlays alone lie in the folder itself; of several formats, each lies in
    a folder of its own in it.

    Args:
        folder: of the run.
        formats: what is written for each frame; `VIDEO` brings `MASK` with it.
        task: of the model.
    """

    def __init__(self, folder: Path, formats: Sequence[Format], task: Task) -> None:
        wanted = {Format.MASK, *formats} if Format.VIDEO in formats else set(formats)
        self.folder = folder
        self.formats = [each for each in Format if each in wanted]
        self._task = task
        self._per_frame = [each for each in self.formats if each in _SUFFIXES]

    @property
    def needs_frame(self) -> bool:
        """Whether writing takes the frame and not only its labels."""
        return Format.OVERLAY in self.formats

    def get_folder(self, kind: Format) -> Path:
        """Return the folder of a format."""
        alone = len(self.formats) == 1 and kind is not Format.RLE
        return self.folder if alone else self.folder / kind.value

    def list_paths(self, name: str) -> list[Path]:
        """Return the files that a frame of that name gets."""
        return [self.get_folder(each) / f"{name}{_SUFFIXES[each]}" for each in self._per_frame]

    def is_done(self, name: str, since_ns: int) -> bool:
        """Return whether all files of a frame are there and no older than `since_ns`."""
        try:
            return all(path.stat().st_mtime_ns >= since_ns for path in self.list_paths(name))
        except OSError:
            return False

    def write(self, ref: FrameRef, labels: Labels, frame: Frame | None) -> None:
        """Write all files of a frame; each is whole or absent.

        Raises:
            BddsegError: one cannot be written.
        """
        encoders: dict[Format, Callable[[], bytes]] = {
            Format.MASK: lambda: encode_mask(labels),
            Format.COLOR: lambda: encode_colormap(labels, self._task),
            Format.OVERLAY: lambda: encode_jpeg(overlay_labels(_need(frame), labels, self._task)),
            Format.RLE: lambda: _encode_rle(ref, labels, self._task),
        }
        for each, path in zip(self._per_frame, self.list_paths(ref.name), strict=True):
            write_atomically(path, encoders[each]())

    def finish(self, source: str) -> None:
        """Write what is made of all frames together.

        Raises:
            BddsegError: it cannot be written.
        """
        if Format.RLE in self.formats:
            join_rle(self.get_folder(Format.RLE), self.folder / f"{self._task.name}.json")
        if Format.VIDEO in self.formats:
            from bddseg.vis.video import overlay_video

            overlay_video(
                source,
                self.get_folder(Format.MASK),
                self.get_folder(Format.VIDEO) / f"{Path(source).stem}.mp4",
                self._task,
            )


def join_rle(folder: Path, out: Path) -> None:
    """Join the frames in a folder of JSON files into one file, sorted by name."""
    paths = list_files(folder, lambda path: path.suffix == ".json")
    write_scalabel(out, map(decode_json, paths))


def _encode_rle(ref: FrameRef, labels: Labels, task: Task) -> bytes:
    name = ref.path.name if ref.index is None else ref.name
    return encode_json(encode_frame(name, labels, task))


def _need(frame: Frame | None) -> Frame:
    assert frame is not None, "outputs that need the frame are given it"
    return frame
