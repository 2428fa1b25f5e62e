"""Masks: written and read without a change, and refused if they are something else."""

from pathlib import Path
from shlex import quote

import numpy as np
import PIL.Image
import pytest

from bddseg.data.mask import get_masks_folder, list_masks, read_mask, write_mask
from bddseg.errors import BddsegError


def test_a_mask_comes_back_as_it_was_written(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).integers(0, 256, (37, 53), dtype=np.uint8)
    path = tmp_path / "deep" / "er" / "m.png"
    write_mask(path, labels)
    assert np.array_equal(read_mask(path), labels)
    with PIL.Image.open(path) as image:
        assert image.mode == "L"
    assert [file.name for file in path.parent.iterdir()] == ["m.png"]


def test_the_indices_of_a_palette_image_are_its_class_ids(tmp_path: Path) -> None:
    labels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    image = PIL.Image.fromarray(labels)
    image.putpalette([9] * 768)
    image.save(tmp_path / "p.png")
    assert np.array_equal(read_mask(tmp_path / "p.png"), labels)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "I;16", "LA"])
def test_an_image_of_colors_is_refused(tmp_path: Path, mode: str) -> None:
    PIL.Image.new(mode, (4, 4)).save(tmp_path / "c.png")
    with pytest.raises(BddsegError, match=rf"c\.png is not a mask: its mode is {mode},") as caught:
        read_mask(tmp_path / "c.png")
    assert f"bddseg labels convert {quote(str(tmp_path))} -o OUT" in caught.value.hint


def test_damage_is_named(tmp_path: Path) -> None:
    path = tmp_path / "m.png"
    write_mask(path, np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8))
    data = path.read_bytes()
    for damaged in (b"", b"text", data[:200], data[: len(data) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(BddsegError, match=r"m\.png cannot be read: "):
            read_mask(path)


def test_a_folder_without_masks_is_named(tmp_path: Path) -> None:
    with pytest.raises(BddsegError, match="holds no masks"):
        list_masks(tmp_path)
    with pytest.raises(BddsegError, match="does not exist"):
        list_masks(tmp_path / "gone")


def test_the_masks_of_a_run_are_in_a_folder_of_its_output(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    assert get_masks_folder(tmp_path) == tmp_path
    (tmp_path / "run.json").write_text("{}")
    assert get_masks_folder(tmp_path) == tmp_path / "masks"
    assert get_masks_folder(tmp_path / "masks") == tmp_path / "masks"
    assert get_masks_folder(tmp_path / "gone") == tmp_path / "gone"
