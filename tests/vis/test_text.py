"""Text boxes and captions."""

import numpy as np
import pytest

from bddseg.tasks.task import get_task
from bddseg.vis.overlay import list_legend
from bddseg.vis.text import draw_text_box, render_caption


@pytest.mark.parametrize("size", [(720, 1280), (90, 160), (48, 64), (33, 35)])
@pytest.mark.parametrize("task", ["drivable", "sem_seg"])
def test_legends_show_all_their_colors_at_any_size(size: tuple[int, int], task: str) -> None:
    """Twenty lines do not fit on a tiny image: then some are shown."""
    lines = list_legend(get_task(task))
    image = np.zeros((*size, 3), np.uint8)
    draw_text_box(image, lines, bottom=True)
    found = {tuple(color) for color in image.reshape(-1, 3).tolist()}
    shown = sum(color in found for color, _ in lines)
    has_room = size[0] > 100 or (size[0] > 40 and len(lines) == 2)
    assert shown == len(lines) if has_room else shown >= 1


def test_long_captions_are_cut_at_the_start() -> None:
    long = render_caption("a/long/path/to/a/folder/of/frames/0001", 20, 100)
    assert long.shape == (20, 100, 3)
    other = render_caption("another/long/path/to/a/folder/of/frames/0001", 20, 100)
    assert np.array_equal(long, other)
    assert (long != render_caption("a/long/path/to/a/folder/of/frames/0002", 20, 100)).any()
