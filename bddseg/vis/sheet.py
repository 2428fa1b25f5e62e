"""Contact sheets: many pictures as one."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from bddseg.data.frames import read_frame, write_jpeg

_JPEG_QUALITY = 85


def write_sheet(
    pictures: Sequence[Path], out: Path, *, columns: int, cell_hw: tuple[int, int]
) -> None:
    """Write a JPEG with the pictures in rows, each scaled to `cell_hw` pixels.

    Raises:
        BddsegError: a picture cannot be read or the sheet not written.
    """
    height, width = cell_hw
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * height, columns * width, 3), 255, np.uint8)
    for index, picture in enumerate(pictures):
        top, left = index // columns * height, index % columns * width
        cell = cv2.resize(read_frame(picture), (width, height), interpolation=cv2.INTER_AREA)
        sheet[top : top + height, left : left + width] = cell
    write_jpeg(out, sheet, quality=_JPEG_QUALITY)
