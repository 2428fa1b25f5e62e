"""`bddseg demo`, with the frames and the weights that come with the package."""

import json
import shlex
import shutil
from hashlib import sha256
from pathlib import Path

import pytest
from support import Run

from bddseg.data.image import read_image
from bddseg.data.mask import read_mask
from bddseg.demo import GROUND_TRUTH, IMAGES
from bddseg.demo.run import DemoResult, run_demo
from bddseg.errors import BddsegError
from bddseg.zoo.catalog import find_entry, list_entries
from bddseg.zoo.download import get_weights

# SHA-256 of the masks, in the format of sha256sum.
GOLDEN = Path(__file__).with_name("masks.sha256")
NAMES = sorted(path.stem for path in IMAGES.iterdir())
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> DemoResult:
    return run_demo(tmp_path_factory.mktemp("demo"))


def hash_files(folder: Path) -> dict[str, str]:
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.png")}


def list_commands(output: str) -> list[list[str]]:
    """Return the arguments of the commands that the demo prints."""
    lines = [line.strip() for line in output.splitlines() if line.startswith("  bddseg ")]
    return [shlex.split(line)[1:] for line in lines]


def test_masks_are_byte_identical_to_recorded_ones(result: DemoResult) -> None:
    lines = [line.split() for line in GOLDEN.read_text().splitlines()]
    assert hash_files(result.masks) == {name: checksum for checksum, name in lines}


def test_scores_are_at_least_90_percent(result: DemoResult) -> None:
    assert len(result.evaluation.frames) == len(NAMES) == 8
    assert result.evaluation.headlines["official_miou"] >= 90


def test_each_folder_has_a_file_for_each_frame(result: DemoResult) -> None:
    folders = (result.images, result.ground_truth, result.masks, result.colormaps, result.overlays)
    for folder in folders:
        assert sorted(path.stem for path in folder.iterdir()) == NAMES
    assert read_image(result.grid).shape == (4 * 270, 2 * 480, 3)


def test_the_run_record_names_model_and_task(result: DemoResult) -> None:
    assert (result.run / "run.json").is_file()
    record = result.record
    assert (record.model, record.task, record.frames, record.done) == ("demo", "drivable", 8, 8)


def test_the_demo_runs_again_in_the_same_folder(result: DemoResult) -> None:
    before = hash_files(result.masks)
    again = run_demo(result.run.parent)
    assert again.record.failures == []
    assert hash_files(result.masks) == before


def test_output_has_the_scores_and_states_that_the_scenes_are_synthetic(
    run: Run, tmp_path: Path
) -> None:
    code, out, err = run("demo", "-o", tmp_path)
    assert code == 0
    assert "synthetic scenes" in err
    assert "Synthetic scenes" in out
    assert str(tmp_path / "overlays.jpg") in out
    official, standard = (line.split() for line in out.splitlines() if line.startswith("mean"))
    assert 90 < float(standard[-1]) < float(official[-2])


def test_json_output_is_one_document(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("demo", "-o", tmp_path, "--json")
    document = json.loads(out)
    assert code == 0
    assert document["evaluation"]["headlines"]["official_miou"] >= 90
    assert all(Path(path).exists() for path in document["files"].values())
    words = ["bddseg", "infer", "demo", f"{tmp_path}/images", "-o", f"{tmp_path}/run"]
    assert shlex.split(document["commands"][0]) == words


def test_the_printed_commands_write_the_same_files(run: Run, tmp_path: Path) -> None:
    _, out, _ = run("demo", "-o", tmp_path)
    folders = [tmp_path / name for name in ("run/masks", "colormaps", "overlays")]
    expected = {path: path.read_bytes() for folder in folders for path in folder.iterdir()}
    for folder in ("run", "colormaps", "overlays"):
        shutil.rmtree(tmp_path / folder)
    commands = list_commands(out)
    assert [command[0] for command in commands] == ["infer", "eval", "vis", "vis"]
    for command in commands:
        code, _, err = run(*command)
        assert code == 0, err
    assert {path: path.read_bytes() for path in expected} == expected


def test_a_path_with_a_space_is_quoted_in_commands(run: Run, tmp_path: Path) -> None:
    _, out, _ = run("demo", "-o", tmp_path / "two words")
    assert list_commands(out)[0][2] == str(tmp_path / "two words" / "images")


def test_a_file_as_output_is_an_error(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, _, err = run("demo", "-o", tmp_path / "file")
    assert code == 1
    assert str(tmp_path / "file") in err
    with pytest.raises(BddsegError, match="Cannot write"):
        run_demo(tmp_path / "file")


def test_demo_is_a_model_of_the_zoo() -> None:
    entry = find_entry("demo")
    assert entry in list_entries()
    assert entry.description == "Synthetic scenes only"


def test_each_frame_has_ground_truth_of_its_size() -> None:
    assert sorted(path.stem for path in GROUND_TRUTH.iterdir()) == NAMES
    for name in NAMES:
        assert read_image(IMAGES / f"{name}.jpg").shape == (720, 1280, 3)
        assert read_mask(GROUND_TRUTH / f"{name}.png").shape == (720, 1280)


def test_the_files_of_the_demo_are_small() -> None:
    assert get_weights(find_entry("demo")).stat().st_size < 4 * MEGABYTE
    frames = [*IMAGES.iterdir(), *GROUND_TRUTH.iterdir()]
    assert sum(path.stat().st_size for path in frames) < 2 * MEGABYTE
