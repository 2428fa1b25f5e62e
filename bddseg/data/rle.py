"""COCO's compressed run-length encoding of a binary mask.

A mask is read column by column, as lengths of runs that are off and on in turn, the first one off.
From the fourth run on, what is written is the difference to the run two before; each number is cut
into five bits, low ones first, and each five bits become a character (`maskApi.c` of the COCO API,
`rleToString`). pycocotools gives back what lies in memory where a string covers too few pixels, so
strings are read here, and checked.
"""

import numpy as np
import numpy.typing as npt

_FIRST_CHARACTER = 48
_BITS = 5
_MORE = 1 << _BITS
_SIGN = 1 << (_BITS - 1)
_LOW = _MORE - 1
# Seven times five bits hold the number of pixels of any mask.
_MOST_CHARACTERS = 7


def encode_rle(mask: npt.NDArray[np.bool_]) -> str:
    """Return a mask (H, W) as a string."""
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    # A mask that begins with a run that is on has an empty one before it.
    begin = [0, 0] if flat[:1].any() else [0]
    runs = np.diff(np.concatenate([begin, changes, [flat.size]]))
    runs[3:] -= runs[1:-2].copy()
    rest = runs[:, None] >> (_BITS * np.arange(_MOST_CHARACTERS + 1))
    digits = rest[:, :-1] & _LOW
    # What is left after the last digit is but the sign that this digit shows.
    more = rest[:, 1:] != np.where(digits & _SIGN, -1, 0)
    used = np.ones_like(more)
    used[:, 1:] = np.logical_and.accumulate(more[:, :-1], axis=1)
    characters = (digits + _MORE * more + _FIRST_CHARACTER).astype(np.uint8)
    return str(characters[used].tobytes(), "ascii")


def decode_rle(counts: str, size_hw: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Return the mask (H, W) that a string says.

    Raises:
        ValueError: it is no such string, or covers another number of pixels.
    """
    runs = _read_runs(counts)
    height, width = size_hw
    if min(height, width) < 0 or runs.sum() != height * width:
        raise ValueError(
            f"its runs cover {runs.sum()} pixels, and its size is {width}x{height}, "
            f"which are {height * width}"
        )
    return np.repeat(np.arange(runs.size) % 2 == 1, runs).reshape(width, height).T


def _read_runs(counts: str) -> npt.NDArray[np.int64]:
    digits = np.frombuffer(counts.encode(), np.uint8).astype(np.int64) - _FIRST_CHARACTER
    last = (digits & _MORE) == 0
    if digits.size and (digits.min() < 0 or digits.max() >= 2 * _MORE or not last[-1]):
        raise ValueError("its counts are no run-length encoding")
    starts = np.flatnonzero(np.concatenate([[True], last[:-1]])) if digits.size else digits
    lengths = np.diff(np.concatenate([starts, [digits.size]]))
    if lengths.max(initial=0) > _MOST_CHARACTERS:
        raise ValueError("its counts are no run-length encoding")
    places = np.arange(digits.size) - np.repeat(starts, lengths)
    runs = np.add.reduceat((digits & _LOW) << (_BITS * places), starts) if digits.size else digits
    runs = runs - np.where(digits[last] & _SIGN, 1 << (_BITS * lengths), 0)
    runs[1::2] = np.cumsum(runs[1::2])
    runs[2::2] = np.cumsum(runs[2::2])
    if runs.min(initial=0) < 0:
        raise ValueError("its counts are no run-length encoding")
    return runs
