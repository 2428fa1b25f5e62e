"""Small regions of a label map."""

import numpy as np
import pytest

from bddseg.data.regions import postprocess
from bddseg.errors import BddsegError
from bddseg.specs import Postprocessing
from bddseg.tasks.task import get_task
from bddseg.types import LabelMap

TASK = get_task("drivable")


def read(text: str) -> LabelMap:
    """Return the label map that is drawn: direct, alternative and background as D, A and dots."""
    return np.array([["DA.".index(letter) for letter in row] for row in text.split()], np.uint8)


LABELS = read(
    """
    DD......
    DD..A...
    ...A...D
    AAAAAA..
    A..AAA..
    A.DAAA..
    AAAAAA..
    """
)


def test_small_regions_become_background() -> None:
    expected = read(
        """
        DD......
        DD..A...
        ...A....
        AAAAAA..
        A..AAA..
        A..AAA..
        AAAAAA..
        """
    )
    # Pixels that touch at a corner are one region; one of just that size stays.
    assert np.array_equal(postprocess(LABELS, Postprocessing(min_region=4), TASK), expected)


def test_small_holes_get_the_class_around_them() -> None:
    result = postprocess(LABELS, Postprocessing(min_region=4, min_hole=5), TASK)
    expected = read(
        """
        DD......
        DD..A...
        ...A....
        AAAAAA..
        AAAAAA..
        AAAAAA..
        AAAAAA..
        """
    )
    assert np.array_equal(result, expected)
    # Of exactly the size it stays.
    kept = postprocess(LABELS, Postprocessing(min_region=4, min_hole=4), TASK)
    assert (kept[4:6, 1:3] == 2).all()


def test_the_given_label_map_and_pixels_to_ignore_are_not_changed() -> None:
    labels = LABELS.copy()
    labels[0, 4] = 255
    before = labels.copy()
    result = postprocess(labels, Postprocessing(min_region=100, min_hole=3), TASK)
    assert np.array_equal(labels, before)
    assert result[0, 4] == 255
    assert set(np.unique(result)) == {2, 255}


SCENES = {
    # The hood is at the bottom, with a pixel that the network takes for a lane.
    """
    .........
    DD...D.DD
    DD..DA.DD
    DD.DDA.DD
    ....D..DD
    ...D...DD
    .........
    ....A....
    """: """
    .........
    .....D...
    ....DA...
    ...DDA...
    ....D....
    ...D.....
    .........
    .........
    """,
    # What is in the upper half or beside the middle does not count.
    """
    .........
    DDDDDDDDD
    ....D....
    .........
    .........
    DD......D
    DD.....DD
    DD.....DD
    """: """
    .........
    .........
    .........
    .........
    .........
    .........
    .........
    .........
    """,
}


@pytest.mark.parametrize(("before", "after"), SCENES.items(), ids=["hood", "empty"])
def test_the_ego_region_alone_is_kept_and_without_one_nothing(before: str, after: str) -> None:
    labels = read(before)
    labels[0, 0] = 255
    result = postprocess(labels, Postprocessing(ego_region_only=True), TASK)
    assert result[0, 0] == 255
    result[0, 0] = 2
    assert np.array_equal(result, read(after))


def test_nothing_is_done_unless_it_is_asked_for() -> None:
    assert postprocess(LABELS, Postprocessing(), TASK) is LABELS


def test_a_task_without_background_is_refused() -> None:
    with pytest.raises(BddsegError, match="sem_seg have no background"):
        postprocess(LABELS, Postprocessing(min_region=1), get_task("sem_seg"))
