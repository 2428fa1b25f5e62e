"""The parts of the dataset that are submitted."""

from enum import StrEnum


class Split(StrEnum):
    """The part of the dataset that was segmented."""

    VAL = "val"
    TEST = "test"
