"""The tasks of BDD100K, compared with the official toolkit."""

import pytest

from bddseg.tasks.task import get_task


@pytest.mark.parametrize("name", ["drivable", "sem_seg"])
def test_classes_and_colors_are_those_of_the_official_toolkit(name: str) -> None:
    palette = pytest.importorskip("bdd100k.label.palette", exc_type=ImportError)
    label = pytest.importorskip("bdd100k.label.label")
    assert list(get_task(name).palette) == palette.get_palette(name)
    official = {"drivable": label.drivables, "sem_seg": label.labels}[name]
    trained = sorted((item for item in official if item.trainId != 255), key=lambda x: x.trainId)
    assert get_task(name).classes == tuple(item.name for item in trained)
