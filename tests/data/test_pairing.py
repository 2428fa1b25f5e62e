"""Pairs of images and labels: by name, by the names that packages give, and from a list."""

from pathlib import Path

import pytest

from bddseg.data.label_set import LabelSet, MaskFile, open_label_set
from bddseg.data.pairing import Pairing, pair_images, read_pairs
from bddseg.errors import BddsegError
from bddseg.tasks.bdd100k import DRIVABLE


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def pair(folder: Path) -> Pairing:
    return pair_images(str(folder / "images"), open_label_set(folder / "masks", DRIVABLE))


def list_files(pairing: Pairing) -> list[tuple[str, str]]:
    """Return the file names of each pair."""
    return [
        (image.name, labels.path.name)
        for _, image, labels in pairing.pairs
        if isinstance(labels, MaskFile)
    ]


def test_pairs_have_the_order_of_their_names_and_the_rest_is_listed(tmp_path: Path) -> None:
    touch(tmp_path / "images", "b.jpg", "a.jpg", "night/c.jpg", "d.jpg")
    touch(tmp_path / "masks", "a.png", "b.png", "night/c.png", "e.png")
    found = pair(tmp_path)
    assert [name for name, _, _ in found.pairs] == ["a", "b", "night/c"]
    assert [Path(each).name for each in found.unlabeled] == ["d.jpg"]
    assert [Path(each).name for each in found.unused] == ["e.png"]
    notes = " ".join(found.describe("IMAGES", "MASKS"))
    assert "IMAGES: 1 image without labels ignored, such as" in notes
    assert "MASKS: 1 label map without an image ignored, such as" in notes


def test_of_several_files_of_a_frame_ids_come_before_colors(tmp_path: Path) -> None:
    touch(tmp_path / "images", "a.jpg", "b.jpg")
    touch(tmp_path / "masks", "a_drivable_color.png", "a_drivable_id.png", "b_train_color.png")
    found = pair(tmp_path)
    assert list_files(found) == [("a.jpg", "a_drivable_id.png"), ("b.jpg", "b_train_color.png")]
    assert found.num_doubled == 1
    assert "MASKS: 1 label file ignored, because ids of the" in found.describe("", "MASKS")[0]


def test_an_image_may_be_named_as_packages_name_labels(tmp_path: Path) -> None:
    touch(tmp_path / "images", "a_train_id.jpg")
    touch(tmp_path / "masks", "a_train_id.png")
    assert list_files(pair(tmp_path)) == [("a_train_id.jpg", "a_train_id.png")]


@pytest.mark.parametrize("labels", ["{}_train_id.png", "masks/{}.png"])
def test_labels_in_the_folder_of_the_images_or_below_are_no_images(
    tmp_path: Path, labels: str
) -> None:
    touch(tmp_path, "a.jpg", "b.jpg", labels.format("a"), labels.format("b"))
    found = pair_images(str(tmp_path), open_label_set(tmp_path, DRIVABLE))
    assert [image.name for _, image, _ in found.pairs] == ["a.jpg", "b.jpg"]
    assert found.unlabeled == found.unused == ()


def test_labels_that_fit_two_images_are_an_error_that_names_both(tmp_path: Path) -> None:
    touch(tmp_path / "images", "day/a.jpg", "night/a.jpg")
    touch(tmp_path / "masks", "a.png")
    with pytest.raises(BddsegError, match=r"a\.png could belong to .*day.a\.jpg or to .*night"):
        pair(tmp_path)


def test_without_any_pair_an_example_of_a_name_is_given(tmp_path: Path) -> None:
    touch(tmp_path / "images", "a.jpg")
    labels = LabelSet(tmp_path / "masks", [MaskFile("b", tmp_path / "masks" / "b.png")])
    with pytest.raises(BddsegError, match=r"None of 1 image in .* \(such as a\)\. .* file name"):
        pair_images(str(tmp_path / "images"), labels)


def test_a_list_of_pairs_keeps_its_order_and_its_folders_tell_names_apart(tmp_path: Path) -> None:
    touch(tmp_path, "images/night/a.jpg", "images/a.jpg", "masks/1.png")
    file = tmp_path / "pairs.txt"
    absolute = tmp_path / "images" / "a.jpg"
    file.write_text(f"images/night/a.jpg\tmasks/1.png\n{absolute}\t./masks/../masks/1.png\n")
    found = read_pairs(file)
    assert [(name, image) for name, image, _ in found.pairs] == [
        ("night/a", tmp_path / "images" / "night" / "a.jpg"),
        ("a", absolute),
    ]
    assert list_files(found) == [("a.jpg", "1.png")] * 2
    assert found.describe(str(file), "") == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "lists no pairs"),
        ("a.jpg", "line 1 has 1 column, .*: a.jpg"),
        ("a.jpg\ta.png\na.jpg\ta.png\ta.png", "line 2 has 3 columns"),
        ("a.jpg\tgone.png", "lists .*gone.png, which does not exist"),
        ("gone.jpg\ta.png", "lists .*gone.jpg, which does not exist"),
        ("a.jpg\ta.png\n./a.jpg\ta.png", "lists .*a.jpg 2 times"),
    ],
)
def test_a_list_that_cannot_be_used_is_named(tmp_path: Path, text: str, words: str) -> None:
    touch(tmp_path, "a.jpg", "a.png")
    file = tmp_path / "pairs.txt"
    file.write_text(text)
    with pytest.raises(BddsegError, match=words) as caught:
        read_pairs(file)
    assert str(file) in caught.value.message


def test_images_without_labels_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(BddsegError, match=r"There are images, .*, and no labels for them"):
        read_pairs(tmp_path)
