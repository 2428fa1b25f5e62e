"""Our official score against the official evaluator, run on the same files."""

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from metrics.helpers import assert_equal
from support import Run

from bddseg.data.mask import write_mask
from bddseg.metrics.evaluate import evaluate
from bddseg.metrics.official import format_official
from bddseg.types import LabelMap

with warnings.catch_warnings():
    # What the evaluator imports warns on current Python.
    warnings.simplefilter("ignore")
    seg = pytest.importorskip(
        "bdd100k.eval.seg", reason="needs the bdd100k extra", exc_type=ImportError
    )


# Name, ground truth, prediction, and which of the two are written.
Frame = tuple[str, LabelMap, LabelMap, str]


def run_official(ground_truth: Path, predictions: Path, task: str) -> dict[str, Any]:
    """The evaluator's own function, on the lists of files that its command would make."""
    paths = [
        sorted(str(path) for path in folder.rglob("*.png"))
        for folder in (ground_truth, predictions)
    ]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        score = seg.evaluate_segmentation(*paths, mode=task, nproc=1, with_logs=False)
    return dict(score)


# Other ids in the ground truth make the evaluator fail; `test_evaluate.py` tests ours.
GROUND_TRUTH_IDS = {"drivable": [0, 1, 2, 255], "sem_seg": [*range(19), 255]}


@st.composite
def cases(draw: st.DrawFn, task: str) -> list[Frame]:
    """Masks of a few frames."""
    frames: list[Frame] = []
    for number in range(draw(st.integers(1, 4))):
        size = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
        true_ids = draw(st.lists(st.sampled_from(GROUND_TRUTH_IDS[task]), min_size=1, max_size=4))
        predicted_ids = draw(
            st.lists(st.integers(0, 255) | st.integers(0, 3), min_size=1, max_size=4)
        )
        rng = np.random.default_rng(draw(st.integers(0, 2**32)))
        ground_truth = rng.choice(np.array(true_ids, np.uint8), size)
        prediction = rng.choice(np.array(predicted_ids, np.uint8), size)
        written = draw(st.sampled_from(["both", "both", "both", "ground truth", "prediction"]))
        folder = draw(st.sampled_from(["", "night/", "a/b/"]))
        # The first frame has both, so that there is something to score.
        which = "both" if number == 0 else written
        frames.append((f"{folder}f{number}", ground_truth, prediction, which))
    return frames


def write(frames: list[Frame], root: Path) -> tuple[Path, Path]:
    for name, ground_truth, prediction, written in frames:
        if written != "prediction":
            write_mask(root / "ground_truth" / f"{name}.png", ground_truth)
        if written != "ground truth":
            # Predictions are in other folders than their ground truth: only the file name counts.
            write_mask(root / "predictions" / "x" / f"{name}.png", prediction)
    return root / "ground_truth", root / "predictions"


@pytest.mark.parametrize("task", ["drivable", "sem_seg"])
def test_every_number_of_masks_equals_the_official_one(
    task: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    @settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
    @given(cases(task))
    def check(frames: list[Frame]) -> None:
        paths = write(frames, tmp_path_factory.mktemp("case"))
        ours = format_official(evaluate(*paths, task=task)["official"])
        assert_equal(ours, run_official(*paths, task))

    check()


def test_the_command_writes_the_official_file_for_masks(tmp_path: Path, run: Run) -> None:
    rng = np.random.default_rng(0)
    frames: list[Frame] = [
        (f"d{number}/f{number}", *rng.integers(0, 3, (2, 72, 128), np.uint8), "both")
        for number in range(5)
    ]
    ground_truth, predictions = write(frames, tmp_path)
    command = [sys.executable, "-W", "ignore", "-m", "bdd100k.eval.run", "-t", "drivable"]
    command += ["-g", str(ground_truth), "-r", str(predictions), "--nproc", "1"]
    command += ["--out-file", str(tmp_path / "official.json")]
    subprocess.run(command, check=True, capture_output=True)
    ours = tmp_path / "ours.json"
    assert run("eval", "-g", ground_truth, "-r", predictions, "--out-file", ours)[0] == 0
    expected = json.loads((tmp_path / "official.json").read_text())
    assert_equal(json.loads(ours.read_text()), expected)
