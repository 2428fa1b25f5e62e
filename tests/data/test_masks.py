import numpy as np
import pytest
from PIL import Image

from bddseg.data.masks import list_masks, read_mask, write_mask
from bddseg.errors import BddsegError


def test_a_mask_comes_back_as_it_was_written(tmp_path):
    labels = np.random.default_rng(0).integers(0, 256, (37, 53), dtype=np.uint8)
    write_mask(tmp_path / "deep" / "er" / "m.png", labels)
    path = tmp_path / "deep" / "er" / "m.png"
    assert np.array_equal(read_mask(path), labels)
    with Image.open(path) as image:
        assert image.mode == "L"
    assert [file.name for file in path.parent.iterdir()] == ["m.png"]


def test_a_palette_image_counts_as_its_indices(tmp_path):
    labels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    image = Image.fromarray(labels)
    image.putpalette([9] * 768)
    image.save(tmp_path / "p.png")
    assert np.array_equal(read_mask(tmp_path / "p.png"), labels)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "I;16", "LA"])
def test_an_image_of_colours_is_refused(tmp_path, mode):
    Image.new(mode, (4, 4)).save(tmp_path / "c.png")
    with pytest.raises(BddsegError, match=r"c\.png is no mask: its mode is"):
        read_mask(tmp_path / "c.png")


def test_damage_is_named(tmp_path):
    path = tmp_path / "m.png"
    write_mask(path, np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8))
    whole = path.read_bytes()
    for data in (b"", b"text", whole[:200], whole[: len(whole) // 2]):
        path.write_bytes(data)
        with pytest.raises(BddsegError, match=r"m\.png cannot be read as a mask"):
            read_mask(path)


def test_a_folder_without_masks_is_named(tmp_path):
    with pytest.raises(BddsegError, match="holds no masks"):
        list_masks(tmp_path)
    with pytest.raises(BddsegError, match="does not exist"):
        list_masks(tmp_path / "gone")
