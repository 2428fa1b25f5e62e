"""Polygons of the dataset's labels, drawn by the official toolkit."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from bddseg.bdd100k.polygons import rasterize_polygons
from bddseg.data.mask import read_mask
from bddseg.errors import BddsegError
from bddseg.tasks.bdd100k import DRIVABLE_BINARY
from bddseg.tasks.task import get_task

TRIANGLE = {"vertices": [[100, 700], [600, 300], [1200, 700]], "types": "LLL", "closed": True}


def write_polygons(path: Path, category: str) -> Path:
    """Write a frame a with a triangle, and a frame b without labels."""
    label = {"id": "1", "category": category, "poly2d": [TRIANGLE]}
    frames = [
        {"name": "a.jpg", "url": None, "labels": [label]},
        {"name": "b.jpg", "url": None, "labels": []},
    ]
    path.write_text(json.dumps(frames))
    return path


@pytest.mark.parametrize(
    ("task", "category", "fill_id"), [("drivable", "alternative", 2), ("sem_seg", "sidewalk", 255)]
)
def test_polygons_become_masks(tmp_path: Path, task: str, category: str, fill_id: int) -> None:
    pytest.importorskip("bdd100k.label.to_mask", reason="needs the bdd100k extra")
    source = write_polygons(tmp_path / "labels.json", category)
    rasterize_polygons(source, tmp_path, get_task(task), 1)
    mask = read_mask(tmp_path / "a.png")
    assert set(np.unique(mask)) == {1, fill_id}
    assert mask[600, 600] == 1
    assert mask[100, 100] == fill_id
    assert abs(int((mask == 1).sum()) - 1100 * 400 // 2) < 1500
    assert (read_mask(tmp_path / "b.png") == fill_id).all()


@pytest.mark.parametrize(
    "change",
    [
        {"vertices": []},
        {"vertices": [["x", 1], [2, 3], [4, 5]]},
        {"vertices": [[1, 2, 3], [2, 3, 4], [4, 5, 6]]},
        {"types": "XYZ"},
        {"types": "L"},
    ],
)
def test_a_wrong_polygon_is_an_error_that_names_the_file(
    tmp_path: Path, change: dict[str, object]
) -> None:
    pytest.importorskip("bdd100k.label.to_mask", reason="needs the bdd100k extra")
    label = {"id": "1", "category": "direct", "poly2d": [TRIANGLE | change]}
    source = tmp_path / "labels.json"
    source.write_text(json.dumps([{"name": "a.jpg", "labels": [label]}]))
    with pytest.raises(BddsegError, match=r"cannot draw the polygons of .*labels\.json: \w+Error:"):
        rasterize_polygons(source, tmp_path, get_task("drivable"), 1)


def test_a_task_that_the_toolkit_does_not_know_is_named(tmp_path: Path) -> None:
    pytest.importorskip("bdd100k.label.to_mask", reason="needs the bdd100k extra")
    source = write_polygons(tmp_path / "labels.json", "drivable")
    with pytest.raises(BddsegError, match="cannot draw polygons of the task drivable_binary"):
        rasterize_polygons(source, tmp_path, DRIVABLE_BINARY, 1)


def test_without_the_toolkit_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bdd100k.common.utils", None)
    source = write_polygons(tmp_path / "labels.json", "direct")
    with pytest.raises(BddsegError, match="needs the official toolkit") as caught:
        rasterize_polygons(source, tmp_path, get_task("drivable"), 1)
    assert "bddseg[bdd100k]" in caught.value.hint
