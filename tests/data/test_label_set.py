"""Label maps by name: paths first, then file names, never a guess."""

from pathlib import Path
from shlex import quote

import numpy as np
import pytest

from bddseg.data.label_set import LabelSet, MaskFile, open_label_set
from bddseg.data.mask import write_mask
from bddseg.data.scalabel import encode_frame, write_scalabel
from bddseg.errors import BddsegError
from bddseg.tasks.bdd100k import DRIVABLE
from bddseg.types import LabelMap


def make_labels(class_id: int) -> LabelMap:
    return np.full((4, 6), class_id, np.uint8)


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    """Masks with different pixels: a is 0, day/b is 1, night/b is 2."""
    folder = tmp_path / "set"
    for class_id, name in enumerate(("a", "day/b", "night/b")):
        write_mask(folder / f"{name}.png", make_labels(class_id))
    return folder


def test_label_maps_are_listed_and_read_by_their_path(masks: Path) -> None:
    label_set = open_label_set(masks, DRIVABLE)
    assert list(label_set) == ["a", "day/b", "night/b"]
    assert len(label_set) == 3
    assert label_set.source == masks
    for class_id, ref in enumerate(label_set.values()):
        assert ref.path == masks / f"{ref.name}.png"
        assert ref.origin == str(ref.path)
        assert np.array_equal(ref.read(), make_labels(class_id))  # type: ignore[arg-type]


def test_the_same_path_is_preferred_to_the_same_file_name(masks: Path) -> None:
    write_mask(masks / "b.png", make_labels(0))
    label_set = open_label_set(masks, DRIVABLE)
    found = [label_set.find(name) for name in ("b", "day/b", "night/b")]
    assert [ref and ref.name for ref in found] == ["b", "day/b", "night/b"]


def test_a_file_name_is_found_in_any_folder(masks: Path) -> None:
    label_set = open_label_set(masks, DRIVABLE)
    for name in ("a", "x/a", "x/y/a"):
        ref = label_set.find(name)
        assert ref is not None
        assert ref.name == "a"
    assert label_set.find("c") is None
    assert label_set.find("day/c") is None


@pytest.mark.parametrize("name", ["b", "dusk/b"])
def test_a_file_name_in_several_folders_is_ambiguous(masks: Path, name: str) -> None:
    message = rf"^{name} could belong to .*day/b\.png or to .*night/b\.png\."
    with pytest.raises(BddsegError, match=message):
        open_label_set(masks, DRIVABLE).find(name)


def test_two_label_maps_of_one_name_are_refused(tmp_path: Path) -> None:
    refs = [MaskFile("a", tmp_path / "one.png"), MaskFile("a", tmp_path / "two.png")]
    with pytest.raises(BddsegError, match=r"one\.png and .*two\.png have the same name"):
        LabelSet(tmp_path, refs)


def test_frames_of_json_are_label_maps(tmp_path: Path) -> None:
    file = tmp_path / "drivable.json"
    names = ("a.jpg", "night/b.png", "c.d")
    frames = [
        encode_frame(name, make_labels(class_id), DRIVABLE) for class_id, name in enumerate(names)
    ]
    write_scalabel(file, frames)
    for source in (file, tmp_path):
        label_set = open_label_set(source, DRIVABLE)
        assert list(label_set) == ["a", "night/b", "c.d"]
        assert label_set["night/b"].origin == f"{file}, frame night/b.png"
        for class_id, ref in enumerate(label_set.values()):
            assert ref.path == file
            assert np.array_equal(ref.read(), make_labels(class_id))  # type: ignore[arg-type]
    found = open_label_set(file, DRIVABLE).find("b")
    assert found is not None
    assert found.name == "night/b"


def test_frames_that_differ_in_their_suffix_alone_are_refused(tmp_path: Path) -> None:
    frames = [encode_frame(name, make_labels(0), DRIVABLE) for name in ("a.jpg", "a.png")]
    write_scalabel(tmp_path / "a.json", frames)
    with pytest.raises(BddsegError, match=r"frame a\.jpg and .* frame a\.png have the same name"):
        open_label_set(tmp_path / "a.json", DRIVABLE)


def test_masks_are_preferred_to_json_beside_them(masks: Path) -> None:
    (masks / "notes.json").write_text("{}")
    assert len(open_label_set(masks, DRIVABLE)) == 3


def test_the_output_folder_of_a_run_stands_for_its_masks(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_mask(out / "masks" / "a.png", make_labels(1))
    write_mask(out / "colormaps" / "a.png", make_labels(1))
    (out / "run.json").write_text("{}")
    label_set = open_label_set(out, DRIVABLE)
    assert list(label_set) == ["a"]
    assert label_set.source == out / "masks"


def test_a_run_without_masks_stands_for_its_json(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    write_scalabel(tmp_path / "drivable.json", [encode_frame("a.jpg", make_labels(1), DRIVABLE)])
    assert list(open_label_set(tmp_path, DRIVABLE)) == ["a"]


def test_a_source_without_label_maps_is_named(tmp_path: Path) -> None:
    with pytest.raises(BddsegError, match="holds no masks"):
        open_label_set(tmp_path, DRIVABLE)
    with pytest.raises(BddsegError, match="gone does not exist"):
        open_label_set(tmp_path / "gone", DRIVABLE)
    (tmp_path / "empty.json").write_text("[]")
    with pytest.raises(BddsegError, match=r"empty\.json holds no frames"):
        open_label_set(tmp_path / "empty.json", DRIVABLE)


def test_polygons_have_to_be_converted_first(tmp_path: Path) -> None:
    file = tmp_path / "polygons.json"
    file.write_text('[{"name": "a", "labels": [{"category": "direct", "poly2d": []}]}]')
    with pytest.raises(BddsegError, match="holds polygons") as caught:
        open_label_set(file, DRIVABLE)
    assert f"bddseg labels convert {quote(str(file))} -o OUT -t drivable" in caught.value.hint
