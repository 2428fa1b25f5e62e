"""`bddseg.evaluate`: pairing, tasks, metrics and the result."""

import json
from pathlib import Path

import numpy as np
import pytest
from label_files import LEGACY, draw_scenes
from metrics.helpers import write_masks, write_record

import bddseg
from bddseg.data.mask import write_mask
from bddseg.errors import BddsegError
from bddseg.tasks.task import get_task


def test_the_official_score_by_hand(tmp_path: Path) -> None:
    # direct: 2 correct, 1 called alternative. alternative: 1 correct, 1 called background. The
    # background pixel called direct costs nothing.
    paths = write_masks(
        tmp_path,
        ground_truth={"a": [[0, 0, 0, 1, 1, 2]]},
        predictions={"a": [[0, 0, 1, 1, 2, 0]]},
    )
    official = bddseg.evaluate(*paths)["official"]
    assert official["classes"]["direct"] == pytest.approx({"iou": 100 * 2 / 3, "acc": 100})
    assert official["classes"]["alternative"] == pytest.approx({"iou": 100 / 3, "acc": 50})
    assert official["mean"]["iou"] == pytest.approx(50)
    assert official["overall"] == pytest.approx(
        {
            "pixel_acc": 100 * 3 / 5,
            "frequency_weighted_iou": 100 * (2 / 3 * 3 / 5 + 1 / 3 * 2 / 5),
        }
    )


def test_the_score_of_a_set_comes_from_summed_counts(tmp_path: Path) -> None:
    paths = write_masks(
        tmp_path,
        ground_truth={"a": [[0] * 9], "b": [[0]]},
        predictions={"a": [[0] * 9], "b": [[1]]},
    )
    direct = bddseg.evaluate(*paths)["official"]["classes"]["direct"]
    assert direct["iou"] == pytest.approx(90)


def test_ids_beyond_the_classes_are_unlabeled(tmp_path: Path) -> None:
    paths = write_masks(tmp_path, ground_truth={"a": [[0, 7]]}, predictions={"a": [[0, 0]]})
    evaluation = bddseg.evaluate(*paths)
    assert evaluation.headlines["official_miou"] == 100
    assert evaluation.headlines["standard_miou_without_background"] == 100


def test_missing_and_extra_predictions_are_named_and_warned_of(tmp_path: Path) -> None:
    paths = write_masks(
        tmp_path,
        ground_truth={"a": [[0, 2]], "night/b": [[0, 2]]},
        predictions={"a": [[0, 2]], "c": [[0, 2]], "d": [[0, 2]]},
    )
    evaluation = bddseg.evaluate(*paths)
    assert evaluation.missing == ("night/b",)
    assert evaluation.extra == ("c", "d")
    assert evaluation["official"]["classes"]["direct"]["iou"] == 50
    assert evaluation.warnings == [
        "1 frame without a prediction: all pixels count as wrong.",
        "2 predictions without ground truth: ignored.",
    ]


def test_only_an_unusual_gap_between_official_and_standard_score_is_warned_of(
    tmp_path: Path,
) -> None:
    truth = {"a": [[0] * 9 + [2, 2]]}
    paths = write_masks(tmp_path, ground_truth=truth, predictions={"a": [[0] * 10 + [2]]})
    evaluation = bddseg.evaluate(*paths)
    # 10 points, as good models have.
    assert evaluation.headlines["standard_miou_without_background"] == pytest.approx(90)
    assert not evaluation.warnings
    assert any("5 to 12 points" in note for note in evaluation.metrics["official"].table.notes)
    truth = {"a": [[0, 2, 2]]}
    paths = write_masks(tmp_path, ground_truth=truth, predictions={"a": [[0, 0, 2]]})
    (warning,) = bddseg.evaluate(*paths).warnings
    assert warning.startswith("The official mIoU is 50.0 points above the standard mIoU")


def test_legacy_ids_are_an_error_that_names_the_conversion(tmp_path: Path) -> None:
    scenes = draw_scenes()
    for name, labels in scenes.items():
        write_mask(tmp_path / "legacy" / f"{name}.png", LEGACY[labels])
        write_mask(tmp_path / "masks" / f"{name}.png", labels)
    message = r"legacy seems to hold legacy ids.*4 of 4 conclusive masks.*bddseg labels convert"
    with pytest.raises(BddsegError, match=message):
        bddseg.evaluate(tmp_path / "legacy", tmp_path / "masks")
    with pytest.raises(BddsegError, match=message):
        bddseg.evaluate(tmp_path / "masks", tmp_path / "legacy")
    # A run record says what masks are, however wrong they look.
    write_record(tmp_path / "legacy")
    bddseg.evaluate(tmp_path / "masks", tmp_path / "legacy")


def test_three_classes_become_two_where_the_task_has_two(tmp_path: Path) -> None:
    for name, labels in draw_scenes().items():
        shifted = np.roll(labels, 40, axis=1)
        write_mask(tmp_path / "truth" / f"{name}.png", labels)
        write_mask(tmp_path / "mapped" / f"{name}.png", (labels == 2).astype(np.uint8))
        write_mask(tmp_path / "three" / "masks" / f"{name}.png", shifted)
        write_mask(tmp_path / "two" / "masks" / f"{name}.png", (shifted == 2).astype(np.uint8))
    write_record(tmp_path / "three")
    write_record(tmp_path / "two", "drivable_binary")
    expected = bddseg.evaluate(tmp_path / "mapped", tmp_path / "two")
    assert not expected.notes
    evaluation = bddseg.evaluate(tmp_path / "truth", tmp_path / "two")
    assert evaluation.headlines == expected.headlines
    assert evaluation.confusion.tolist() == expected.confusion.tolist()
    assert evaluation.notes == (
        f"{tmp_path / 'truth'} has labels of drivable, which become those of drivable_binary: "
        "direct and alternative to drivable, background to background.",
    )
    assert evaluation.notes[0] in repr(evaluation)
    both = bddseg.evaluate(tmp_path / "truth", tmp_path / "three", task="drivable_binary")
    assert both.headlines == expected.headlines
    assert len(both.notes) == 2
    # As three classes, the binary score is the same.
    three = bddseg.evaluate(tmp_path / "truth", tmp_path / "three").headlines
    assert three["binary_iou"] == expected.headlines["binary_iou"]
    with pytest.raises(BddsegError, match="not of the task drivable"):
        bddseg.evaluate(tmp_path / "truth", tmp_path / "two", task="drivable")
    # Two classes never become three.
    with pytest.raises(BddsegError, match=r"mapped seems to hold masks of .*drivable_binary"):
        bddseg.evaluate(tmp_path / "mapped", tmp_path / "three")
    (tmp_path / "two" / "run.json").unlink()
    with pytest.raises(BddsegError, match=r"two.* seems to hold .*use -t drivable_binary"):
        bddseg.evaluate(tmp_path / "truth", tmp_path / "two" / "masks")


def test_the_provenance_says_how_scores_were_computed(tmp_path: Path) -> None:
    paths = write_masks(tmp_path, ground_truth={"a": [[0, 2]]}, predictions={"a": [[0, 2]]})
    provenance = bddseg.evaluate(*paths).to_dict()["provenance"]
    assert provenance["model"] is provenance["weights_sha256"] is None
    assert provenance["metrics"] == {}
    write_record(paths[1], weights={"sha256": "ab12"})
    assert bddseg.evaluate(*paths, metrics="boundary").provenance == {
        "bddseg": bddseg.__version__,
        "ground_truth": str(paths[0]),
        "predictions": str(paths[1]),
        "frames": 1,
        "model": "tiny",
        "weights_sha256": "ab12",
        "intervals": {
            "method": "percentile bootstrap over frames",
            "level": 0.95,
            "resamples": 1000,
            "seed": 0,
        },
        "metrics": {
            "boundary": {
                "width": "2 % of the diagonal",
                "source": "Cheng et al., Boundary IoU, CVPR 2021",
            }
        },
    }


def test_masks_whose_ids_fit_another_task_are_warned_of(tmp_path: Path) -> None:
    binary = [[0, 0], [1, 1]]
    paths = write_masks(
        tmp_path, ground_truth={"a": [[0, 0], [2, 2]]}, predictions={"masks/a": binary}
    )
    problem = bddseg.evaluate(*paths).warnings[0]
    # Tasks of installed packages may fit too.
    assert problem.startswith(
        f"Looked at 1 mask of {paths[1]} and found no background; the ids would fit "
        "drivable_binary (-t drivable_binary)"
    )
    write_mask(paths[1] / "masks" / "a.png", np.array([[0, 18], [2, 2]], np.uint8))
    problem = bddseg.evaluate(*paths).warnings[0]
    assert (
        "has ids up to 18, and those of drivable are 0 to 2; the ids would fit sem_seg" in problem
    )
    # Of a run's masks, the record says what they are.
    write_record(paths[1])
    assert not any("ids" in warning for warning in bddseg.evaluate(*paths).warnings)


def test_threads_change_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    ground_truth, predictions = (
        {str(number): rng.integers(0, 4, (50, 60)) for number in range(20)} for _ in range(2)
    )
    paths = write_masks(tmp_path, ground_truth=ground_truth, predictions=predictions)
    one, four = (bddseg.evaluate(*paths, num_threads=count) for count in (1, 4))
    assert one.to_dict() == four.to_dict()
    assert [frame.name for frame in one.frames] == [frame.name for frame in four.frames]


def test_predictions_are_found_by_path_and_then_by_file_name(tmp_path: Path) -> None:
    paths = write_masks(
        tmp_path,
        ground_truth={"day/1": [[0]], "night/1": [[1]], "2": [[0]]},
        predictions={"day/1": [[0]], "night/1": [[1]], "other/2": [[0]]},
    )
    evaluation = bddseg.evaluate(*paths)
    assert evaluation.headlines["standard_miou_without_background"] == 100
    assert not evaluation.missing
    assert not evaluation.extra


def test_a_prediction_with_the_path_of_one_frame_is_not_used_for_another(tmp_path: Path) -> None:
    paths = write_masks(
        tmp_path,
        ground_truth={"day/1": [[0]], "night/1": [[1]]},
        predictions={"day/1": [[0]]},
    )
    assert bddseg.evaluate(*paths).missing == ("night/1",)


def test_a_prediction_that_fits_two_frames_is_an_error(tmp_path: Path) -> None:
    paths = write_masks(
        tmp_path,
        ground_truth={"day/1": [[0]], "night/1": [[1]]},
        predictions={"1": [[0]]},
    )
    with pytest.raises(BddsegError, match=r"1\.png could belong to .*day/1\.png or to .*night/1"):
        bddseg.evaluate(*paths)


def test_two_predictions_for_one_frame_are_an_error(tmp_path: Path) -> None:
    paths = write_masks(
        tmp_path, ground_truth={"a": [[0]]}, predictions={"x/a": [[0]], "y/a": [[0]]}
    )
    with pytest.raises(BddsegError, match=r"a could belong to .*a\.png or to .*a\.png"):
        bddseg.evaluate(*paths)


def test_a_prediction_of_another_size_is_named(tmp_path: Path) -> None:
    paths = write_masks(tmp_path, ground_truth={"a": [[0, 0]]}, predictions={"a": [[0], [0]]})
    message = r"predictions/a\.png is 1x2, but its ground truth .*a\.png is 2x1"
    with pytest.raises(BddsegError, match=message):
        bddseg.evaluate(*paths)


def test_folders_without_a_common_name_are_an_error(tmp_path: Path) -> None:
    paths = write_masks(tmp_path, ground_truth={"a": [[0]]}, predictions={"b": [[0]]})
    with pytest.raises(BddsegError, match=r"No file name in .*predictions is also in .*truth"):
        bddseg.evaluate(*paths)


def test_swapped_arguments_are_recognized(tmp_path: Path) -> None:
    ground_truth, predictions = write_masks(
        tmp_path, ground_truth={"a": [[0]]}, predictions={"masks/a": [[0]]}
    )
    write_record(predictions)
    with pytest.raises(BddsegError, match="holds the results of a run"):
        bddseg.evaluate(predictions / "masks", ground_truth)
    bddseg.evaluate(predictions / "masks", predictions / "masks")


def test_the_output_folder_of_a_run_stands_for_its_masks(tmp_path: Path) -> None:
    ground_truth, predictions = write_masks(
        tmp_path,
        ground_truth={"a": [[0]]},
        predictions={"masks/a": [[0]], "colormaps/a": [[0]]},
    )
    write_record(predictions)
    evaluation = bddseg.evaluate(ground_truth, predictions)
    assert not evaluation.extra
    assert evaluation.headlines["standard_miou_without_background"] == 100


def test_the_task_is_read_from_the_run_record(tmp_path: Path) -> None:
    ground_truth, predictions = write_masks(
        tmp_path, ground_truth={"a": [[18]]}, predictions={"masks/a": [[18]]}
    )
    write_record(predictions, "sem_seg")
    evaluation = bddseg.evaluate(str(ground_truth), str(predictions / "masks"))
    assert evaluation.task == get_task("sem_seg")
    assert evaluation["standard"]["classes"]["bicycle"]["iou"] == 100
    assert list(evaluation.scores) == ["official", "standard"]
    message = "holds results of the task sem_seg, not of the task drivable"
    with pytest.raises(BddsegError, match=message):
        bddseg.evaluate(ground_truth, predictions / "masks", task="drivable")


@pytest.mark.parametrize("task", ["drivable_binary", get_task("drivable_binary")])
def test_a_task_is_given_by_name_or_as_an_object(tmp_path: Path, task: object) -> None:
    paths = write_masks(tmp_path, ground_truth={"a": [[0, 1]]}, predictions={"a": [[0, 1]]})
    evaluation = bddseg.evaluate(*paths, task=task)  # type: ignore[arg-type]
    assert evaluation.task.name == "drivable_binary"


def test_further_metrics_are_added_to_the_default_ones(tmp_path: Path) -> None:
    paths = write_masks(tmp_path, ground_truth={"a": [[0, 1]]}, predictions={"a": [[0, 1]]})
    evaluation = bddseg.evaluate(*paths, metrics=["boundary", "official"])
    assert list(evaluation.scores) == ["official", "standard", "binary", "boundary"]
    assert evaluation.headlines["boundary_miou_without_background"] == 100
    assert list(bddseg.evaluate(*paths, metrics="all").scores)[:4] == list(evaluation.scores)
    assert "binary" not in bddseg.evaluate(*paths, task="sem_seg", metrics=["all"]).scores
    with pytest.raises(BddsegError, match=r"There is no metric named 'boundry'.*boundary"):
        bddseg.evaluate(*paths, metrics=["boundry"])
    with pytest.raises(BddsegError, match="'binary' does not support the task sem_seg"):
        bddseg.evaluate(*paths, task="sem_seg", metrics="binary")


def test_the_result_describes_itself_and_becomes_json(tmp_path: Path) -> None:
    paths = write_masks(tmp_path, ground_truth={"a": [[0, 2]]}, predictions={"a": [[0, 0]]})
    evaluation = bddseg.evaluate(*paths)
    assert repr(evaluation) == (
        "<Evaluation of 1 frame, task drivable: official mIoU 100.00, "
        "standard mIoU without background 50.00, standard mIoU with background 25.00, "
        f"binary IoU 50.00. {' '.join(evaluation.warnings)}>"
    )
    content = json.loads(json.dumps(evaluation.to_dict()))
    assert content["warnings"] == evaluation.warnings
    assert content["headlines"]["standard_miou_without_background"] == 50
    assert content["scores"]["standard"]["classes"]["direct"]["iou"] == 50
    assert content["confusion"]["classes"] == ["direct", "alternative", "background", "unlabeled"]
    # Rows are the ground truth.
    assert content["confusion"]["counts"][2] == [1, 0, 0, 0]
