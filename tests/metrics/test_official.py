"""Our official score against the official evaluator, run on the same files."""

import json
import math
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bddseg.data.masks import write_mask
from bddseg.metrics.evaluation import evaluate
from bddseg.tasks import get_task

with warnings.catch_warnings():
    # What the evaluator imports warns on current Python; that is not ours to mend.
    warnings.simplefilter("ignore")
    seg = pytest.importorskip(
        "bdd100k.eval.seg", reason="needs the bdd100k extra", exc_type=ImportError
    )


def run_official(truth, result, task):
    """The evaluator's own function, on the lists of files that its command would make."""
    paths = [sorted(str(path) for path in folder.rglob("*.png")) for folder in (truth, result)]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        score = seg.evaluate_segmentation(*paths, mode=task, nproc=1, with_logs=False)
    return dict(score)


def flatten(content, prefix=""):
    if isinstance(content, dict):
        items = content.items()
    elif isinstance(content, list):
        items = enumerate(content)
    else:
        return {prefix: content}
    return {
        key: value
        for name, item in items
        for key, value in flatten(item, f"{prefix}/{name}").items()
    }


def assert_equal(ours, official):
    ours, official = flatten(ours), flatten(official)
    assert list(ours) == list(official)
    for key, value in official.items():
        assert (
            ours[key] == value
            or math.isclose(ours[key], value, abs_tol=1e-9)
            or (math.isnan(ours[key]) and math.isnan(value))
        ), key


# Truth beyond the classes makes the evaluator fail, so it is left to a test of ours.
TRUTH_IDS = {"drivable": [0, 1, 2, 255], "sem_seg": [*range(19), 255]}


@st.composite
def cases(draw, task):
    """Masks of a few frames: (name, truth or None, result or None)."""
    frames = []
    for number in range(draw(st.integers(1, 4))):
        size = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
        truth_ids = draw(st.lists(st.sampled_from(TRUTH_IDS[task]), min_size=1, max_size=4))
        result_ids = draw(st.lists(st.integers(0, 255) | st.integers(0, 3), min_size=1, max_size=4))
        rng = np.random.default_rng(draw(st.integers(0, 2**32)))
        truth = rng.choice(np.array(truth_ids, np.uint8), size)
        result = rng.choice(np.array(result_ids, np.uint8), size)
        fate = draw(st.sampled_from(["both", "both", "both", "missing", "surplus"]))
        folder = draw(st.sampled_from(["", "night/", "a/b/"]))
        # The first frame has both, so that there is something to score.
        frames.append((f"{folder}f{number}", truth, result, "both" if number == 0 else fate))
    return frames


def write(frames, root):
    for name, truth, result, fate in frames:
        if fate != "surplus":
            write_mask(root / "truth" / f"{name}.png", truth)
        if fate != "missing":
            # Results lie in other folders than their truth: only the stem counts.
            write_mask(root / "result" / "x" / f"{name}.png", result)
    return root / "truth", root / "result"


@pytest.mark.parametrize("task", ["drivable", "sem_seg"])
def test_every_number_equals_the_official_one(task, tmp_path_factory):
    @settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
    @given(cases(task))
    def check(frames):
        truth, result = write(frames, tmp_path_factory.mktemp("case"))
        ours = evaluate(truth, result, get_task(task)).score.to_official()
        assert_equal(ours, run_official(truth, result, task))

    check()


def test_the_command_writes_the_official_file(tmp_path, run):
    rng = np.random.default_rng(0)
    frames = [
        (f"d{number}/f{number}", *rng.integers(0, 3, (2, 72, 128), np.uint8), "both")
        for number in range(5)
    ]
    truth, result = write(frames, tmp_path)
    command = [sys.executable, "-W", "ignore", "-m", "bdd100k.eval.run", "-t", "drivable"]
    command += ["-g", str(truth), "-r", str(result), "--nproc", "1"]
    command += ["--out-file", str(tmp_path / "official.json")]
    subprocess.run(command, check=True, capture_output=True)
    code, _, _ = run("eval", "-g", truth, "-r", result, "--out-file", tmp_path / "ours.json")
    assert code == 0
    ours = json.loads((tmp_path / "ours.json").read_text())
    assert_equal(ours, json.loads((tmp_path / "official.json").read_text()))
