"""Damaged inputs of every kind are read or refused: a short run of `fuzz.py`."""

from importlib import import_module
from pathlib import Path

import fuzz
import fuzz_models  # noqa: F401
import fuzz_zoo  # noqa: F401
import pytest

_BAD_KIND = """
import os, signal, time

def {name}(rng):
    if rng.random() < 0.4:
        {misbehavior}
"""


@pytest.mark.parametrize("kind", fuzz.KINDS)
def test_damaged_inputs_are_read_or_refused(kind: str) -> None:
    if kind == "videos":
        pytest.importorskip("av", reason="needs the video extra")
    report = fuzz.run(fuzz.KINDS[kind], count=60)
    assert report.failures == {}
    assert report.read + report.refused == 60
    # Both happen, or the inputs test nothing.
    assert min(report.read, report.refused) > 0


@pytest.mark.parametrize(
    ("misbehavior", "problem"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero\n"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "the process ended: SIGKILL"),
        ("time.sleep(60)", "no end after 0.2 s"),
        ("bytes(3 << 30)", "MemoryError\n"),
    ],
)
def test_a_case_that_misbehaves_fails_and_the_next_ones_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, misbehavior: str, problem: str
) -> None:
    name = f"bad_kind_{len(misbehavior)}"
    (tmp_path / f"{name}.py").write_text(_BAD_KIND.format(name=name, misbehavior=misbehavior))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(fuzz, "MAX_SECONDS", 0.2)
    report = fuzz.run(getattr(import_module(name), name), count=5)
    assert report.failures and report.read + len(report.failures) == 5
    assert all(each.endswith(problem) for each in report.failures.values())
