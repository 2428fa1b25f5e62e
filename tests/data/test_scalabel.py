"""Scalabel JSON: label maps in, label maps out."""

import json
from pathlib import Path

import numpy as np
import pytest
from label_files import draw_scenes

from bddseg.data.rle import encode_rle
from bddseg.data.scalabel import (
    ScalabelFrame,
    decode_json,
    encode_frame,
    encode_json,
    is_scalabel,
    read_scalabel,
    write_scalabel,
)
from bddseg.errors import BddsegError
from bddseg.tasks.bdd100k import DRIVABLE, SEM_SEG
from bddseg.types import LabelMap


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def read_single(path: Path) -> ScalabelFrame:
    (frame,) = read_scalabel(path, DRIVABLE)
    return frame


def make_label(category: str, mask: LabelMap) -> dict[str, object]:
    return {
        "category": category,
        "rle": {"counts": encode_rle(mask.astype(bool)), "size": list(mask.shape)},
    }


def test_label_maps_come_back_as_they_were_written(tmp_path: Path) -> None:
    scenes = draw_scenes()
    file = tmp_path / "drivable.json"
    write_scalabel(
        file, (encode_frame(f"{n}.jpg", labels, DRIVABLE) for n, labels in scenes.items())
    )
    frames = read_scalabel(file, DRIVABLE)
    assert [frame.name for frame in frames] == list(scenes)
    for frame in frames:
        labels = frame.read()
        assert labels is not None
        assert np.array_equal(labels, scenes[frame.name])
    ids = [label["id"] for frame in json.loads(file.read_text()) for label in frame["labels"]]
    assert ids == [str(number) for number in range(1, 13)]
    assert len(file.read_text().splitlines()) == len(scenes) + 2


def test_a_single_frame_comes_back_from_its_own_file(tmp_path: Path) -> None:
    frame = encode_frame("a.jpg", np.eye(4, dtype=np.uint8), DRIVABLE)
    path = tmp_path / "a.json"
    path.write_bytes(encode_json(frame))
    assert decode_json(path) == frame
    write_scalabel(path, [frame, frame])
    with pytest.raises(BddsegError, match=r"a\.json holds 2 frames, expected one"):
        decode_json(path)


def test_a_file_without_frames_is_an_empty_list(tmp_path: Path) -> None:
    write_scalabel(tmp_path / "a.json", [])
    assert json.loads((tmp_path / "a.json").read_text()) == []


def test_the_last_of_overlapping_labels_counts_and_gaps_are_background(tmp_path: Path) -> None:
    left = np.array([[1, 1, 0, 0]], np.uint8)
    middle = np.array([[0, 1, 1, 0]], np.uint8)
    labels = [
        make_label("direct", left),
        make_label("alternative", middle),
        make_label("background", left),
    ]
    file = write(tmp_path / "a.json", [{"name": "a", "labels": labels}])
    assert read_single(file).read().tolist() == [[0, 1, 1, 2]]  # type: ignore[union-attr]


def test_pixels_without_a_label_are_ignored_in_a_task_without_background(tmp_path: Path) -> None:
    label = make_label("sidewalk", np.array([[0, 1]], np.uint8))
    file = write(tmp_path / "a.json", [{"name": "a", "labels": [label]}])
    (frame,) = read_scalabel(file, SEM_SEG)
    assert frame.read().tolist() == [[255, 1]]  # type: ignore[union-attr]


def test_a_frame_without_labels_has_its_size_or_none(tmp_path: Path) -> None:
    frames = [{"name": "a", "size": {"height": 2, "width": 3}}, {"name": "b", "labels": None}]
    sized, unsized = read_scalabel(write(tmp_path / "a.json", {"frames": frames}), DRIVABLE)
    labels = sized.read()
    assert labels is not None
    assert labels.tolist() == [[2, 2, 2], [2, 2, 2]]
    assert unsized.read() is None


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (
            [make_label("direct", np.eye(n, dtype=np.uint8)) for n in (2, 3)],
            r"frame a: its labels have different sizes: 2x2 and 3x3",
        ),
        (
            [{"category": "direct", "rle": {"counts": "0", "size": [2, 2]}}],
            r"frame a: direct: its runs cover 0 pixels, and its size is 2x2, 4 pixels",
        ),
    ],
)
def test_a_label_that_cannot_be_decoded_is_named(
    tmp_path: Path, labels: list[dict[str, object]], expected: str
) -> None:
    file = write(tmp_path / "x.json", [{"name": "a", "labels": labels}])
    with pytest.raises(BddsegError, match=rf"x\.json, {expected}"):
        read_single(file).read()


@pytest.mark.parametrize("size", [[100_000, 100_000], [10**12, 1], [-2, 2], [0, 0], [2**70, 1]])
@pytest.mark.parametrize("counts", ["0", encode_rle(np.eye(2, dtype=bool)), "PPPP[=0"])
def test_a_size_is_checked_before_memory_is_used(
    tmp_path: Path, size: list[int], counts: str
) -> None:
    label = {"category": "direct", "rle": {"counts": counts, "size": size}}
    file = write(tmp_path / "x.json", [{"name": "a", "labels": [label]}])
    expected = rf"x\.json, frame a: its size is {size[1]}x{size[0]}, and 1 to 178,956,970"
    with pytest.raises(BddsegError, match=expected):
        read_single(file).read()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            '[{"name": "", "labels": [{"category": "", "rle": {"counts": "", "size": [1e20]}}]}]',
            "not in Scalabel format",
        ),
        (
            '[{"name": "a", "labels": [{"category": "direct", "poly2d": ' + "[" * 50_000,
            "cannot be read as JSON",
        ),
        ("{", "cannot be read as JSON"),
        ("\xff", "cannot be read as JSON"),
        ('{"a": 1}', "has no list of frames"),
        ('[{"labels": []}]', r"not in Scalabel format: .*missing required field `name`"),
        ('[{"name": "x", "labels": [{"category": "car"}]}]', "has no label of drivable; .* car"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, content: str, expected: str) -> None:
    (tmp_path / "x.json").write_text(content, encoding="latin-1")
    with pytest.raises(BddsegError, match=rf"x\.json .*{expected}"):
        read_scalabel(tmp_path / "x.json", DRIVABLE)


@pytest.mark.parametrize("name", ["", "../a.jpg", "a/../../b", "/tmp/a.jpg", "a\0.jpg", ".."])
def test_a_name_that_leads_out_of_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    file = write(tmp_path / "x.json", [{"name": name, "size": {"height": 1, "width": 1}}])
    with pytest.raises(BddsegError, match=r"x\.json: the frame name .* is not a path below a"):
        read_scalabel(file, DRIVABLE)


def test_a_folder_of_json_is_a_source_unless_it_holds_masks(tmp_path: Path) -> None:
    assert not is_scalabel(tmp_path)
    assert not is_scalabel(tmp_path / "a.png")
    assert is_scalabel(tmp_path / "a.json")
    write_scalabel(
        tmp_path / "b.json", [encode_frame("b.jpg", np.eye(2, dtype=np.uint8), DRIVABLE)]
    )
    write_scalabel(
        tmp_path / "a.json", [encode_frame("a.jpg", np.eye(2, dtype=np.uint8), DRIVABLE)]
    )
    (tmp_path / ".hidden.json").write_text("{")
    assert is_scalabel(tmp_path)
    assert [frame.name for frame in read_scalabel(tmp_path, DRIVABLE)] == ["a", "b"]
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.png").touch()
    assert not is_scalabel(tmp_path)
