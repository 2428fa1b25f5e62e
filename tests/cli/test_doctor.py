"""`bddseg doctor`: each kind of trouble is named, with what to do about it."""

import json
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path
from typing import Any

import pytest
from support import Run, RunInstalled, install_stub

from bddseg.cli.doctor import checks, extras
from bddseg.cli.doctor.checks import Finding, Level
from bddseg.io.machine import get_cpu_quota
from bddseg.progress import NUM_CORES
from bddseg.zoo.cache import get_cache_folder, list_paths
from bddseg.zoo.catalog import find_entry


def find(findings: list[Finding], text: str) -> Finding:
    """Return the one finding that contains a text."""
    (found,) = (each for each in findings if text in each.text)
    return found


def test_a_broken_plugin_and_settings_of_threads_are_named(
    tmp_path: Path, run_installed: RunInstalled, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = "[bddseg.architectures]\nbroken = broken_module:build\n"
    install_stub(tmp_path / "site", "broken", "import nothing_of_that_name", points)
    monkeypatch.setenv("OMP_NUM_THREADS", str(NUM_CORES + 1))
    monkeypatch.setenv("MKL_NUM_THREADS", "many")
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    result = run_installed(tmp_path / "site", "-m", "bddseg", "doctor", "--json")
    assert (result.returncode, result.stderr) == (1, "")
    page = json.loads(result.stdout)
    (problem,) = (each for each in page["checks"]["Plugins"] if each["level"] == "problem")
    assert "broken 1.0, architecture broken" in problem["text"]
    assert "nothing_of_that_name" in problem["text"]
    assert "pip uninstall broken" in problem["next_step"]
    hints = {each["next_step"]: each["text"] for each in page["checks"]["Threads"]}
    assert f"more than {NUM_CORES} core" in hints["unset OMP_NUM_THREADS"]
    assert "'many'" in hints["unset MKL_NUM_THREADS"]
    assert "OMP_WAIT_POLICY=active" in hints["unset OMP_WAIT_POLICY"]


def test_the_page_fits_80_columns_and_commands_stay_in_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    page = {
        "Threads": [Finding(Level.HINT, "many words " * 30, "x" * 90)],
        "Cache": [Finding(Level.OK, "/cache")],
    }
    monkeypatch.setattr(checks, "run_checks", lambda: page)
    code, out, _ = run("doctor")
    assert code == 0
    lines = out.splitlines()
    assert f"{'':11}-> {'x' * 90}" in lines
    assert max(len(line) for line in lines if "->" not in line) <= 80
    assert lines[-1] == "0 problems, 1 hint."


def test_a_missing_extra_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_version(name: str) -> str:
        if name == "onnxruntime":
            raise PackageNotFoundError(name)
        return "0.1" if name == "av" else version(name)

    monkeypatch.setattr(extras, "version", find_version)
    found = list(checks.check_extras())
    runtime = find(list(checks.check_runtimes()), "onnx: not installed")
    onnx = find(found, "onnx (")
    video = find(found, "av is 0.1, and >=14.1 is needed")
    assert onnx.text.endswith("onnxruntime is missing")
    assert onnx.next_step == runtime.next_step == "pip install 'bddseg[onnx]'"
    assert video.next_step == "pip install 'bddseg[video]'"
    assert {onnx.level, video.level, runtime.level} == {Level.HINT}


@pytest.mark.parametrize("gpus", [[], ["NVIDIA H100 (driver 550.54)"]])
def test_tensorrt_is_offered_where_a_gpu_is(
    monkeypatch: pytest.MonkeyPatch, gpus: list[str]
) -> None:
    def find_version(name: str) -> str:
        if name == "tensorrt":
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(extras, "version", find_version)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(checks, "_list_nvidia_gpus", lambda: gpus)
    command = "pip install 'bddseg[tensorrt]'" if gpus else ""
    for check in (checks.check_runtimes, checks.check_extras):
        found = find(list(check()), "tensorrt")
        assert found.next_step == command
        assert found.level is (Level.HINT if gpus else Level.OK)


@pytest.mark.parametrize("precisions", [["fp32"], ["fp32", "bf16"]])
def test_bf16_is_recommended_where_the_cpu_has_it(
    monkeypatch: pytest.MonkeyPatch, precisions: list[str]
) -> None:
    monkeypatch.setattr(checks, "list_precisions", lambda: precisions)
    steps = [finding.next_step for finding in checks.check_runtimes()]
    has_hint = "bddseg infer ... --runtime openvino --precision bf16" in steps
    assert has_hint == ("bf16" in precisions)


def test_every_extra_for_users_has_its_purpose() -> None:
    offered = set(metadata("bddseg").get_all("Provides-Extra") or [])
    assert set(extras.PURPOSES) == offered - {"check", "test"}


def test_files_of_the_cache_that_are_not_complete_are_named() -> None:
    cut, part, *_ = list_paths([find_entry("pspnet_r50-d8_512x1024_40k")])
    for path in (cut, part):
        path.parent.mkdir(parents=True, exist_ok=True)
    cut.write_bytes(b"123")
    receipt = {"model": "m", "kind": "weights", "source": "", "date": "", "size_bytes": 4}
    receipt |= {"md5": "", "sha256": ""}
    cut.with_name(f"{cut.name}.receipt.json").write_text(json.dumps(receipt))
    part.with_name(f".{part.name}.part").write_bytes(b"1")
    graph = get_cache_folder() / "graphs" / "m-64x96.onnx"
    graph.parent.mkdir()
    graph.write_bytes(b"1")
    found = list(checks.check_cache())
    assert str(get_cache_folder()) in found[0].text
    damaged = find(found, "has 3 bytes, and had 4")
    assert damaged.level is Level.PROBLEM
    assert damaged.next_step == "bddseg zoo download m --force"
    assert find(found, "is not finished").level is Level.HINT
    assert find(found, f"{graph} is not complete").next_step == "bddseg cache clear --all"


def test_a_folder_that_cannot_be_written_to_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Root may write everywhere, but not below a file.
    (tmp_path / "file").touch()
    monkeypatch.setenv("BDDSEG_HOME", str(tmp_path / "file" / "cache"))
    problem = find(list(checks.check_cache()), "cannot be written to")
    assert (problem.level, problem.next_step) == (Level.PROBLEM, "export BDDSEG_HOME=FOLDER")


@pytest.mark.parametrize(
    ("cuda", "expected"), [(None, "is built without CUDA"), ("12.6", "cannot use them")]
)
def test_a_gpu_that_torch_cannot_use_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cuda: str | None, expected: str
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA H100, 550.54'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.version.cuda", cuda)
    problem = find(list(checks.check_devices()), expected)
    assert problem.level is Level.PROBLEM
    assert problem.text.startswith("nvidia-smi lists NVIDIA H100 (driver 550.54), and torch ")


def test_a_check_that_fails_leaves_the_rest_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    def check() -> Any:
        yield Finding(Level.OK, "first")
        raise ValueError("odd")

    monkeypatch.setattr(checks, "CHECKS", {"One": check, "Two": checks.check_temporary_folder})
    page = checks.run_checks()
    assert [each.level for each in page["One"]] == [Level.OK, Level.PROBLEM]
    assert "ValueError: odd" in page["One"][1].text
    assert page["Two"][0].level is Level.OK


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 4.0),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({}, None),
    ],
)
def test_the_quota_of_a_container_is_read(
    tmp_path: Path, files: dict[str, str], expected: float | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert get_cpu_quota(tmp_path) == expected


def test_help_imports_no_torch() -> None:
    code = (
        "import sys\nfrom bddseg.cli.app import app\n"
        "try: app(['doctor', '--help'])\nexcept SystemExit: pass\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
