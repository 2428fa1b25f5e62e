"""`bddseg train`: lists, mistakes, and what reaches the run."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from bddseg_train.options import TrainOptions
from bddseg_train.recipe import Data, Recipe, find_recipe
from bddseg_train.record import TrainingRecord
from bddseg_train.scored import Scored
from typer.testing import CliRunner, Result

from bddseg.cli.app import app

PSPNET = "pspnet_r50-d8_512x1024_40k"
BEST = Scored(step=4, weights="average", score=81.5, chosen_by="x_miou", scores={"x_miou": 81.5})
Calls = list[tuple[Recipe, Path, TrainOptions]]


def run(*arguments: object) -> Result:
    """Run the command line in this process."""
    return CliRunner(env={"COLUMNS": "80"}).invoke(app, ["train", *map(str, arguments)])


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """The arguments of runs, which end at once: after 5 steps, or all if there are fewer."""
    calls: Calls = []

    def run_training(recipe: Recipe, out: Path, options: TrainOptions, **_: Any) -> TrainingRecord:
        calls.append((recipe, out, options))
        step = min(5, recipe.iterations)
        return TrainingRecord(
            status="finished" if step == recipe.iterations else "interrupted",
            step=step,
            iterations=recipe.iterations,
            best=BEST,
            model=str(out / "model.toml"),
        )

    # The module itself imports torch, which takes seconds.
    module = SimpleNamespace(run_training=run_training)
    monkeypatch.setitem(sys.modules, "bddseg_train.run", module)
    return calls


def make_data(folder: Path) -> Path:
    """Make a folder that looks like data; nothing reads more of it than that."""
    for name in ("train/images", "train/masks", "val/images", "val/masks"):
        (folder / name).mkdir(parents=True)
    return folder


def test_the_list_fits_80_columns() -> None:
    result = run("--list")
    assert result.exit_code == 0
    heading, *rows = result.stdout.splitlines()
    assert heading.split() == ["recipe", "iterations", "crop", "batch", "initial", "weights"]
    assert ["deeplabv3+_r101-d8_512x1024_80k", "80,000", "512x1024", "16", "ImageNet"] in [
        row.split() for row in rows
    ]
    assert max(map(len, [heading, *rows])) <= 80


def test_the_list_as_json_has_whole_recipes() -> None:
    recipes = {recipe["name"]: recipe for recipe in json.loads(run("--list", "--json").stdout)}
    # Those of the zoo and of the small networks; further packages add others.
    assert len(recipes) >= 30
    assert recipes[PSPNET]["optimizer"]["lr"] == 0.01


def test_a_recipe_is_shown_as_toml_that_is_the_same_recipe(tmp_path: Path) -> None:
    result = run("--show", PSPNET, "--set", "optimizer.lr=0.002")
    assert result.exit_code == 0
    shown = tmp_path / "shown.toml"
    shown.write_text(result.stdout)
    assert find_recipe(shown) == find_recipe(PSPNET, ["optimizer.lr=0.002"])
    assert json.loads(run("--show", PSPNET, "--json").stdout)["optimizer"]["lr"] == 0.01


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "RECIPE"),
        (("--show",), "RECIPE"),
        ((PSPNET,), "--out"),
        ((PSPNET, "-o", "out", "--gpus", "2", "--device", "cpu"), "--gpus excludes"),
        ((PSPNET, "-o", "out", "--precision", "fp16"), "fp16"),
        ((PSPNET, "-o", "out", "--images-per-step", "0"), "images-per-step"),
    ],
)
def test_wrong_usage_has_exit_code_2(arguments: tuple[str, ...], words: str, calls: Calls) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert calls == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), f"Error: recipe {PSPNET}: It names no data.\nGive its folder: --data DIR"),
        (("--data", ".", "--set", "optimizer.lr=0"), "optimizer.lr"),
        (("--data", ".", "--init", "nowhere.pth"), "nowhere.pth for the initial weights"),
        (("--data", "nowhere"), "nowhere does not exist; a folder of data was expected."),
    ],
)
def test_a_mistake_is_an_error_before_the_run(
    arguments: tuple[str, ...], words: str, calls: Calls, tmp_path: Path
) -> None:
    result = run(PSPNET, "-o", tmp_path / "out", *arguments)
    assert result.exit_code == 1
    assert words in result.stderr
    assert calls == []
    assert not (tmp_path / "out").exists()


def test_all_mistakes_are_reported_at_once(calls: Calls, tmp_path: Path) -> None:
    settings = ["schedule.warmup=90", "iterations=20", "transforms=[{name = 'flop'}]"]
    options = [option for each in settings for option in ("--set", each)]
    result = run(PSPNET, *options, "--data", tmp_path / "x", "--init", "y.pth", "-o", tmp_path)
    assert result.exit_code == 1
    for words in (
        "- schedule.warmup 90 is not below iterations 20.",
        "- There is no transform named 'flop'. Did you mean flip",
        "y.pth for the initial weights. Give a checkpoint",
        f"- {tmp_path / 'x'} does not exist",
    ):
        assert words in result.stderr
    assert calls == []


def test_a_mistake_that_several_checks_find_is_reported_once(tmp_path: Path) -> None:
    result = run(PSPNET, "--set", "model=x", "--data", tmp_path, "-o", tmp_path / "out")
    assert result.stderr.count("no model named 'x'") == 1


def test_all_options_reach_the_run(
    calls: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_data(tmp_path / "frames")
    result = run(
        *(PSPNET, "-o", "out", "--data", "frames", "--init", "", "--gpus", 2),
        *("--set", "iterations=5", "--set", "data.limit=9", "--precision", "bf16"),
        *("--images-per-step", 2, "--workers", 0, "--threads", 3, "--compile", "--tensorboard"),
        *("--overwrite", "--json"),
    )
    assert result.exit_code == 0
    ((recipe, out, options),) = calls
    assert (recipe.name, recipe.init, recipe.iterations) == (PSPNET, "", 5)
    assert (recipe.data.root, recipe.data.limit) == (str(tmp_path / "frames"), 9)
    assert out == Path("out")
    assert options == TrainOptions(
        device="cuda",
        precision="bf16",
        images_per_step=2,
        num_workers=0,
        num_threads=3,
        compile=True,
        tensorboard=True,
        num_gpus=2,
        overwrite=True,
    )
    assert json.loads(result.stdout)["best"]["score"] == 81.5


def test_data_on_the_command_line_leaves_the_teacher_and_the_encoding(
    calls: Calls, tmp_path: Path
) -> None:
    data, teacher = make_data(tmp_path / "data"), tmp_path / "masks"
    settings = ("--set", f"data.teacher={teacher}", "--set", "data.encoding=current")
    run(PSPNET, "--data", data, *settings, "-o", tmp_path / "out")
    assert calls[0][0].data == Data(root=str(data), teacher=str(teacher), encoding="current")


def test_data_on_the_command_line_replaces_that_of_the_recipe(calls: Calls, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    split = 'images = "a", labels = "b"'
    path.write_text(
        f'extends = "{PSPNET}"\niterations = 5\ninit = ""\ndata.train = {{ {split} }}\n'
    )
    assert run(path, "-o", tmp_path / "out").exit_code == 0
    make_data(tmp_path)
    assert run(path, "-o", tmp_path / "out", "--data", tmp_path).exit_code == 0
    own, replaced = (recipe.data for recipe, _, _ in calls)
    assert own.train is not None
    assert (replaced.train, replaced.root) == (None, str(tmp_path))


def test_the_summary_says_how_to_use_the_model(calls: Calls, tmp_path: Path) -> None:
    make_data(tmp_path)
    result = run(PSPNET, "-o", tmp_path / "out", "--data", tmp_path, "--set", "iterations=5")
    assert result.exit_code == 0
    assert f"5 of 5 steps of {PSPNET} done, in {tmp_path / 'out'}." in result.stdout
    assert f"Loading PyTorch and the data of {PSPNET}, which takes some" in result.stderr
    assert "Best score: 81.50 (x_miou, averaged weights after step 4)." in result.stdout
    words = ["infer", tmp_path / "out" / "model.toml", tmp_path / "val/images", "-o"]
    assert f"Next: bddseg {' '.join(map(str, words))} {tmp_path}/out-masks" in result.stderr
    assert len(calls) == 1


def test_an_interrupted_run_has_exit_code_130(calls: Calls, tmp_path: Path) -> None:
    result = run(PSPNET, "-o", tmp_path / "out", "--data", make_data(tmp_path))
    assert result.exit_code == 130
    assert "The same command goes on." in result.stderr
    assert len(calls) == 1


def test_of_several_processes_the_first_one_reports(
    calls: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_data(tmp_path)
    arguments = (PSPNET, "-o", tmp_path / "out", "--data", tmp_path, "--set", "iterations=5")
    outputs = []
    for rank in range(2):
        for name, value in {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2}.items():
            monkeypatch.setenv(name, str(value))
        outputs.append(run(*arguments).stdout)
    assert outputs[0].startswith("5 of 5 steps")
    assert outputs[1] == ""
    assert len(calls) == 2
