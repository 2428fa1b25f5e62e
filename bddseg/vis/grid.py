"""Grids: many images in one."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from bddseg.data.image import encode_png_rgb, read_image, write_jpeg
from bddseg.data.sources.source import FrameRef
from bddseg.errors import BddsegError
from bddseg.io.atomic import write_atomically
from bddseg.io.overwrite import refuse_overwriting
from bddseg.progress import map_in_threads
from bddseg.types import Image, SizeHW
from bddseg.vis.batch import DEFAULT_OPTIONS, DrawOptions
from bddseg.vis.text import WHITE, render_caption

_JPEG_QUALITY = 85
# Height of a caption, as a fraction of the cell's width, and the least in pixels.
_CAPTION_HEIGHT = 1 / 24
_MIN_CAPTION_HEIGHT = 14


def write_grid(
    images: Sequence[FrameRef],
    out: Path,
    *,
    columns: int = 4,
    width: int = 320,
    show_names: bool = True,
    options: DrawOptions = DEFAULT_OPTIONS,
) -> None:
    """Write images side by side in one file; each keeps its aspect ratio.

    The first image sets the height of the rows. Images of another shape are centered.

    Args:
        images: The images, row by row.
        out: A JPEG or PNG file.
        columns: Number of images in a row.
        width: Width of each image in pixels.
        show_names: Write the name below each image.
        options: See `DrawOptions`; `limit` and `resume` have no effect.

    Raises:
        BddsegError: there are no images, one cannot be read, or `out` is not a JPEG or PNG file,
            would overwrite a file, or cannot be written.
    """
    suffix = out.suffix.lower()
    if suffix not in (".jpg", ".jpeg", ".png"):
        raise BddsegError(f"{out} is neither a JPEG nor a PNG file.", "Use -o grid.jpg.")
    if not images:
        raise BddsegError(f"There are no images for {out}.", "Give a folder of images with -i.")
    refuse_overwriting([out], (ref.path for ref in images), overwrite=options.overwrite)
    first = read_image(images[0].path)
    height = max(1, round(width * first.shape[0] / first.shape[1]))
    caption_height = max(_MIN_CAPTION_HEIGHT, int(width * _CAPTION_HEIGHT)) if show_names else 0

    def draw(ref: FrameRef) -> Image:
        image = _fit(read_image(ref.path), (height, width))
        return np.vstack([image, render_caption(ref.name, caption_height, width)])

    cell_height = height + caption_height
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    grid = np.full((rows * cell_height, columns * width, 3), WHITE, np.uint8)
    tracked = options.track(images, "Drawing the grid")
    with map_in_threads(draw, tracked, options.num_threads) as cells:
        for index, cell in enumerate(cells):
            if isinstance(cell, BddsegError):
                raise cell
            top, left = index // columns * cell_height, index % columns * width
            grid[top : top + cell_height, left : left + width] = cell
    if suffix == ".png":
        write_atomically(out, encode_png_rgb(grid))
    else:
        write_jpeg(out, grid, quality=_JPEG_QUALITY)


def _fit(image: Image, size_hw: SizeHW) -> Image:
    """Return the image resized to fit, centered on white."""
    height, width = size_hw
    scale = min(height / image.shape[0], width / image.shape[1])
    inner_height, inner_width = (max(1, round(side * scale)) for side in image.shape[:2])
    resized = cv2.resize(
        image,
        (inner_width, inner_height),
        interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR,
    )
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    cell = np.full((height, width, 3), WHITE, np.uint8)
    cell[top : top + inner_height, left : left + inner_width] = resized
    return cell
