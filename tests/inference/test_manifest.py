"""The manifest of a run."""

from pathlib import Path

from bddseg.data.sources.source import FrameRef
from bddseg.inference.manifest import Manifest, choose_item_size, write_manifest


def test_work_items_are_read_back_by_number(tmp_path: Path) -> None:
    refs = [FrameRef(Path(f"dir/{n}.jpg"), f"{n}") for n in range(7)]
    assert write_manifest(tmp_path / "m.jsonl", refs, 3) == 3
    with Manifest(tmp_path / "m.jsonl") as manifest:
        assert len(manifest) == 3
        assert manifest.read(2) == refs[6:]
        assert [ref for number in range(3) for ref in manifest.read(number)] == refs


def test_names_that_are_not_utf_8_survive(tmp_path: Path) -> None:
    ref = FrameRef(Path("a\udcff.jpg"), "a\udcff")
    write_manifest(tmp_path / "m.jsonl", [ref], 1)
    with Manifest(tmp_path / "m.jsonl") as manifest:
        assert manifest.read(0) == [ref]


def test_frames_of_one_segment_of_a_video_are_one_work_item(tmp_path: Path) -> None:
    video = Path("drive.mp4")
    refs = [FrameRef(video, f"{n:06}", n, n // 20 * 20) for n in range(50)]
    assert write_manifest(tmp_path / "m.jsonl", refs, 3) == 3
    with Manifest(tmp_path / "m.jsonl") as manifest:
        assert len(manifest.read(1)) == 20


def test_work_items_are_small_enough_for_all_workers() -> None:
    assert choose_item_size(5, 2) == 1
    assert choose_item_size(160, 2) == 10
    assert choose_item_size(300_000, 8) == 16
