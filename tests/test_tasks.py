import pytest

from bddseg.errors import BddsegError
from bddseg.tasks import TASKS, get_task


def test_a_palette_colours_the_classes_and_leaves_the_rest_black():
    palette = get_task("drivable").palette
    assert len(palette) == 768
    assert palette[:9] == (219, 94, 86, 86, 211, 219, 0, 0, 0)
    assert set(palette[9:]) == {0}


def test_the_background_is_the_last_class_and_not_scored():
    for task in TASKS.values():
        assert len(task.colors) == len(task.classes)
        if task.background:
            assert task.classes[-1] == task.background
            assert task.background not in task.scored_classes
    assert len(get_task("sem_seg").scored_classes) == 19


def test_an_unknown_task_offers_the_nearest():
    with pytest.raises(BddsegError, match="drivable_binary"):
        get_task("drivable-binary")


@pytest.mark.parametrize("name", ["drivable", "sem_seg"])
def test_classes_and_colours_are_those_of_the_official_toolkit(name):
    palette = pytest.importorskip("bdd100k.label.palette", exc_type=ImportError)
    label = pytest.importorskip("bdd100k.label.label")
    assert list(get_task(name).palette) == palette.get_palette(name)
    official = {"drivable": label.drivables, "sem_seg": label.labels}[name]
    trained = sorted((item for item in official if item.trainId != 255), key=lambda x: x.trainId)
    assert get_task(name).classes == tuple(item.name for item in trained)
