"""`bddseg scenes render`: images and masks in two folders."""

import json
from pathlib import Path

import numpy as np
import pytest
from bddseg_scenes.scenes import render_scene
from typer.testing import CliRunner, Result

from bddseg.cli.app import app
from bddseg.data.image import read_image
from bddseg.data.mask import read_mask

SIZE = "90x160"


def render(out: Path, *options: object) -> Result:
    arguments = ["scenes", "render", "-o", out, "--size", SIZE, *options]
    return CliRunner().invoke(app, [str(each) for each in arguments])


def read_all(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_images_and_masks_are_named_by_seed(tmp_path: Path) -> None:
    result = render(tmp_path, "-n", 3, "--seed", 5)
    assert result.exit_code == 0, result.output
    assert "Rendered 3 scenes" in result.stdout
    names = ["scene-000005", "scene-000006", "scene-000007"]
    assert sorted(read_all(tmp_path / "images")) == [f"{name}.jpg" for name in names]
    assert sorted(read_all(tmp_path / "masks")) == [f"{name}.png" for name in names]


def test_the_mask_is_the_ground_truth_of_the_image(tmp_path: Path) -> None:
    render(tmp_path, "-n", 1, "--seed", 7)
    scene = render_scene(7, (90, 160))
    assert np.array_equal(read_mask(tmp_path / "masks" / "scene-000007.png"), scene.labels)
    image = read_image(tmp_path / "images" / "scene-000007.jpg").astype(int)
    assert np.abs(image - scene.frame).mean() < 8  # differences are those of JPEG


def test_files_do_not_depend_on_the_number_of_threads(tmp_path: Path) -> None:
    render(tmp_path / "one", "-n", 6, "--threads", 1)
    render(tmp_path / "four", "-n", 6, "--threads", 4)
    assert read_all(tmp_path / "one") == read_all(tmp_path / "four")


def test_scenes_that_exist_are_skipped(tmp_path: Path) -> None:
    render(tmp_path, "-n", 2)
    image = tmp_path / "images" / "scene-000000.jpg"
    image.write_bytes(b"edited")
    (tmp_path / "masks" / "scene-000001.png").unlink()
    result = render(tmp_path, "-n", 3)
    assert "Rendered 2 scenes" in result.stdout
    assert "1 existed" in result.stdout
    assert image.read_bytes() == b"edited"


def test_overwrite_renders_again(tmp_path: Path) -> None:
    render(tmp_path, "-n", 1)
    before = read_all(tmp_path)
    (tmp_path / "images" / "scene-000000.jpg").write_bytes(b"edited")
    assert "Rendered 1 scene " in render(tmp_path, "-n", 1, "--overwrite").stdout
    assert read_all(tmp_path) == before


def test_scenes_of_another_size_are_an_error(tmp_path: Path) -> None:
    render(tmp_path, "-n", 1)
    result = render(tmp_path, "-n", 2, "--size", "97x161")
    assert result.exit_code == 1
    assert "scene-000000.png is 90x160, and --size is 97x161" in result.stderr
    assert "--overwrite" in result.stderr


def test_json_output_names_folders_and_counts(tmp_path: Path) -> None:
    render(tmp_path, "-n", 1)
    assert json.loads(render(tmp_path, "-n", 2, "--json").stdout) == {
        "images": str(tmp_path / "images"),
        "masks": str(tmp_path / "masks"),
        "seeds": [0, 1],
        "rendered": 1,
        "skipped": 1,
    }


@pytest.mark.parametrize("size", ["90", "89x160", "90x159", "axb", "-90x160", "90x160x3"])
def test_a_wrong_size_is_wrong_usage(tmp_path: Path, size: str) -> None:
    result = render(tmp_path, "--size", size)
    assert result.exit_code == 2
    assert "90x160" in result.stderr
    assert not list(tmp_path.iterdir())


def test_an_output_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = render(tmp_path / "file", "-n", 1)
    assert result.exit_code == 1
    assert "Cannot write" in result.stderr
