"""What several tests of metrics use."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bddseg.data.mask import write_mask
from bddseg.record import RunRecord


def write_masks(
    root: Path, *, ground_truth: Mapping[str, Any], predictions: Mapping[str, Any]
) -> tuple[Path, Path]:
    """Write masks, given as rows of ids by name; return the two folders."""
    folders = root / "ground_truth", root / "predictions"
    for folder, content in zip(folders, (ground_truth, predictions), strict=True):
        for name, rows in content.items():
            write_mask(folder / f"{name}.png", np.array(rows, np.uint8))
    return folders


def write_record(
    folder: Path, task: str = "drivable", weights: dict[str, str | int] | None = None
) -> None:
    """Write the record of a run of that task."""
    nothing: dict[str, Any] = {}
    RunRecord(
        model="tiny",
        task=task,
        weights=weights or {},
        arguments=nothing,
        identity=nothing,
        versions=nothing,
        device="cpu",
        started="2024-01-01T00:00:00+00:00",
    ).write(folder)


def flatten(content: Any, prefix: str = "") -> dict[str, Any]:
    """Return the numbers of nested dicts and lists, by path."""
    if isinstance(content, dict):
        items: list[tuple[Any, Any]] = list(content.items())
    elif isinstance(content, list):
        items = list(enumerate(content))
    else:
        return {prefix: content}
    return {
        key: value
        for name, item in items
        for key, value in flatten(item, f"{prefix}/{name}").items()
    }


def assert_equal(ours: Any, official: Any) -> None:
    """Check that all keys, their order and all numbers are the same."""
    ours, official = flatten(ours), flatten(official)
    assert list(ours) == list(official)
    for key, value in official.items():
        assert (
            ours[key] == value
            or math.isclose(ours[key], value, abs_tol=1e-9)
            or (math.isnan(ours[key]) and math.isnan(value))
        ), key
