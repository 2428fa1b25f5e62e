"""Converting label files: what comes out, and what is refused."""

import re
from pathlib import Path
from shlex import quote

import numpy as np
import pytest
from label_files import WRITERS, Scenes, draw_scenes, write_rgba, write_scenes

from bddseg.bdd100k.convert import Target, convert_labels
from bddseg.data.encodings import Encoding
from bddseg.data.mask import read_mask, write_mask
from bddseg.data.scalabel import encode_frame, write_scalabel
from bddseg.errors import BddsegError
from bddseg.tasks.bdd100k import DRIVABLE, SEM_SEG
from bddseg.tasks.task import Task


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    return draw_scenes()


@pytest.mark.parametrize("encoding", list(WRITERS))
@pytest.mark.parametrize("num_threads", [1, 3])
def test_every_encoding_becomes_the_same_masks(
    scenes: Scenes, tmp_path: Path, encoding: str, num_threads: int
) -> None:
    folder, out = write_scenes(tmp_path / "labels", scenes, encoding), tmp_path / "out"
    conversion = convert_labels(folder, out, DRIVABLE, num_threads=num_threads)
    assert (conversion.converted, conversion.failures) == (4, ())
    for name, labels in scenes.items():
        assert np.array_equal(read_mask(out / "sub" / f"{name}.png"), labels)


def test_some_conclusive_files_decide_and_the_others_follow(scenes: Scenes, tmp_path: Path) -> None:
    folder, out = write_scenes(tmp_path / "labels", scenes, "legacy"), tmp_path / "out"
    write_mask(folder / "dark.png", np.zeros((720, 1280), np.uint8))
    assert convert_labels(folder, out, DRIVABLE).source_encoding == "legacy"
    assert (read_mask(out / "dark.png") == 2).all()


def test_conclusive_files_that_disagree_are_counted(scenes: Scenes, tmp_path: Path) -> None:
    folder = write_scenes(tmp_path / "labels", scenes, "legacy")
    write_mask(folder / "odd.png", scenes["scene1"])
    write_mask(folder / "dark.png", np.zeros((720, 1280), np.uint8))
    with pytest.raises(BddsegError) as caught:
        convert_labels(folder, tmp_path / "out", DRIVABLE)
    assert caught.value.message == "Ambiguous encoding: 4 of 5 conclusive files look legacy."
    assert caught.value.hint == (
        f"Run `bddseg labels check {quote(str(folder))} -t drivable`, then use --from."
    )
    converted = convert_labels(folder, tmp_path / "out", DRIVABLE, encoding=Encoding.LEGACY)
    assert converted.converted == 6


def test_files_of_which_none_is_conclusive_are_counted(tmp_path: Path) -> None:
    write_mask(tmp_path / "labels" / "a.png", np.zeros((72, 128), np.uint8))
    with pytest.raises(BddsegError, match="Ambiguous encoding: none of 1 file in"):
        convert_labels(tmp_path / "labels", tmp_path / "out", DRIVABLE)


def test_files_that_are_not_labels_are_refused(scenes: Scenes, tmp_path: Path) -> None:
    write_rgba(tmp_path / "bitmasks" / "a.png", scenes["scene1"])
    with pytest.raises(BddsegError, match=r"holds instance bitmasks, and they have no drivable"):
        convert_labels(tmp_path / "bitmasks", tmp_path / "out", DRIVABLE)
    write_mask(tmp_path / "invalid" / "a.png", scenes["scene1"] + np.uint8(9))
    with pytest.raises(BddsegError, match="has 1 file without valid drivable labels, of 1"):
        convert_labels(tmp_path / "invalid", tmp_path / "out", DRIVABLE)
    assert not (tmp_path / "out").exists()


def test_ids_of_another_task_are_named(scenes: Scenes, tmp_path: Path) -> None:
    folder = write_scenes(tmp_path / "labels", scenes, "current")
    write_mask(folder / "odd.png", scenes["scene1"] + np.uint8(5))
    conversion = convert_labels(folder, tmp_path / "out", DRIVABLE, encoding=Encoding.CURRENT)
    (failure,) = conversion.failures
    assert re.search(r"odd\.png has id \d, and the ids of drivable are 0 to 2\.", failure.message)
    assert conversion.converted == 4
    assert not (tmp_path / "out" / "odd.png").exists()


def test_the_output_folder_of_a_run_stands_for_its_masks(scenes: Scenes, tmp_path: Path) -> None:
    write_scenes(tmp_path / "run" / "masks", scenes, "current")
    write_scenes(tmp_path / "run" / "colormaps", scenes, "palette")
    (tmp_path / "run" / "run.json").write_text("{}")
    conversion = convert_labels(tmp_path / "run", tmp_path / "out", DRIVABLE)
    assert conversion.converted == 4
    assert (tmp_path / "out" / "sub" / "scene1.png").is_file()


@pytest.mark.parametrize("way", ["masks in two folders", "frames of two suffixes"])
def test_label_maps_that_would_get_the_same_name_are_refused(
    scenes: Scenes, tmp_path: Path, way: str
) -> None:
    source, out, target = tmp_path / "labels", tmp_path / "o.json", Target.RLE
    if way == "masks in two folders":
        write_scenes(source, scenes, "current")
        write_scenes(source / "again", scenes, "current")
    else:
        source, out, target = tmp_path / "frames.json", tmp_path / "o", Target.CURRENT
        frames = [encode_frame(f"a.{kind}", scenes["scene1"], DRIVABLE) for kind in ("jpg", "png")]
        write_scalabel(source, frames)
    with pytest.raises(BddsegError, match=r"2 label maps of .* would get the same name"):
        convert_labels(source, out, DRIVABLE, target=target)
    assert not out.exists()


def test_frames_without_labels_have_the_size_of_the_dataset(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"name": "a.jpg"}]')
    for task in (DRIVABLE, SEM_SEG):
        out = tmp_path / task.name
        assert convert_labels(tmp_path / "a.json", out, task).converted == 1
        labels = read_mask(out / "a.png")
        assert labels.shape == (720, 1280)
        assert (labels == task.fill_id).all()
    other = Task(name="other", classes=("x",), colors=((1, 2, 3),))
    (failure,) = convert_labels(tmp_path / "a.json", tmp_path / "other", other).failures
    assert "frame a.jpg has no labels and no size" in failure.message


@pytest.mark.parametrize("target", [Target.CURRENT, Target.RLE])
def test_existing_files_are_replaced_only_if_that_is_wanted(
    scenes: Scenes, tmp_path: Path, target: Target
) -> None:
    folder = write_scenes(tmp_path / "labels", scenes, "legacy")
    out = tmp_path / ("o.json" if target is Target.RLE else "o")
    existing = out if target is Target.RLE else out / "sub" / "scene3.png"
    existing.parent.mkdir(parents=True, exist_ok=True)
    existing.write_bytes(b"mine")
    with pytest.raises(BddsegError, match=rf"{existing.name} exists already") as caught:
        convert_labels(folder, out, DRIVABLE, target=target)
    assert "--overwrite" in caught.value.hint
    assert existing.read_bytes() == b"mine"
    convert_labels(folder, out, DRIVABLE, target=target, overwrite=True)
    assert existing.read_bytes() != b"mine"
