"""Threads that compute a network: as many as they are told, and they spin only briefly."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from support import Run, RunInstalled, install_stub

import bddseg
from bddseg.errors import BddsegError, BddsegWarning
from bddseg.inference.parallel import choose_num_parallel
from bddseg.inference.run import Execution, RunSpec
from bddseg.inference.runtimes.runtime import RUNTIMES, Runtime
from bddseg.inference.runtimes.torch import TorchRuntime
from bddseg.inference.threads import (
    choose_spinning,
    get_num_parallel,
    get_num_threads,
    restore_num_threads,
    set_num_threads,
)
from bddseg.record import read_record
from bddseg.zoo.catalog import find_entry

VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "KMP_LIBRARY")
SHORT_SPIN = "GOMP_SPINCOUNT = '1000'"


@pytest.fixture(autouse=True)
def _no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        # Set, and then deleted, so that what a test sets is gone after it.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture
def _same_number_of_threads() -> Iterator[None]:
    number = torch.get_num_threads()
    yield
    torch.set_num_threads(number)


@pytest.mark.parametrize("name", ["limit_spinning()", "load_model", "infer"])
def test_threads_spin_briefly_where_torch_is_imported_afterwards(name: str) -> None:
    code = f"import bddseg; bddseg.{name}; import torch"
    # OpenMP prints its settings when it is loaded.
    environment = os.environ | {"OMP_DISPLAY_ENV": "VERBOSE"}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert SHORT_SPIN in result.stderr


def test_after_an_import_of_torch_there_is_a_warning() -> None:
    with pytest.warns(BddsegWarning, match="before torch is imported"):
        bddseg.limit_spinning()


@pytest.mark.parametrize("name", VARIABLES)
def test_the_choice_of_a_user_counts(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    environment = dict(os.environ)
    bddseg.limit_spinning()
    assert dict(os.environ) == environment
    assert choose_spinning({name: "1"}) == {}


def test_threads_spin_briefly_in_all_commands(run_installed: RunInstalled, tmp_path: Path) -> None:
    code = "import os\ndef show():\n    print(os.environ['GOMP_SPINCOUNT'])\n"
    install_stub(tmp_path / "site", "stub", code, "[bddseg.commands]\nshow = stub_module:show\n")
    result = run_installed(tmp_path / "site", "-m", "bddseg", "show")
    assert result.stdout == "1000\n", result.stderr


def test_workers_spin_briefly_and_have_the_number_of_threads(
    tiny: Path,
    frames: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("OMP_DISPLAY_ENV", "VERBOSE")
    record = bddseg.infer(tiny, frames, tmp_path / "out", num_workers=2, num_threads=3)
    assert record is not None
    # On a busy machine, one may have done all frames before the other has started.
    assert {worker.num_threads for worker in record.workers} == {3}
    # They, and the process that starts them.
    assert capfd.readouterr().err.count(SHORT_SPIN) >= 1 + len(record.workers)


def test_the_record_says_how_many_threads_there_were_and_torch_has_as_many_as_before(
    run: Run, tiny: Path, frames: Path, tmp_path: Path
) -> None:
    number = torch.get_num_threads()
    expected: dict[tuple[str, ...], tuple[int, int]] = {
        (): (number, number),
        ("--threads", "3"): (3, 3),
        ("--threads", "40"): (40, 16),
        ("--threads", "4", "--batch-size", "2"): (4, 2),
        ("--threads", "2", "--batch-size", "9"): (2, 2),
        ("--batch-size", "1"): (number, 1),
    }
    for arguments, counts in expected.items():
        out = tmp_path / "-".join(["out", *arguments])
        run("infer", tiny, frames, "-o", out, *arguments)
        record = read_record(out)
        assert record is not None
        (worker,) = record.workers
        assert (worker.num_threads, worker.num_parallel) == counts
        assert (torch.get_num_threads(), get_num_parallel()) == (number, 1)


def make_run(weights: Path, **execution: Any) -> RunSpec:
    settings = {"device": "cpu", **execution}
    return RunSpec(
        entry=find_entry("demo"),
        weights=weights,
        source="",
        execution=Execution(**settings),
        out=weights.with_name("out"),
    )


@pytest.mark.parametrize(("size", "expected"), [(16 << 20, 4), ((16 << 20) + 1, 1)])
@pytest.mark.parametrize("name", ["model.pth", "model.xml"])
def test_frames_are_computed_in_parallel_where_weights_are_small(
    tmp_path: Path, name: str, size: int, expected: int
) -> None:
    weights = tmp_path / name
    # OpenVINO's graph is in an .xml, and its weights in a .bin; files of others have no .bin.
    data, other = weights.with_suffix(".bin"), weights
    if name == "model.pth":
        data, other = other, data
    for path, length in ((data, size), (other, 1 << 25)):
        with path.open("wb") as file:
            file.truncate(length)
    assert choose_num_parallel(make_run(weights), 4) == expected
    assert choose_num_parallel(make_run(weights, batch_size=3), 4) == 3


@pytest.mark.parametrize(
    "execution",
    [{"compile": True}, {"smooth": 0.5}, {"tta": True}, {"device": "mps"}, {"runtime": "tensorrt"}],
    ids=str,
)
def test_frames_are_not_computed_in_parallel_by_default(
    tmp_path: Path, execution: dict[str, Any]
) -> None:
    weights = tmp_path / "model.pth"
    weights.touch()
    if "runtime" in execution:
        # Without a GPU, it has no device at all.
        execution["device"] = "auto"
    assert choose_num_parallel(make_run(weights, **execution), 4) == 1


def test_a_runtime_that_does_not_say_that_it_is_thread_safe_is_called_by_one_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Other(Runtime):
        list_devices = TorchRuntime.list_devices

    monkeypatch.setattr(RUNTIMES, "load", lambda name: Other)
    weights = tmp_path / "model.pth"
    weights.touch()
    assert choose_num_parallel(make_run(weights, batch_size=2), 4) == 1


def test_the_last_of_blocks_that_overlap_restores_the_number_of_threads() -> None:
    number = torch.get_num_threads()
    first, second = restore_num_threads(), restore_num_threads()
    first.__enter__()
    set_num_threads(6, num_parallel=3)
    second.__enter__()
    assert (get_num_threads(), get_num_parallel(), torch.get_num_threads()) == (6, 3, 2)
    set_num_threads(4, num_parallel=4)
    first.__exit__(None, None, None)
    assert (get_num_threads(), get_num_parallel()) == (4, 4)
    second.__exit__(None, None, None)
    assert (torch.get_num_threads(), get_num_parallel()) == (number, 1)


def test_after_a_run_that_fails_torch_has_as_many_threads_as_before(
    tiny: Path, frames: Path, tmp_path: Path
) -> None:
    number = torch.get_num_threads()
    tiny.with_name("tiny.pth").write_bytes(b"damaged")
    with pytest.raises(BddsegError, match=r"tiny\.pth"):
        bddseg.infer(tiny, frames, tmp_path / "out", num_threads=3)
    assert (torch.get_num_threads(), get_num_parallel()) == (number, 1)


@pytest.mark.parametrize("number", ["0", "1025", "two"])
def test_a_wrong_number_of_threads_is_wrong_usage(
    run: Run, tiny: Path, frames: Path, tmp_path: Path, number: str
) -> None:
    code, _, err = run("infer", tiny, frames, "-o", tmp_path / "out", "--threads", number)
    assert (code, "--threads" in err) == (2, True)


def test_torch_does_not_crash_with_too_many_threads(
    tiny: Path, frames: Path, tmp_path: Path
) -> None:
    with pytest.raises(BddsegError, match=r"computed with 100000 threads\. Use 1 to 1024"):
        bddseg.infer(tiny, frames, tmp_path / "out", num_threads=100_000)


@pytest.mark.usefixtures("_same_number_of_threads")
def test_a_model_is_loaded_with_a_number_of_threads() -> None:
    bddseg.load_model("demo", num_threads=3)
    assert torch.get_num_threads() == 3
    bddseg.load_model("demo")
    assert torch.get_num_threads() == 3
    with pytest.raises(BddsegError, match="cannot be computed with -1 threads"):
        bddseg.load_model("demo", num_threads=-1)
