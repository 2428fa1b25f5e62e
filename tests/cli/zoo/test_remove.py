import io
import json
import os
from pathlib import Path

import pytest
from support import Run


def test_everything_of_a_model_is_removed(
    cached: list[Path], models: tuple[str, ...], run: Run
) -> None:
    part = cached[0].with_name(f".{cached[0].name}.part")
    part.write_bytes(b"start")
    code, out, _ = run("zoo", "remove", models[0], "--yes", "--json")
    assert code == 0
    assert json.loads(out) == {"removed": [str(cached[0]), str(part)], "size_bytes": 1005}
    kept = [path.name for path in cached[0].parent.iterdir() if path.suffix != ".lock"]
    assert not [name for name in kept if "pspnet" in name]
    assert cached[1].is_file()


def test_all_empties_the_cache(cached: list[Path], run: Run) -> None:
    cached[0].with_name(f".{cached[0].name}.part").write_bytes(b"start")
    code, out, _ = run("zoo", "remove", "--all", "--yes")
    assert (code, out) == (0, "Deleted 4 files, 0.0 MB.\n")
    home = Path(os.environ["BDDSEG_HOME"])
    assert [path for path in home.rglob("*") if path.is_file() and path.suffix != ".lock"] == []


def test_it_asks_first(
    cached: list[Path], models: tuple[str, ...], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    code, _, err = run("zoo", "remove", models[0])
    assert code == 1
    assert str(cached[0]) in err
    assert "Delete 1 file, 0.0 MB?" in err
    assert cached[0].is_file()
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert run("zoo", "remove", models[0])[0] == 0
    assert not cached[0].exists()


@pytest.mark.parametrize("command", ["download", "remove"])
def test_models_and_all_exclude_each_other(models: tuple[str, ...], run: Run, command: str) -> None:
    assert run("zoo", command)[0] == 2
    assert run("zoo", command, models[0], "--all")[0] == 2


def test_files_of_others_are_neither_removed_nor_verified(
    cached: list[Path], run: Run, tmp_path: Path
) -> None:
    home = Path(os.environ["BDDSEG_HOME"])
    own = [home / "thesis.pdf", home / "drivable" / "models" / "mine.pth", home / "x" / ".a.part"]
    own += [home / "own" / "models" / "notes-2024.txt", home / "a.md5", home / "a.receipt.json"]
    for path in own:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"{}")
    assert str(home / "thesis.pdf") not in run("zoo", "verify", "--json")[1]
    code, out, _ = run("zoo", "remove", "--all", "--yes")
    assert (code, out) == (0, "Deleted 3 files, 0.0 MB.\n")
    assert all(path.exists() for path in own)
    assert not any(path.exists() for path in cached)


def test_links_are_not_followed(
    cached: list[Path], models: tuple[str, ...], run: Run, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    cached[0].parent.rename(elsewhere)
    cached[0].parent.symlink_to(elsewhere)
    files = sorted(elsewhere.iterdir())
    for arguments in (("--all",), (models[0],)):
        assert run("zoo", "remove", *arguments, "--yes")[:2] == (0, "Deleted 0 files, 0.0 MB.\n")
    assert sorted(elsewhere.iterdir()) == files
    cached[0].parent.unlink()
    cached[0].parent.mkdir()
    cached[0].symlink_to(elsewhere / cached[0].name)
    assert run("zoo", "remove", "--all", "--yes")[0] == 0
    assert (elsewhere / cached[0].name).exists()
