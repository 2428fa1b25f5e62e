"""`bddseg data check`: what it counts, what it finds, and where it sends the user."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from bddseg.bdd100k import packages
from bddseg.cli.app import app
from bddseg.data.image import write_jpeg
from bddseg.data.mask import read_mask, write_mask
from bddseg.tasks.task import get_task
from bddseg.vis.colorize import encode_colormap

SIZE_HW = (40, 64)


def check(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "80"}).invoke(app, ["data", "check", *map(str, arguments)])


def read_json(*arguments: object) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(check(*arguments, "--json").stdout)
    return content


def write_split(folder: Path, numbers: range, *, masks: str = "masks") -> None:
    for number in numbers:
        rng = np.random.default_rng(number)
        write_jpeg(
            folder / "images" / f"{number}.jpg", rng.integers(0, 256, (*SIZE_HW, 3), np.uint8)
        )
        labels = np.full(SIZE_HW, 2, np.uint8)
        labels[20:30], labels[30:] = 1, 0
        write_mask(folder / masks / f"{number}.png", labels)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_split(tmp_path / "data" / "train", range(4))
    write_split(tmp_path / "data" / "val", range(10, 12))
    return tmp_path / "data"


def test_good_data_is_counted(data: Path) -> None:
    result = check(data)
    assert result.exit_code == 0, result.output
    assert max(map(len, result.stdout.splitlines())) <= 80
    train = read_json(data)["train"]
    assert (train["frames"], train["looked_at"], train["sizes"]) == (4, 4, {"64x40": 4})
    assert train["class_shares"] == {
        "direct": 25.0,
        "alternative": 25.0,
        "background": 50.0,
        "ignored": 0.0,
    }


def test_the_limit_says_how_many_frames_are_read(data: Path) -> None:
    assert read_json(data, "-n", "1")["train"]["looked_at"] == 1


def test_images_and_labels_can_be_given_by_themselves(data: Path) -> None:
    folder = data / "train"
    assert read_json("-i", folder / "images", "-g", folder / "masks")["frames"]["frames"] == 4


def test_folders_of_bdd100k_are_known(tmp_path: Path) -> None:
    write_split(tmp_path / "one", range(2))
    shutil.move(tmp_path / "one" / "images", tmp_path / "bdd" / "images" / "100k" / "train")
    labels = tmp_path / "bdd" / "labels" / "drivable" / "masks" / "train"
    shutil.move(tmp_path / "one" / "masks", labels)
    assert read_json(tmp_path / "bdd")["train"]["frames"] == 2


def test_missing_partners_are_counted(data: Path) -> None:
    (data / "train" / "masks" / "0.png").unlink()
    (data / "train" / "images" / "1.jpg").unlink()
    train = read_json(data)["train"]
    assert (train["frames"], train["unlabeled"], train["unused"]) == (2, 1, 1)


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        (np.full((20, 64), 2, np.uint8), "are 64x20"),
        (np.full(SIZE_HW, 7, np.uint8), "7"),
    ],
)
def test_labels_that_cannot_be_used_are_named(data: Path, labels: Any, problem: str) -> None:
    path = data / "train" / "masks" / "2.png"
    write_mask(path, labels)
    result = check(data)
    assert result.exit_code == 1
    assert "2.png" in result.stderr and problem in result.stderr


def test_damaged_labels_are_named(data: Path) -> None:
    (data / "train" / "masks" / "2.png").write_bytes(b"damaged")
    result = check(data)
    assert result.exit_code == 1 and "2.png" in result.stderr


def test_an_image_that_is_cut_off_is_named(data: Path) -> None:
    path = data / "train" / "images" / "2.jpg"
    # Its header is good.
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    result = check(data)
    assert result.exit_code == 1 and "2.jpg cannot be read" in result.stderr
    assert len(read_json(data)["train"]["problems"]) == 1


def test_a_colormap_among_ids_is_named(data: Path) -> None:
    path = data / "train" / "masks" / "2.png"
    path.write_bytes(encode_colormap(read_mask(path), get_task("drivable")))
    result = check(data)
    assert result.exit_code == 1
    assert "2.png looks like a colormap, and the files beside it are current" in result.stderr


def test_labels_of_another_task_are_named(data: Path) -> None:
    for number in range(4):
        labels = np.full(SIZE_HW, 10, np.uint8)
        labels[20:30], labels[30:] = 18, 0
        write_mask(data / "train" / "masks" / f"{number}.png", labels)
    result = check(data)
    assert result.exit_code == 1
    text = " ".join(result.stderr.split())
    assert "ids up to 18, and those of drivable are 0 to 2; the ids would fit sem_seg (-t" in text
    assert "0.png has id" in text
    assert len(read_json(data)["train"]["problems"]) == 4


def test_binary_masks_are_no_labels_of_three_classes(data: Path) -> None:
    for path in (data / "train" / "masks").iterdir():
        labels = read_mask(path)
        write_mask(path, np.where(labels == 2, 1, 0).astype(np.uint8))
    result = check(data)
    assert result.exit_code == 1
    text = " ".join(result.stderr.split())
    assert text.count("found no background; the ids would fit drivable_binary (-t") == 1
    assert "is read as current ids" not in text
    (problem,) = read_json(data)["train"]["problems"]
    assert problem.startswith(f"Looked at 4 masks of {data / 'train' / 'masks'} and found no")
    assert read_json(data, "-t", "drivable_binary")["train"]["problems"] == []


def test_a_task_whose_classes_never_occur_is_noted(tmp_path: Path) -> None:
    write_split(tmp_path, range(20))
    result = check("-i", tmp_path / "images", "-g", tmp_path / "masks", "-t", "sem_seg")
    text = " ".join(result.stderr.split())
    assert "found no wall and no fence" in text and "would fit drivable (-t drivable)" in text


def test_a_frame_in_both_sets_is_named(data: Path) -> None:
    shutil.copy(data / "train" / "images" / "0.jpg", data / "val" / "images" / "x.jpg")
    shutil.copy(data / "train" / "masks" / "0.png", data / "val" / "masks" / "x.png")
    result = check(data)
    assert result.exit_code == 1
    assert "x.jpg are the same frame" in " ".join(result.stderr.split())
    assert len(read_json(data)["shared"]) == 1


def test_a_folder_without_data_says_where_there_is_some(tmp_path: Path) -> None:
    result = check(tmp_path)
    assert result.exit_code == 1
    assert "holds no data of the task drivable" in result.stderr
    assert "bdd-data.berkeley.edu" in result.stderr


def test_what_to_check_has_to_be_given(data: Path) -> None:
    assert check().exit_code == 2
    assert check(data, "-i", data / "train" / "images").exit_code == 2


def test_a_package_is_known_by_its_md5(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "labels.zip"
    path.write_bytes(b"content")
    result = check(path)
    assert result.exit_code == 1 and "9a0364b9e99bb480dd25e1f0284c8555" in result.stderr
    monkeypatch.setitem(packages._PACKAGES, "9a0364b9e99bb480dd25e1f0284c8555", "Drivable Area")
    assert "package Drivable Area" in check(path).stdout
    assert check(tmp_path / "missing.zip").exit_code == 1
