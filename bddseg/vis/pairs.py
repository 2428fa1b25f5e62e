"""Frames and what belongs to them, by name."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bddseg.data.masks import list_masks
from bddseg.data.sources import FrameRef, find_frames
from bddseg.errors import BddsegError


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Frames with a file from each of several folders.

    Attributes:
        complete: the frame, and its file in each folder.
        unpaired: frames that lack one.
    """

    complete: tuple[tuple[FrameRef, tuple[Path, ...]], ...]
    unpaired: tuple[Path, ...]


def pair_frames(frames: str, folders: Sequence[Path], out: Path | None = None) -> Pairs:
    """Return frames with their masks or colormaps.

    A frame's file is the one at the same place below a folder or, failing that, of the same stem
    anywhere in it.

    Args:
        frames: an image, a folder, a glob or a list, as for inference.
        folders: of masks or colormaps.
        out: the folder that pictures are written to, which holds no frames.

    Raises:
        BddsegError: no frames, no masks, or none that pair.
    """
    found = find_frames(frames, exclude=out)
    places = [_place_masks(folder) for folder in folders]
    complete = []
    unpaired = []
    for frame in found:
        files = [place.get(frame.name) or place.get(frame.path.stem) for place in places]
        paths = tuple(file for file in files if file is not None)
        if len(paths) == len(files):
            complete.append((frame, paths))
        else:
            unpaired.append(frame.path)
    if not complete:
        listed = " and ".join(map(str, folders))
        raise BddsegError(
            f"No mask in {listed} has the name of a frame of {frames} "
            f"(such as {found[0].path.stem}).",
            "Frames and masks are paired by file name without the suffix; check both.",
        )
    return Pairs(complete=tuple(complete), unpaired=tuple(unpaired))


def _place_masks(masks: Path) -> dict[str, Path]:
    """Return masks by stem and by place below the folder; places win over stems."""
    paths = list_masks(masks)
    by_stem = {path.stem: path for path in paths}
    return by_stem | {path.relative_to(masks).with_suffix("").as_posix(): path for path in paths}
