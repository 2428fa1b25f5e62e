"""Contact sheets: many pictures as one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from bddseg.data.frames import Frame, encode_png_rgb, read_frame, write_jpeg
from bddseg.errors import BddsegError
from bddseg.files import write_atomically
from bddseg.progress import Track, map_in_threads, track_silently
from bddseg.vis.captions import WHITE, render_caption
from bddseg.vis.kinds import PictureFormat

_JPEG_QUALITY = 85
# Height of the strip for a caption, as a share of a cell's width, and at least in pixels.
_STRIP_SHARE = 1 / 24
_SMALLEST_STRIP = 14


@dataclass(frozen=True, slots=True)
class Cell:
    """A picture of a sheet, and what is written on it, if anything."""

    path: Path
    caption: str = ""


def write_sheet(
    cells: Sequence[Cell],
    out: Path,
    *,
    columns: int,
    cell_width: int,
    workers: int = 1,
    track: Track = track_silently,
) -> None:
    """Write a picture with others in rows; each fills a cell in its own proportions.

    Cells are as high as the first picture wants them; a picture of another shape is centred.

    Args:
        cells: the pictures, row by row.
        out: a JPEG or PNG file.
        columns: number of cells in a row.
        cell_width: of each, in pixels.
        workers: number of threads.
        track: shows progress.

    Raises:
        BddsegError: there are no pictures, one cannot be read, or the sheet is neither JPEG nor PNG
            or cannot be written.
    """
    kind = out.suffix.lower().lstrip(".").replace("jpeg", "jpg")
    if kind not in set(PictureFormat):
        raise BddsegError(f"{out} is neither JPEG nor PNG.", "Say -o sheet.jpg, for example.")
    if not cells:
        raise BddsegError(f"There is nothing to show on {out}.", "Name pictures with -i.")
    first = read_frame(cells[0].path)
    inner = max(1, round(cell_width * first.shape[0] / first.shape[1]))
    strip = max(_SMALLEST_STRIP, int(cell_width * _STRIP_SHARE))
    height = inner + (strip if any(cell.caption for cell in cells) else 0)
    columns = min(columns, len(cells))
    rows = -(-len(cells) // columns)
    sheet = np.full((rows * height, columns * cell_width, 3), WHITE, np.uint8)

    def draw(cell: Cell) -> Frame:
        picture = _fit(read_frame(cell.path), (inner, cell_width))
        # Below the picture, where it hides nothing.
        caption = render_caption(cell.caption, height - inner, cell_width)
        return np.vstack([picture, caption])

    pictures = map_in_threads(draw, track(cells, "Drawing the sheet"), workers)
    for index, picture in enumerate(pictures):
        if isinstance(picture, BddsegError):
            raise picture
        top, left = index // columns * height, index % columns * cell_width
        sheet[top : top + height, left : left + cell_width] = picture
    if kind == PictureFormat.PNG:
        write_atomically(out, encode_png_rgb(sheet))
    else:
        write_jpeg(out, sheet, quality=_JPEG_QUALITY)


def choose_evenly(cells: Sequence[Cell], number: int) -> list[Cell]:
    """Return so many cells, the first, the last, and what lies evenly between them."""
    if number >= len(cells):
        return list(cells)
    places = np.linspace(0, len(cells) - 1, number).round().astype(int)
    return [cells[place] for place in places]


def _fit(picture: Frame, size_hw: tuple[int, int]) -> Frame:
    height, width = size_hw
    scale = min(height / picture.shape[0], width / picture.shape[1])
    inner = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    small = cv2.resize(
        picture, inner, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    top, left = (height - inner[1]) // 2, (width - inner[0]) // 2
    cell = np.full((height, width, 3), WHITE, np.uint8)
    cell[top : top + inner[1], left : left + inner[0]] = small
    return cell
