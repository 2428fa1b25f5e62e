"""The kinds of files that a model publishes."""

from enum import StrEnum


class What(StrEnum):
    """One kind of published file."""

    WEIGHTS = "weights"
    SCORES = "scores"
    PREDS = "preds"
    VISUALS = "visuals"
