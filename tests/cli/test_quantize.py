"""`bddseg quantize`."""

import json
from pathlib import Path

import pytest
from support import Run, RunInstalled, write_tiny_model

from bddseg.demo import GROUND_TRUTH, IMAGES
from bddseg.inference.runtimes.openvino import list_precisions


def test_a_quantized_model_is_made_reported_and_used(
    tmp_path: Path, run: Run, run_installed: RunInstalled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    model, out = write_tiny_model(tmp_path, spread=True), tmp_path / "tiny.int8"
    command = ("-m", "bddseg", "quantize", model, IMAGES, "-g", GROUND_TRUTH, "-o", out)
    done = run_installed(tmp_path, *command, "--max-drop", 5, "--json", "-q")
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert report["out"] == str(out)
    assert report["miou_before"] - report["miou_after"] <= 5
    # Neither NNCF nor OpenVINO keeps an identity of the user.
    assert not list((tmp_path / "home").rglob("*ga*"))
    code, text, _ = run("infer", out / "entry.toml", IMAGES, "-o", tmp_path / "out")
    assert (code, "8 of 8 frames done" in text) == (0, True)


def test_the_next_command_has_the_precision(tmp_path: Path, run: Run) -> None:
    if "bf16" not in list_precisions():
        pytest.skip("this CPU has no bf16")
    model, out = write_tiny_model(tmp_path, spread=True), tmp_path / "tiny.int8"
    command = ("quantize", model, IMAGES, "-o", out, "--max-drop", 50, "--precision", "bf16")
    code, text, err = run(*command)
    assert (code, "int8 and bf16, OpenVINO" in text) == (0, True)
    assert f"{out}-masks --precision bf16" in "".join(err.splitlines())


def test_an_existing_folder_is_refused(tmp_path: Path, run: Run) -> None:
    (tmp_path / "photo.jpg").touch()
    code, out, err = run("quantize", "demo", IMAGES, "-o", tmp_path)
    assert (code, out) == (1, "")
    assert "holds no quantized model alone" in err


def test_a_drop_below_zero_is_wrong_usage(tmp_path: Path, run: Run) -> None:
    code, _, err = run("quantize", "demo", IMAGES, "-o", tmp_path / "out", "--max-drop", "-1")
    assert code == 2
    assert "--max-drop" in err
