"""COCO's compressed run-length encoding of a binary mask.

A mask is read column by column. Its runs are False and True in turn, starting with False, and each
is written as its length, from the fourth run on as the difference to the length two runs before.
Each number is split into digits of five bits, the lowest first, and each digit is one character
(`rleToString` in `maskApi.c` of the COCO API). Given a string that covers too few pixels,
pycocotools returns uninitialised memory; this module decodes and checks strings itself.
"""

import numpy as np
import numpy.typing as npt

from bddseg.types import BinaryMask, SizeHW

_FIRST_CHARACTER = 48
_BITS = 5
# The bit of a digit that says that another digit follows, and the highest bit of a number.
_CONTINUED = 1 << _BITS
_SIGN = 1 << (_BITS - 1)
_VALUE = _CONTINUED - 1
# Seven digits of five bits are enough for the number of pixels of any mask.
_MAX_DIGITS = 7


def count_runs(flat: BinaryMask) -> npt.NDArray[np.int64]:
    """Return the lengths of the runs of a mask, (N,), bool: False and True in turn.

    The first run is False: its length is 0 if the mask begins with True.
    """
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    begin = [0, 0] if flat[:1].any() else [0]
    return np.diff(np.concatenate([begin, changes, [flat.size]]))


def encode_rle(mask: BinaryMask) -> str:
    """Return a mask, (H, W), bool, as a string."""
    runs = count_runs(mask.ravel(order="F"))
    runs[3:] -= runs[1:-2].copy()
    rest = runs[:, None] >> (_BITS * np.arange(_MAX_DIGITS + 1))
    digits = rest[:, :-1] & _VALUE
    # A digit is the last one if what remains is only the sign, which that digit shows.
    continued = rest[:, 1:] != np.where(digits & _SIGN, -1, 0)
    used = np.ones_like(continued)
    used[:, 1:] = np.logical_and.accumulate(continued[:, :-1], axis=1)
    characters = (digits + _CONTINUED * continued + _FIRST_CHARACTER).astype(np.uint8)
    return str(characters[used].tobytes(), "ascii")


def decode_rle(counts: str, size_hw: SizeHW) -> BinaryMask:
    """Return the mask, (H, W), bool, that a string encodes.

    Raises:
        ValueError: it is not a run-length encoding, or covers another number of pixels.
    """
    runs = _decode_runs(counts)
    height, width = size_hw
    if min(height, width) < 0 or runs.sum() != height * width:
        raise ValueError(
            f"its runs cover {runs.sum()} pixels, and its size is {width}x{height}, "
            f"{height * width} pixels"
        )
    return np.repeat(np.arange(runs.size) % 2 == 1, runs).reshape(width, height).T


def _decode_runs(counts: str) -> npt.NDArray[np.int64]:
    digits = np.frombuffer(counts.encode(), np.uint8).astype(np.int64) - _FIRST_CHARACTER
    if not digits.size:
        return digits
    is_last = (digits & _CONTINUED) == 0
    starts = np.flatnonzero(np.concatenate([[True], is_last[:-1]]))
    lengths = np.diff(np.concatenate([starts, [digits.size]]))
    is_encoding = digits.min() >= 0 and digits.max() < 2 * _CONTINUED and is_last[-1]
    if not is_encoding or lengths.max() > _MAX_DIGITS:
        raise ValueError("its counts are not a run-length encoding")
    exponents = _BITS * (np.arange(digits.size) - np.repeat(starts, lengths))
    runs = np.add.reduceat((digits & _VALUE) << exponents, starts)
    runs -= np.where(digits[is_last] & _SIGN, 1 << (_BITS * lengths), 0)
    runs[1::2] = np.cumsum(runs[1::2])
    runs[2::2] = np.cumsum(runs[2::2])
    if runs.min() < 0:
        raise ValueError("its counts are not a run-length encoding")
    return runs
