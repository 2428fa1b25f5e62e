"""Tasks: their palettes, their background, and finding one by name."""

import pytest

from bddseg.errors import BddsegError
from bddseg.tasks.task import IGNORE_INDEX, TASKS, ClassMap, Task, get_task
from bddseg.types import Color

RED: Color = (255, 0, 0)


def test_a_palette_has_the_colors_of_the_classes_and_then_black() -> None:
    palette = get_task("drivable").palette
    assert len(palette) == 768
    assert palette[:9] == (219, 94, 86, 86, 211, 219, 0, 0, 0)
    assert set(palette[9:]) == {0}


def test_the_background_is_the_last_class_and_not_scored() -> None:
    for task in map(get_task, TASKS.list_names()):
        assert len(task.colors) == len(task.classes) == task.num_classes
        if task.background:
            assert task.classes[-1] == task.background
            assert task.background not in task.foreground
            assert task.fill_id == task.num_classes - 1
        else:
            assert task.foreground == task.classes
            assert task.fill_id == IGNORE_INDEX
    assert len(get_task("sem_seg").foreground) == 19


@pytest.mark.parametrize(
    ("classes", "colors", "background", "message"),
    [
        (("a", "b"), (RED,), None, "'t' has 2 classes and 1 colors"),
        ((), (), None, "'t' has 0 classes"),
        (("a", "b"), (RED, RED), "a", "the background has to be the last class"),
        (("a", "b"), (RED, RED), "c", "the background has to be the last class"),
    ],
)
def test_a_task_that_contradicts_itself_is_refused(
    classes: tuple[str, ...], colors: tuple[Color, ...], background: str | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Task(name="t", classes=classes, colors=colors, background=background)


def test_for_an_unknown_task_the_nearest_is_named() -> None:
    with pytest.raises(BddsegError, match="drivable_binary"):
        get_task("drivable-binary")


def test_a_task_knows_how_finer_label_maps_become_its_own() -> None:
    class_map = get_task("drivable_binary").find_map("drivable")
    assert class_map
    assert class_map.describe() == ("direct and alternative to drivable, background to background")
    assert get_task("drivable").find_map("drivable_binary") is None
    assert hash(get_task("drivable_binary")) is not None


@pytest.mark.parametrize(
    "classes", [{"direct": "a"}, dict.fromkeys(get_task("drivable").classes, "c")]
)
def test_a_finer_task_whose_classes_do_not_fit_is_refused(classes: dict[str, str]) -> None:
    finer = (ClassMap(task=get_task("drivable"), classes=classes),)
    with pytest.raises(ValueError, match="every class of 'drivable' has to become one of a, b"):
        Task(name="t", classes=("a", "b"), colors=(RED, RED), finer=finer)
