"""`bddseg bench`: its tables, its JSON and its errors."""

import json
from pathlib import Path

import pytest
from support import Run, write_tiny_model

QUICK = ("--seconds", 0.01, "-n", 2, "--threads", 1)


def test_tables_fit_80_columns_and_what_cannot_be_compared_is_named(
    run: Run, tiny: Path, frames: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    against = ("--against", "batch-size=2,threads=2", "--against", "weights=missing.pth")
    code, out, _ = run("bench", tiny, frames, *QUICK, *against)
    assert code == 1
    assert "torch fp32 missing.pth: There is no weights file missing.pth" in out
    lines = out.splitlines()
    assert "1 frame of 72x128, 1 frame of 128x72, cpu" in " ".join(out.split())
    assert max(map(len, lines[:-1])) <= 80
    assert [line.split()[:2] for line in lines].count(["torch", "fp32"]) == 6
    assert "torch fp32 batch 2 2 threads" in out
    for word in ("p50", "p99", "decode", "preprocess", "network", "argmax", "encode"):
        assert word in out
    assert "100.00" in out
    assert "Not shown" not in out


def test_json_is_one_document_and_random_weights_are_named(
    run: Run, tmp_path: Path, frames: Path
) -> None:
    entry = write_tiny_model(tmp_path)
    (tmp_path / "tiny.pth").unlink()
    code, out, _ = run("bench", entry, frames, *QUICK, "--random-weights", "--json")
    assert code == 0
    result = json.loads(out)
    assert result["random_weights"] is True
    assert result["versions"]["torch"]
    (measurement,) = result["measurements"]
    assert measurement["configuration"]["model"] == str(entry)
    assert measurement["stages_ms"]["network"]["p50"] > 0
    assert measurement["latency_ms"]["p99"] > 0


@pytest.mark.parametrize(
    ("against", "expected"),
    [
        ("speed=2", "expected NAME=VALUE"),
        ("runtime", "expected NAME=VALUE"),
        ("runtime=tourch", "torch"),
        ("precision=fp8", "fp8"),
        ("batch-size=two", "int"),
    ],
)
def test_a_wrong_setting_is_wrong_usage(run: Run, tiny: Path, against: str, expected: str) -> None:
    code, _, err = run("bench", tiny, "--against", against)
    assert code == 2
    assert expected in err


def test_another_model_has_its_own_weights(run: Run, tiny: Path, frames: Path) -> None:
    own = ("--weights", tiny.with_name("tiny.pth"), "--against", "model=demo", "--json")
    code, out, _ = run("bench", tiny, frames, *QUICK[:2], "-n", 1, "--threads", 1, *own)
    assert code == 0
    used = [each["configuration"]["weights"] for each in json.loads(out)["measurements"]]
    assert [Path(path).name for path in used] == ["tiny.pth", "weights.safetensors"]
