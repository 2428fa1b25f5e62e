"""Label maps opened as those of a task: mapped from a finer one, or refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from label_files import LEGACY, draw_scenes
from metrics.helpers import write_record

from bddseg.data.mask import write_mask
from bddseg.data.rle import encode_rle
from bddseg.data.task_labels import open_as_task
from bddseg.errors import BddsegError
from bddseg.tasks.bdd100k import DRIVABLE, DRIVABLE_BINARY
from bddseg.types import BinaryMask, LabelMap

SCENES = draw_scenes()
# From the ids of drivable to those of drivable_binary.
BINARY = np.array([0, 0, 1], np.uint8)


def write(folder: Path, table: LabelMap) -> Path:
    for name, labels in SCENES.items():
        write_mask(folder / f"{name}.png", table[labels])
    return folder


def read(source: Path, name: str) -> LabelMap:
    """Return a label map as one of drivable_binary."""
    found = open_as_task(source, DRIVABLE_BINARY)[0][name].read()
    assert found is not None
    return found


def write_json(path: Path, categories: dict[str, BinaryMask]) -> Path:
    labels = [
        {"category": name, "rle": {"counts": encode_rle(mask), "size": mask.shape}}
        for name, mask in categories.items()
    ]
    path.write_text(json.dumps([{"name": "a.jpg", "labels": labels}]))
    return path


def test_masks_with_ids_of_the_finer_task_are_mapped_with_a_note(tmp_path: Path) -> None:
    labels, notes = open_as_task(write(tmp_path, np.arange(3, dtype=np.uint8)), DRIVABLE_BINARY)
    for name, scene in SCENES.items():
        assert np.array_equal(read(tmp_path, name), BINARY[scene])
        assert labels[name].origin == str(tmp_path / f"{name}.png")
    assert notes == [
        f"{tmp_path} has labels of drivable, which become those of drivable_binary: "
        "direct and alternative to drivable, background to background."
    ]


def test_unlabeled_pixels_and_unknown_ids_stay_outside_the_classes(tmp_path: Path) -> None:
    write_mask(tmp_path / "a.png", np.array([[0, 1, 2, 255], [2, 2, 2, 77]], np.uint8))
    write_mask(tmp_path / "b.png", np.array([[2]], np.uint8))
    assert read(tmp_path, "a").tolist() == [[0, 0, 1, 255], [1, 1, 1, 77]]


def test_masks_of_the_task_stay_as_they_are(tmp_path: Path) -> None:
    assert not open_as_task(write(tmp_path, BINARY), DRIVABLE_BINARY)[1]
    assert np.array_equal(read(tmp_path, "scene1"), BINARY[SCENES["scene1"]])


def test_masks_that_could_be_of_both_tasks_are_noted(tmp_path: Path) -> None:
    labels = np.zeros((40, 40), np.uint8)
    labels[:, 20:] = 1
    write_mask(tmp_path / "a.png", labels)
    (note,) = open_as_task(tmp_path, DRIVABLE_BINARY)[1]
    assert note == (
        f"{tmp_path} is read as drivable_binary, because its ids fit; no mask shows that it is not "
        "of drivable."
    )


def test_a_run_record_decides_even_if_ids_do_not(tmp_path: Path) -> None:
    write_mask(tmp_path / "masks" / "a.png", np.array([[0, 1]], np.uint8))
    write_record(tmp_path, "drivable")
    assert read(tmp_path, "a").tolist() == [[0, 0]]
    assert len(open_as_task(tmp_path, DRIVABLE_BINARY)[1]) == 1


def test_masks_of_both_tasks_in_one_folder_are_refused(tmp_path: Path) -> None:
    write(tmp_path, BINARY)
    write_mask(tmp_path / "other.png", SCENES["scene1"])
    with pytest.raises(BddsegError, match=r"of the tasks drivable_binary and drivable.*other\.png"):
        open_as_task(tmp_path, DRIVABLE_BINARY)


def test_masks_of_the_coarser_task_are_refused_with_the_option(tmp_path: Path) -> None:
    message = r"drivable_binary, not of drivable \(4 of 4 conclusive masks\).*-t drivable_binary"
    with pytest.raises(BddsegError, match=message):
        open_as_task(write(tmp_path, BINARY), DRIVABLE)


def test_legacy_ids_of_the_finer_task_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BddsegError, match=r"legacy ids.*-o OUT -t drivable$"):
        open_as_task(write(tmp_path, LEGACY), DRIVABLE_BINARY)


def test_masks_of_which_half_the_ids_are_unknown_are_refused_and_others_noted(
    tmp_path: Path,
) -> None:
    write(tmp_path, np.array([0, 1, 2], np.uint8))
    for path in tmp_path.iterdir():
        labels = SCENES[path.stem].copy()
        labels[-1, -1] = 9
        write_mask(path, labels)
    (note,) = open_as_task(tmp_path, DRIVABLE)[1]
    assert "has ids up to 9" in note
    write(tmp_path, np.array([0, 11, 13], np.uint8))
    with pytest.raises(BddsegError, match=r"ids up to 13.*sem_seg \(-t sem_seg\)"):
        open_as_task(tmp_path, DRIVABLE)


def test_json_is_mapped_by_its_categories(tmp_path: Path) -> None:
    mask = np.zeros((4, 6), bool)
    mask[2:, :3] = True
    source = write_json(tmp_path / "a.json", {"alternative": mask, "background": ~mask})
    assert np.array_equal(read(source, "a"), np.where(mask, 0, 1))
    assert len(open_as_task(source, DRIVABLE_BINARY)[1]) == 1
    source = write_json(tmp_path / "b.json", {"drivable": mask})
    assert open_as_task(source, DRIVABLE_BINARY)[1] == []
    source = write_json(tmp_path / "c.json", {"drivable": mask, "direct": mask})
    with pytest.raises(BddsegError, match="such as drivable and direct"):
        open_as_task(source, DRIVABLE_BINARY)
