"""Label Studio's format of brushes, decoded bit by bit as its definition says."""

import numpy as np
import pytest

from bddseg.data.annotations.label_studio import encode_brush
from bddseg.types import BinaryMask, SizeHW


def decode_brush(encoded: list[int], size_hw: SizeHW) -> BinaryMask:
    """Return a mask; written by the definition of rle-pack, for values that repeat or not."""
    bits = "".join(f"{byte:08b}" for byte in encoded)
    position = 0

    def read(count: int) -> int:
        nonlocal position
        position += count
        return int(bits[position - count : position], 2)

    total, value_bits = read(32), read(5) + 1
    length_bits = [read(4) + 1 for _ in range(4)]
    values: list[int] = []
    while len(values) < total:
        is_run, length = read(1), read(length_bits[read(2)]) + 1
        values += (
            [read(value_bits)] * length if is_run else [read(value_bits) for _ in [0] * length]
        )
    pixels = np.array(values).reshape(*size_hw, 4)
    assert (pixels == pixels[..., :1]).all()
    assert len(bits) - position < 8
    mask: BinaryMask = pixels[..., 3] == 255
    return mask


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_brushes_are_the_mask(share: float) -> None:
    mask = np.random.default_rng(0).random((37, 53)) < share
    assert np.array_equal(decode_brush(encode_brush(mask), (37, 53)), mask)


def test_runs_that_are_longer_than_a_length_are_split() -> None:
    # 65,536 values are 16,384 pixels: runs of exactly that, of one more, and of several times it.
    mask = np.zeros((720, 640), bool)
    mask.ravel()[100 : 100 + 16384] = True
    mask.ravel()[20000 : 20000 + 16385] = True
    mask.ravel()[100000:] = True
    assert np.array_equal(decode_brush(encode_brush(mask), (720, 640)), mask)
