"""The help of the commands of `bddseg vis`."""

import pytest
from support import Run

COMMANDS = ("colorize", "overlay", "errors", "grid", "video")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_80_columns_and_has_two_examples(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = run("vis", command, "--help")
    assert code == 0
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    examples = [line for line in lines if line.strip().startswith(f"bddseg vis {command} ")]
    assert len(examples) == 2
    assert "…" not in out
