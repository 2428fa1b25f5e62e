"""Text on images: boxes of lines, with color swatches for legends, and captions."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import PIL.Image
from PIL import ImageDraw, ImageFont

from bddseg.types import Color, Image

# Font size, as a fraction of the image's height; less if the box would not fit.
_FONT_SIZE = 1 / 28
_MIN_FONT_SIZE = 8
_LINE_HEIGHT = 1.4
_OPACITY = 0.7
_BACKGROUND = 16
_TEXT: Color = (255, 255, 255)
WHITE = 255
# Font size of a caption, as a fraction of its height.
_CAPTION_FONT_SIZE = 0.7

# Color of the swatch, or None, and the text.
Line = tuple[Color | None, str]


def draw_text_box(image: Image, lines: Sequence[Line], *, bottom: bool = False) -> None:
    """Draw lines of text in a dark box in the upper left corner, or in the lower left one.

    The font is as large as fits. Lines are set in several columns if needed.

    Args:
        image: RGB, (H, W, 3), uint8; changed in place.
        lines: The text.
        bottom: Draw the box at the bottom.
    """
    box = _fit_box(tuple(lines), image.shape[0], image.shape[1])
    height, width = box.shape[:2]
    region = image[-height:, :width] if bottom else image[:height, :width]
    box = box[: region.shape[0], : region.shape[1]]
    opacity = box[..., 3:] / 255
    region[:] = (box[..., :3] * opacity + region * (1 - opacity)).round()


def render_caption(text: str, height: int, width: int) -> Image:
    """Return centered text on white, RGB, (height, width, 3), uint8.

    Text that is too long is cut at the start, because names of frames differ at the end.
    """
    caption = PIL.Image.new("RGB", (width, height), (WHITE, WHITE, WHITE))
    if height and text:
        font = ImageFont.load_default(int(height * _CAPTION_FONT_SIZE))
        shown = text
        while len(shown) > 2 and font.getlength(shown) > width:
            shown = f"…{shown[2:]}"
        center = (width // 2, height // 2)
        ImageDraw.Draw(caption).text(center, shown, fill=(0, 0, 0), font=font, anchor="mm")
    return np.array(caption, np.uint8).reshape(height, width, 3)


@lru_cache(maxsize=64)
def _fit_box(lines: tuple[Line, ...], height: int, width: int) -> npt.NDArray[np.uint8]:
    size = max(_MIN_FONT_SIZE, int(height * _FONT_SIZE))
    while True:
        rows = max(1, int(height / (_LINE_HEIGHT * size)) - 1)
        columns = -(-len(lines) // rows)
        box = _render_box(lines, size, columns)
        if (box.shape[0] <= height and box.shape[1] <= width) or size <= _MIN_FONT_SIZE:
            return box
        size -= 1


def _render_box(lines: tuple[Line, ...], size: int, columns: int) -> npt.NDArray[np.uint8]:
    """Return a box as RGBA, (h, w, 4), uint8."""
    font = ImageFont.load_default(size)
    step, margin = int(_LINE_HEIGHT * size), max(2, size // 2)
    rows = -(-len(lines) // columns)
    swatch = int(1.6 * size) if any(color for color, _ in lines) else 0
    cell = swatch + int(max(font.getlength(text) for _, text in lines)) + 2 * margin
    background = (_BACKGROUND, _BACKGROUND, _BACKGROUND, int(255 * _OPACITY))
    box = PIL.Image.new("RGBA", (columns * cell, rows * step + margin), background)
    draw = ImageDraw.Draw(box)
    for index, (color, text) in enumerate(lines):
        left, top = index // rows * cell + margin, index % rows * step + margin // 2
        middle = top + step // 2
        if color:
            half = size // 2
            draw.rectangle((left, middle - half, left + size, middle + half), fill=(*color, 255))
        draw.text((left + swatch, middle), text, fill=(*_TEXT, 255), font=font, anchor="lm")
    return np.asarray(box)
