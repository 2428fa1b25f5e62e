"""Masks: label maps on disk, as single-channel 8-bit PNG."""

from pathlib import Path

from bddseg.errors import BddsegError, quote
from bddseg.io.atomic import write_atomically
from bddseg.io.png import PngImage, encode_png, read_png
from bddseg.io.walk import list_files
from bddseg.record import RECORD_NAME
from bddseg.types import LabelMap

# The folder of masks in the output folder of a run.
MASKS_FOLDER = "masks"


def read_mask(path: Path) -> LabelMap:
    """Return the class ids in a mask, (H, W), uint8.

    The indices of a palette image are its class ids, as in the official toolkit.

    Raises:
        BddsegError: the file is missing, damaged, or not a single-channel 8-bit PNG.
    """
    return get_ids(read_png(path))


def get_ids(image: PngImage) -> LabelMap:
    """Return the class ids in a decoded mask; see `read_mask`.

    Raises:
        BddsegError: it has not a single channel of 8 bits.
    """
    if not image.is_single_channel:
        raise BddsegError(
            f"{image.path} is not a mask: its mode is {image.mode}, and one 8-bit channel of class "
            "ids was expected.",
            "If it is a colormap, convert it: bddseg labels convert "
            f"{quote(image.path.parent)} -o OUT",
        )
    return image.pixels


def write_mask(path: Path, labels: LabelMap) -> None:
    """Write class ids, (H, W), uint8, as a mask; the file is complete or absent.

    Raises:
        BddsegError: the file cannot be written.
    """
    write_atomically(path, encode_png(labels))


def list_masks(folder: Path) -> list[Path]:
    """Return the PNG files below a folder, sorted.

    Raises:
        BddsegError: the folder does not exist or holds none.
    """
    masks = list_files(folder, lambda path: path.suffix == ".png")
    if not masks:
        raise BddsegError(f"{folder} holds no masks.", "Masks are PNG files; check the path.")
    return masks


def get_name(path: Path, folder: Path) -> str:
    """Return the name of the frame of a mask: its path below the folder, without the suffix."""
    return path.relative_to(folder).as_posix().removesuffix(path.suffix)


def get_masks_folder(source: Path) -> Path:
    """Return the folder of masks of a run's output folder; any other path as it is."""
    masks = source / MASKS_FOLDER
    return masks if (source / RECORD_NAME).is_file() and masks.is_dir() else source
