"""The encodings that label maps can be converted to."""

from enum import StrEnum


class Target(StrEnum):
    """What label maps are converted to."""

    CURRENT = "current"
    LEGACY = "legacy"
    COLOR = "color"
    RLE = "rle"
