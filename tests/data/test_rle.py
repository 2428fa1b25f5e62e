"""Run-length encoding, compared with COCO's own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from bddseg.data.rle import decode_rle, encode_rle
from bddseg.types import BinaryMask, SizeHW

coco = pytest.importorskip("pycocotools.mask", reason="comes with the bdd100k extra")


def encode_coco(mask: BinaryMask) -> str:
    return str(coco.encode(np.asfortranarray(mask, np.uint8))["counts"], "ascii")


masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12))


@settings(max_examples=300, deadline=None)
@given(masks)
def test_strings_are_those_of_coco(mask: BinaryMask) -> None:
    counts = encode_rle(mask)
    assert counts == encode_coco(mask)
    assert np.array_equal(decode_rle(counts, (mask.shape[0], mask.shape[1])), mask)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.00001, 0.001, 0.5, 0.999]))
def test_long_runs_are_those_of_coco(seed: int, share: float) -> None:
    mask = np.random.default_rng(seed).random((311, 733)) < share
    counts = encode_rle(mask)
    assert counts == encode_coco(mask)
    assert np.array_equal(decode_rle(counts, (311, 733)), mask)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=8) | st.text(alphabet="0123OPQ`abno", max_size=12))
def test_damage_is_an_error_and_never_other_pixels(counts: str) -> None:
    try:
        mask = decode_rle(counts, (3, 4))
    except ValueError as error:
        assert "its " in str(error)
    else:
        assert np.array_equal(mask, coco.decode({"counts": counts, "size": [3, 4]}))


@pytest.mark.parametrize("size", [(20, 31), (20, 29), (0, 0), (-20, -30), (1, 1)])
def test_another_size_is_an_error(size: SizeHW) -> None:
    counts = encode_rle(np.eye(20, 30, dtype=bool))
    with pytest.raises(ValueError, match="its runs cover 600 pixels"):
        decode_rle(counts, size)
