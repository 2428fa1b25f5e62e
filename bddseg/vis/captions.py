"""Text on pictures: boxes of lines, each with a patch of colour if it explains one."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from bddseg.data.frames import Frame
from bddseg.tasks import Color

# A line's height, as a share of the picture's; smaller where the box would not fit.
_SHARE = 1 / 28
_SMALLEST = 8
_OPACITY = 0.7
_GROUND = 16
_TEXT: Color = (255, 255, 255)
WHITE = 255
# Of a strip's height, what its letters take.
_CAPTION_SHARE = 0.7

# A colour, or None, and what is said.
Line = tuple[Color | None, str]


def write_box(frame: Frame, lines: Sequence[Line], *, bottom: bool = False) -> None:
    """Write lines into a dark box in the left upper corner of a frame, or the lower one.

    They are written as large as fits, in several columns if need be.

    Args:
        frame: RGB, (H, W, 3), uint8; it is changed.
        lines: what is written.
        bottom: whether the box stands below.
    """
    box = _fit_box(tuple(lines), frame.shape[0], frame.shape[1])
    height, width = box.shape[:2]
    part = frame[-height:, :width] if bottom else frame[:height, :width]
    box = box[: part.shape[0], : part.shape[1]]
    opacity = box[..., 3:] / 255
    part[:] = (box[..., :3] * opacity + part * (1 - opacity)).round()


def render_caption(text: str, height: int, width: int) -> Frame:
    """Return a white strip with text in its middle, RGB, (height, width, 3), uint8.

    Text that does not fit loses its beginning: names of frames differ at their ends.
    """
    strip = Image.new("RGB", (width, height), (WHITE, WHITE, WHITE))
    if height and text:
        font = ImageFont.load_default(int(height * _CAPTION_SHARE))
        shown = text
        while len(shown) > 2 and font.getlength(shown) > width:
            shown = f"…{shown[2:]}"
        middle = (width // 2, height // 2)
        ImageDraw.Draw(strip).text(middle, shown, fill=(0, 0, 0), font=font, anchor="mm")
    return np.array(strip, np.uint8).reshape(height, width, 3)


@lru_cache(maxsize=64)
def _fit_box(lines: tuple[Line, ...], height: int, width: int) -> npt.NDArray[np.uint8]:
    size = max(_SMALLEST, int(height * _SHARE))
    while True:
        rows = max(1, int(height / (1.4 * size)) - 1)
        columns = -(-len(lines) // rows)
        box = _render(lines, size, columns)
        if (box.shape[0] <= height and box.shape[1] <= width) or size <= _SMALLEST:
            return box
        size -= 1


def _render(lines: tuple[Line, ...], size: int, columns: int) -> npt.NDArray[np.uint8]:
    """Return a box as RGBA, (h, w, 4), uint8."""
    font = ImageFont.load_default(size)
    step, margin = int(1.4 * size), max(2, size // 2)
    rows = -(-len(lines) // columns)
    patch = int(1.6 * size) if any(color for color, _ in lines) else 0
    cell = patch + int(max(font.getlength(text) for _, text in lines)) + 2 * margin
    ground = (_GROUND, _GROUND, _GROUND, int(255 * _OPACITY))
    image = Image.new("RGBA", (columns * cell, rows * step + margin), ground)
    draw = ImageDraw.Draw(image)
    for index, (color, text) in enumerate(lines):
        left, top = index // rows * cell + margin, index % rows * step + margin // 2
        middle = top + step // 2
        if color:
            half = size // 2
            draw.rectangle((left, middle - half, left + size, middle + half), fill=(*color, 255))
        draw.text((left + patch, middle), text, fill=(*_TEXT, 255), font=font, anchor="lm")
    return np.asarray(image)
