import json

import numpy as np
import pytest

from bddseg.data.masks import write_mask
from bddseg.errors import BddsegError
from bddseg.metrics.confusion import count_pixels
from bddseg.metrics.evaluation import evaluate
from bddseg.metrics.scores import compute_official_score
from bddseg.tasks import get_task

DRIVABLE = get_task("drivable")


@pytest.fixture
def masks(tmp_path):
    """Write masks given as rows of ids: masks(truth={name: rows}, result={name: rows})."""

    def write(**folders):
        for folder, content in folders.items():
            (tmp_path / folder).mkdir(exist_ok=True)
            for name, rows in content.items():
                write_mask(tmp_path / folder / f"{name}.png", np.array(rows, np.uint8))
        return [tmp_path / folder for folder in ("truth", "result")]

    return write


def test_counts_by_hand():
    truth = np.array([[0, 0, 1, 1, 2, 255]], np.uint8)
    result = np.array([[0, 1, 1, 7, 0, 2]], np.uint8)
    assert count_pixels(truth, result, 3).tolist() == [[1, 1, 0], [0, 1, 1], [1, 0, 1]]


def test_scores_by_hand(masks):
    # direct: 2 right, 1 called alternative. alternative: 1 right, 1 missed. The background pixel
    # called direct costs nothing.
    truth, result = masks(truth={"a": [[0, 0, 0, 1, 1, 2]]}, result={"a": [[0, 0, 1, 1, 2, 0]]})
    score = evaluate(truth, result, DRIVABLE).score
    assert score.iou == pytest.approx({"direct": 100 * 2 / 3, "alternative": 100 / 3})
    assert score.acc == pytest.approx({"direct": 100, "alternative": 50})
    assert score.mean_iou == pytest.approx(50)
    assert score.pixel_acc == pytest.approx(100 * 3 / 5)
    assert score.frequency_weighted_iou == pytest.approx(100 * (2 / 3 * 3 / 5 + 1 / 3 * 2 / 5))


def test_the_score_of_a_set_comes_from_summed_counts(masks):
    truth, result = masks(truth={"a": [[0] * 9], "b": [[0]]}, result={"a": [[0] * 9], "b": [[1]]})
    assert evaluate(truth, result, DRIVABLE).score.iou["direct"] == pytest.approx(90)


def test_counts_of_20000_full_frames_do_not_overflow():
    frame = count_pixels(*np.zeros((2, 720, 1280), np.uint8), 3)
    score = compute_official_score(frame * 20_000, DRIVABLE.scored_classes)
    assert (frame * 20_000)[0, 0] == 18_432_000_000
    assert score.mean_iou == 100


def test_truth_without_any_scored_class_has_no_mean(masks, run):
    truth, result = masks(truth={"a": [[2, 255]]}, result={"a": [[0, 2]]})
    code, out, _ = run("eval", "-g", truth, "-r", result, "--json")
    assert code == 0
    assert json.loads(out)["official"]["IoU"][1]["AVERAGE"] is None


def test_truth_ids_beyond_the_classes_are_dropped(masks):
    truth, result = masks(truth={"a": [[0, 7]]}, result={"a": [[0, 0]]})
    assert evaluate(truth, result, DRIVABLE).score.mean_iou == 100


def test_missing_and_surplus_masks_are_counted_and_named(masks, run):
    truth, result = masks(truth={"a": [[0]], "b": [[0]]}, result={"a": [[0]], "c": [[0]]})
    code, out, err = run("eval", "-g", truth, "-r", result)
    assert code == 0
    assert "direct 50.00 100.00" in " ".join(out.split())
    assert "1 frames with truth have no result" in err
    assert "1 results have no truth" in err


def test_threads_change_nothing(masks):
    rng = np.random.default_rng(0)
    content = {str(number): rng.integers(0, 4, (50, 60)) for number in range(20)}
    other = {name: rng.integers(0, 4, (50, 60)) for name in content}
    truth, result = masks(truth=content, result=other)
    one, four = (evaluate(truth, result, DRIVABLE, workers=count) for count in (1, 4))
    assert one == four


def test_a_mask_of_another_size_than_its_truth_is_named(masks):
    truth, result = masks(truth={"a": [[0, 0]]}, result={"a": [[0], [0]]})
    with pytest.raises(BddsegError, match=r"result/a\.png is 1x2, but its truth .*a\.png is 2x1"):
        evaluate(truth, result, DRIVABLE)


def test_folders_that_share_no_name_are_an_error(masks):
    truth, result = masks(truth={"a": [[0]]}, result={"b": [[0]]})
    with pytest.raises(
        BddsegError, match=r"Nothing in .*result has the name of anything in .*truth"
    ):
        evaluate(truth, result, DRIVABLE)


@pytest.mark.parametrize("arguments", [("-t", "lanes"), ("-g", "x"), ("--nproc", "0")])
def test_wrong_usage_exits_with_2(masks, run, arguments):
    truth, result = masks(truth={"a": [[0]]}, result={"a": [[0]]})
    options = {"-g": truth, "-r": result}
    if arguments[0] == "-g":
        del options["-r"]
    else:
        options[arguments[0]] = arguments[1]
    code, _, err = run("eval", *(word for pair in options.items() for word in pair))
    assert code == 2, err


def test_a_missing_folder_exits_with_1(run, tmp_path):
    code, out, err = run("eval", "-g", tmp_path / "none", "-r", tmp_path)
    assert (code, out) == (1, "")
    assert "none does not exist" in err


def test_two_masks_of_one_name_are_an_error(tmp_path):
    labels = np.zeros((4, 4), np.uint8)
    for name in ("truth/a", "result/a", "result/sub/a"):
        write_mask(tmp_path / f"{name}.png", labels)
    with pytest.raises(BddsegError, match=r"a\.png and .*a\.png have the same name"):
        evaluate(tmp_path / "truth", tmp_path / "result", DRIVABLE)


def test_truth_and_result_swapped_are_recognised(tmp_path):
    labels = np.zeros((4, 4), np.uint8)
    for name in ("truth/a", "result/a"):
        write_mask(tmp_path / f"{name}.png", labels)
    (tmp_path / "result" / "run.json").write_text("{}")
    with pytest.raises(BddsegError, match="holds results, not truth"):
        evaluate(tmp_path / "result", tmp_path / "truth", DRIVABLE)
