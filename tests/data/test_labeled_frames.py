"""Frames with their labels: pairs, encodings, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from bddseg.data.encodings import Encoding
from bddseg.data.image import write_jpeg
from bddseg.data.labeled_frames import open_labeled_frames
from bddseg.data.mask import write_mask
from bddseg.errors import BddsegError
from bddseg.tasks.task import get_task
from bddseg.types import LabelMap

TASK = get_task("drivable")
SIZE_HW = (48, 64)


def make_labels() -> LabelMap:
    labels = np.full(SIZE_HW, 2, np.uint8)
    labels[24:36], labels[36:] = 1, 0
    return labels


def write_frames(folder: Path, names: list[str], labels: LabelMap, suffix: str = "") -> None:
    for name in names:
        write_jpeg(folder / "images" / f"{name}.jpg", np.zeros((*SIZE_HW, 3), np.uint8))
        write_mask(folder / "masks" / f"{name}{suffix}.png", labels)


def open_folder(folder: Path) -> tuple[list[str], LabelMap, str]:
    """Return the names of the frames, the labels of the first one, and the notes."""
    found = open_labeled_frames(str(folder / "images"), str(folder / "masks"), TASK)
    return [frame.name for frame in found], found[0].read_labels(TASK), " ".join(found.notes)


@pytest.mark.parametrize("suffix", ["", "_drivable_id", "_train_id"])
def test_frames_and_labels_are_paired_by_name(tmp_path: Path, suffix: str) -> None:
    write_frames(tmp_path, ["b", "a"], make_labels(), suffix)
    names, labels, notes = open_folder(tmp_path)
    assert names == ["a", "b"]
    assert np.array_equal(labels, make_labels())
    assert not notes


def test_legacy_ids_are_converted_with_a_note(tmp_path: Path) -> None:
    write_frames(tmp_path, ["a", "b"], ((make_labels() + 1) % 3).astype(np.uint8))
    _, labels, notes = open_folder(tmp_path)
    assert np.array_equal(labels, make_labels())
    assert "holds legacy ids, where 0 is the background. They are converted." in notes


def test_several_encodings_are_refused(tmp_path: Path) -> None:
    write_frames(tmp_path, ["a"], make_labels())
    write_frames(tmp_path, ["b"], ((make_labels() + 1) % 3).astype(np.uint8))
    with pytest.raises(BddsegError, match=r"label files of several encodings: .*a\.png.*b\.png"):
        open_folder(tmp_path)


def test_an_encoding_can_be_given(tmp_path: Path) -> None:
    write_frames(tmp_path, ["a"], make_labels())
    sources = str(tmp_path / "images"), str(tmp_path / "masks")
    found = open_labeled_frames(*sources, TASK, encoding=Encoding.LEGACY)
    assert np.array_equal(found[0].read_labels(TASK), (make_labels() + 2) % 3)


def test_frames_without_labels_and_labels_without_frames_are_counted(tmp_path: Path) -> None:
    write_frames(tmp_path, ["a", "b", "c"], make_labels())
    (tmp_path / "images" / "b.jpg").unlink()
    (tmp_path / "masks" / "c.png").unlink()
    found = open_labeled_frames(str(tmp_path / "images"), str(tmp_path / "masks"), TASK)
    assert [frame.name for frame in found] == ["a"]
    assert len(found.unlabeled) == len(found.unused) == 1
    assert len(found.notes) == 2


def test_no_pairs_at_all_is_an_error(tmp_path: Path) -> None:
    write_frames(tmp_path, ["a"], make_labels())
    (tmp_path / "images" / "a.jpg").rename(tmp_path / "images" / "other.jpg")
    with pytest.raises(BddsegError):
        open_folder(tmp_path)


def test_a_list_of_pairs_is_a_source(tmp_path: Path) -> None:
    write_frames(tmp_path, ["a", "b"], make_labels())
    pairs = tmp_path / "pairs.txt"
    pairs.write_text("images/b.jpg\tmasks/a.png\n")
    (frame,) = open_labeled_frames(str(pairs), "", TASK)
    assert frame.image == tmp_path / "images" / "b.jpg"
    assert np.array_equal(frame.read_labels(TASK), make_labels())
    pairs.write_text("images/missing.jpg\tmasks/a.png\n")
    with pytest.raises(BddsegError, match=r"missing\.jpg"):
        open_labeled_frames(str(pairs), "", TASK)


def test_sizes_that_differ_are_named(tmp_path: Path) -> None:
    write_frames(tmp_path, ["a"], make_labels()[:, :32])
    (frame,) = open_labeled_frames(str(tmp_path / "images"), str(tmp_path / "masks"), TASK)
    with pytest.raises(BddsegError, match=r"a\.jpg is 64x48, and its labels .*a\.png are 32x48"):
        frame.check_size()


def test_labels_of_another_task_are_refused(tmp_path: Path) -> None:
    write_frames(tmp_path, ["a"], np.full(SIZE_HW, 9, np.uint8))
    with pytest.raises(BddsegError, match=r"a\.png"):
        open_folder(tmp_path)
