"""Measures without a score: areas, changes, confidence, calibration."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from bddseg.data.label_set import MaskFile
from bddseg.data.mask import write_mask
from bddseg.errors import BddsegError
from bddseg.progress import track_silently
from bddseg.report.frames import ReportFrame
from bddseg.report.measure import measure_frame, measure_frames
from bddseg.report.sections import describe_areas, describe_calibration, describe_changes
from bddseg.tasks.bdd100k import DRIVABLE


def make_frame(folder: Path, confidence: int | None = None) -> ReportFrame:
    """Return a frame of 100 pixels: 10 of the first mask are wrong, 20 differ in the second."""
    truth = np.full((10, 10), 2, np.uint8)
    truth[5:] = 0
    first, second = truth.copy(), truth.copy()
    first[0] = 1
    second[1] = 1
    refs = []
    for name, labels in (("truth", truth), ("a", first), ("b", second)):
        write_mask(folder / f"{name}.png", labels)
        refs.append(MaskFile("f", folder / f"{name}.png"))
    path = None
    if confidence is not None:
        path = folder / "p.png"
        cv2.imwrite(str(path), np.full((10, 10), confidence, np.uint16))
    return ReportFrame(
        name="f",
        image=None,
        ground_truth=refs[0],
        predictions=(refs[1], refs[2]),
        probabilities=(path, None),
    )


def test_areas_and_changes_are_shares_of_all_pixels(tmp_path: Path) -> None:
    measures = measure_frame(make_frame(tmp_path), DRIVABLE)
    assert measures.areas.tolist() == [[0.5, 0.1, 0.4], [0.5, 0.1, 0.4]]
    assert measures.changed.tolist() == [0, 0.2]
    assert np.isnan(measures.confidence).all()
    assert measures.levels.sum() == 0


def test_the_calibration_error_is_confidence_less_accuracy(tmp_path: Path) -> None:
    frame = make_frame(tmp_path, confidence=0xC8 << 8)
    measures = measure_frames([frame, frame], DRIVABLE, num_threads=1, track=track_silently)
    assert measures.levels[0].sum(axis=1).tolist() == [20, 180]
    assert measures.confidence[0, 0] == pytest.approx(0xC800 / 0xFFFF)
    (row,) = describe_calibration(measures)
    assert row["accuracy"] == 90
    assert row["error"] == pytest.approx(90 - 100 * (0xC8 + 0.5) / 256)
    (filled,) = row["bins"]
    assert (filled["low"], filled["high"], filled["share"]) == (0.75, 0.8125, 1)


def test_summaries_are_means_over_the_frames_that_have_a_mask(tmp_path: Path) -> None:
    frame = make_frame(tmp_path)
    missing = ReportFrame(
        name="g",
        image=None,
        ground_truth=None,
        predictions=(frame.predictions[0], None),
        probabilities=(None, None),
    )
    measures = measure_frames([frame, missing], DRIVABLE, num_threads=1, track=track_silently)
    (change,) = describe_changes(measures)
    assert change == {"letter": "B", "value": pytest.approx(20)}
    assert describe_areas(DRIVABLE, measures)[0] == {
        "name": "direct",
        "results": [{"letter": "A", "value": 50}, {"letter": "B", "value": 50}],
    }


def test_probabilities_of_another_size_or_kind_are_refused(tmp_path: Path) -> None:
    frame = make_frame(tmp_path, confidence=0)
    cv2.imwrite(str(tmp_path / "p.png"), np.zeros((5, 4), np.uint16))
    with pytest.raises(BddsegError, match=r"p.png is 4x5, but its mask is 10x10"):
        measure_frame(frame, DRIVABLE)
    write_mask(tmp_path / "p.png", np.zeros((10, 10), np.uint8))
    with pytest.raises(BddsegError, match="holds no probabilities: its mode is L"):
        measure_frame(frame, DRIVABLE)
