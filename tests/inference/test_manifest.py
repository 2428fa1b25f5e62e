"""The manifest of a run."""

from pathlib import Path

import pytest

from bddseg.data.sources.source import FrameRef
from bddseg.inference.manifest import Manifest, write_manifest


def test_work_items_are_read_back_by_number(tmp_path: Path) -> None:
    refs = [FrameRef(f"dir/{n}.jpg", f"{n}") for n in range(25)]
    assert write_manifest(tmp_path / "m.jsonl", refs, num_workers=1) == 9
    with Manifest(tmp_path / "m.jsonl") as manifest:
        assert len(manifest) == 9
        assert manifest.read(8) == refs[24:]
        assert [ref for number in range(9) for ref in manifest.read(number)] == refs


def test_names_that_are_not_utf_8_survive(tmp_path: Path) -> None:
    ref = FrameRef("a\udcff.jpg", "a\udcff")
    write_manifest(tmp_path / "m.jsonl", [ref], num_workers=1)
    with Manifest(tmp_path / "m.jsonl") as manifest:
        assert manifest.read(0) == [ref]


def test_frames_of_one_segment_of_a_video_are_one_work_item(tmp_path: Path) -> None:
    video = "drive.mp4"
    refs = [FrameRef(video, f"{n:06}", n, n // 20 * 20) for n in range(50)]
    assert write_manifest(tmp_path / "m.jsonl", refs, num_workers=1) == 3
    with Manifest(tmp_path / "m.jsonl") as manifest:
        assert len(manifest.read(1)) == 20


def test_a_work_item_can_be_a_whole_sequence(tmp_path: Path) -> None:
    video = [FrameRef("drive.mp4", f"{n:06}", n, n // 20 * 20) for n in range(50)]
    folders = [FrameRef(f"{name}.jpg", name) for name in ("0", "a/0", "a/1", "a/b/0", "a/b/1")]
    for refs, expected in ((video, [50]), (folders, [1, 2, 2])):
        write_manifest(tmp_path / "m.jsonl", refs, num_workers=1, sequences=True)
        with Manifest(tmp_path / "m.jsonl") as manifest:
            items = [manifest.read(number) for number in range(len(manifest))]
        assert [len(item) for item in items] == expected
        assert [ref for item in items for ref in item] == refs


@pytest.mark.parametrize(
    ("num_frames", "num_workers", "num_items"), [(5, 2, 5), (160, 2, 16), (1000, 2, 63)]
)
def test_work_items_are_small_enough_for_all_workers(
    tmp_path: Path, num_frames: int, num_workers: int, num_items: int
) -> None:
    refs = (FrameRef(f"{n}.jpg", f"{n}") for n in range(num_frames))
    found = write_manifest(tmp_path / "m.jsonl", refs, num_workers=num_workers)
    assert found == num_items
