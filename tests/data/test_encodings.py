"""Encodings of label files: detected from their content, or called ambiguous."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from label_files import LEGACY, WRITERS, draw_scene, draw_scenes, write_palette, write_rgba

from bddseg.data.encodings import (
    Detection,
    Encoding,
    Inspection,
    colors_to_ids,
    detect_encoding,
    detect_id_encoding,
    inspect_file,
    read_label_file,
)
from bddseg.errors import BddsegError
from bddseg.tasks.bdd100k import DRIVABLE, SEM_SEG
from bddseg.types import LabelMap

EXPECTED = {
    "current": Encoding.CURRENT,
    "legacy": Encoding.LEGACY,
    "palette": Encoding.COLOR,
    "rgb": Encoding.COLOR,
}


@pytest.mark.parametrize("encoding", EXPECTED)
@pytest.mark.parametrize("merged_id", [None, 0, 1], ids=["all", "direct", "alternative"])
def test_each_encoding_is_detected_with_and_without_one_of_the_classes(
    tmp_path: Path, encoding: str, merged_id: int | None
) -> None:
    for name, scene in draw_scenes().items():
        labels = scene
        if merged_id is not None:
            labels = np.where(scene == 2, 2, merged_id).astype(np.uint8)
        path = tmp_path / f"{name}.png"
        WRITERS[encoding](path, labels)
        found = inspect_file(path, DRIVABLE)
        assert (found.encoding, found.problem) == (EXPECTED[encoding], "")
        assert found.size_hw == (720, 1280)
        assert found.mode == {"rgb": "RGB", "palette": "P"}.get(encoding, "L")


@pytest.mark.parametrize(
    "labels",
    [np.full((72, 128), value, np.uint8) for value in (0, 1, 2, 255)]
    + [np.random.default_rng(0).integers(0, 3, (72, 128)).astype(np.uint8)],
    ids=["all 0", "all 1", "all 2", "all 255", "noise"],
)
def test_ids_that_could_be_both_are_ambiguous(labels: LabelMap) -> None:
    encoding, problem = detect_id_encoding(labels, DRIVABLE)
    assert encoding is Encoding.AMBIGUOUS
    assert problem


def test_ignored_pixels_change_nothing() -> None:
    labels = draw_scene(1)
    labels[:100] = 255
    assert detect_id_encoding(labels, DRIVABLE)[0] is Encoding.CURRENT
    legacy = LEGACY[draw_scene(1)]
    legacy[300:] = np.where(legacy[300:] == 2, 255, legacy[300:])
    assert detect_id_encoding(legacy, DRIVABLE)[0] is Encoding.LEGACY


def test_a_task_without_background_has_one_encoding() -> None:
    labels = np.zeros((9, 9), np.uint8)
    assert detect_id_encoding(labels, SEM_SEG) == (Encoding.CURRENT, "")


def test_ids_of_another_task_are_invalid() -> None:
    assert detect_id_encoding(draw_scene(1) + np.uint8(5), DRIVABLE) == (
        Encoding.INVALID,
        "it has id 7, and the ids of drivable are 0 to 2",
    )


def test_the_palette_of_another_task_does_not_make_a_colormap(tmp_path: Path) -> None:
    write_palette(tmp_path / "a.png", draw_scene(1))
    assert inspect_file(tmp_path / "a.png", DRIVABLE).encoding is Encoding.COLOR
    assert inspect_file(tmp_path / "a.png", SEM_SEG).encoding is Encoding.CURRENT


def test_a_palette_in_another_order_makes_a_colormap(tmp_path: Path) -> None:
    labels, path = draw_scene(1), tmp_path / "a.png"
    colors = np.array(DRIVABLE.palette, np.uint8).reshape(256, 3)[labels]
    # As programs that save colors as an indexed image order them.
    PIL.Image.fromarray(colors).quantize(3).save(path)
    with PIL.Image.open(path) as image:
        indices = np.asarray(image)
    assert not np.array_equal(indices, labels)
    assert inspect_file(path, DRIVABLE).encoding is Encoding.COLOR
    assert np.array_equal(read_label_file(path, DRIVABLE, Encoding.COLOR), labels)


@pytest.mark.parametrize("encoding", [Encoding.CURRENT, Encoding.LEGACY])
def test_a_colormap_among_ids_is_refused_where_one_encoding_is_expected(
    tmp_path: Path, encoding: Encoding
) -> None:
    write_palette(tmp_path / "a.png", draw_scene(1))
    with pytest.raises(BddsegError, match=rf"a\.png looks like a colormap, .* are {encoding}"):
        read_label_file(tmp_path / "a.png", DRIVABLE, encoding, strict=True)


def test_a_grey_palette_makes_no_colormap(tmp_path: Path) -> None:
    for labels in (draw_scene(1), np.zeros((72, 128), np.uint8)):
        image = PIL.Image.fromarray(labels)
        image.putpalette([value for value in range(256) for _ in range(3)])
        image.save(tmp_path / "a.png")
        found = inspect_file(tmp_path / "a.png", DRIVABLE)
        assert (found.mode, found.encoding) == ("P", detect_id_encoding(labels, DRIVABLE)[0])
        read_label_file(tmp_path / "a.png", DRIVABLE, Encoding.CURRENT, strict=True)


def test_bitmasks_are_recognised(tmp_path: Path) -> None:
    write_rgba(tmp_path / "a.png", draw_scene(1))
    assert inspect_file(tmp_path / "a.png", DRIVABLE).encoding is Encoding.BITMASK


@pytest.mark.parametrize(
    ("mode", "problem"),
    [
        ("RGB", "no class of drivable has the color (1, 2, 3)"),
        ("I;16", "its mode is I;16, and one 8-bit channel, RGB or RGBA was expected"),
    ],
)
def test_other_images_are_invalid(tmp_path: Path, mode: str, problem: str) -> None:
    PIL.Image.new(mode, (8, 8), (1, 2, 3) if mode == "RGB" else 7).save(tmp_path / "a.png")
    found = inspect_file(tmp_path / "a.png", DRIVABLE)
    assert (found.encoding, found.problem, found.mode) == (Encoding.INVALID, problem, mode)


def test_a_file_that_cannot_be_read_is_invalid(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"not an image")
    found = inspect_file(tmp_path / "a.png", DRIVABLE)
    assert found.encoding is Encoding.INVALID
    assert found.problem == "it cannot be read: it is not a PNG file (12 bytes)"


def test_colors_become_ids_and_black_is_ignored_unless_it_is_a_class() -> None:
    pixels = np.array([[(128, 64, 128), (0, 0, 142), (0, 0, 0)]], np.uint8)
    assert colors_to_ids(pixels, SEM_SEG).tolist() == [[0, 13, 255]]
    pixels = np.array([[(219, 94, 86), (86, 211, 219), (0, 0, 0)]], np.uint8)
    assert colors_to_ids(pixels, DRIVABLE).tolist() == [[0, 1, 2]]


def inspect(*encodings: Encoding) -> list[Inspection]:
    return [Inspection(path=Path("a.png"), encoding=encoding) for encoding in encodings]


def test_ambiguous_files_follow_the_conclusive_ones() -> None:
    found = detect_encoding(
        inspect(Encoding.AMBIGUOUS, Encoding.LEGACY, Encoding.AMBIGUOUS, Encoding.AMBIGUOUS)
    )
    assert found == Detection(encoding=Encoding.LEGACY, matching=1, conclusive=1)
    assert found.confidence == 1


def test_the_majority_of_the_conclusive_files_counts() -> None:
    found = detect_encoding(inspect(Encoding.COLOR, Encoding.LEGACY, Encoding.LEGACY))
    assert (found.encoding, found.matching, found.conclusive) == (Encoding.LEGACY, 2, 3)
    assert found.confidence == pytest.approx(2 / 3)


def test_without_a_conclusive_file_the_encoding_is_ambiguous() -> None:
    for encodings in ((), (Encoding.AMBIGUOUS,)):
        found = detect_encoding(inspect(*encodings))
        assert found == Detection(encoding=Encoding.AMBIGUOUS, matching=0, conclusive=0)
        assert found.confidence == 0
