import json
from pathlib import Path

import pytest
from support import Run


def test_good_files_differ_from_unverified_ones(cached: list[Path], run: Run) -> None:
    code, out, _ = run("zoo", "verify", "--json")
    assert code == 0
    states = {row["path"]: row["state"] for row in json.loads(out)}
    assert [states[str(path)] for path in cached] == ["good", "good", "unverified"]


def test_a_damaged_file_is_named_with_the_next_step(
    cached: list[Path], models: tuple[str, ...], run: Run
) -> None:
    cached[1].write_bytes(b"damaged")
    code, out, err = run("zoo", "verify")
    assert code == 1
    assert next(line for line in out.splitlines() if "dnl" in line).startswith("bad ")
    assert "1 of 3 files damaged" in err
    assert "bddseg zoo download MODEL --force" in err
    assert run("zoo", "verify", models[0])[0] == 0
    assert run("zoo", "verify", models[1])[0] == 1


def test_an_empty_cache_is_no_error(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BDDSEG_HOME", str(tmp_path / "none"))
    assert run("zoo", "verify")[:2] == (0, f"Nothing is cached in {tmp_path / 'none'}.\n")
