"""Errors without mmsegmentation."""

import importlib.util

import pytest
from typer.testing import CliRunner

from bddseg.cli.app import app


@pytest.mark.skipif(importlib.util.find_spec("mmseg") is not None, reason="mmseg is installed")
@pytest.mark.parametrize(
    "command",
    [
        ["infer", "config.py", "weights.pth", "frames", "-o", "out"],
        ["compare", "pspnet_r50-d8_512x1024_40k", "frames", "--seed", "1"],
    ],
)
def test_the_error_names_the_missing_package_and_the_readme(command: list[str]) -> None:
    result = CliRunner().invoke(app, ["openmmlab", *command])
    assert result.exit_code == 1
    assert "mmsegmentation 0.x cannot be imported" in result.stderr
    assert "README of bddseg-openmmlab" in result.stderr
