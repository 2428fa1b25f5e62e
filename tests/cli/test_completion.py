"""Completion in the shell, asked as bash asks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = "import sys; from bddseg.cli.app import app\ntry: app(prog_name='bddseg')\nfinally: "
SCRIPT += "print(*sys.modules, file=sys.stderr)"


def complete(*words: str) -> tuple[list[str], set[str]]:
    """Return what completes the last word, and which modules were imported."""
    environment = os.environ | {
        "_BDDSEG_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(["bddseg", *words]),
        "COMP_CWORD": str(len(words)),
    }
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=environment, check=False
    )
    return result.stdout.split(), set(result.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["zo"], ["zoo"]),
        (["zoo", "ver"], ["verify"]),
        (["infer", "dnl_r50"], ["dnl_r50-d8_512x1024_40k", "dnl_r50-d8_512x1024_80k"]),
        (["zoo", "download", "upernet"], ["upernet_r50-d8_769x769_40k"]),
        (["zoo", "list", "--arch", "psp"], ["pspnet"]),
        (["zoo", "list", "--task", "drivable_"], ["drivable_binary"]),
        (["eval", "-t", "sem"], ["sem_seg"]),
        (["infer", "demo", "frames", "--format", "pro"], ["probability"]),
        (["infer", "demo", "frames", "--format", "mask,over"], ["mask,overlay"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_names_are_completed(words: list[str], expected: list[str]) -> None:
    completed, modules = complete(*words)
    assert completed == expected
    assert not {"torch", "numpy", "cv2", "requests"} & modules


def test_it_does_not_read_the_users_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert complete("infer", "nonsense")[0] == []
