import json
from pathlib import Path
from shlex import quote

import pytest
from support import Run


def test_the_next_commands_are_printed(run: Run, tmp_path: Path) -> None:
    code, out, err = run("plugins", "new", "fresh", "-o", tmp_path)
    assert (code, err) == (0, "")
    assert f"pip install -e {quote(f'{tmp_path}/bddseg-fresh[test]')}" in out
    row = json.loads(run("plugins", "new", "other", "-o", tmp_path, "--json")[1])
    assert Path(row["folder"]).is_dir()


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("Fast", "not a valid plugin name"),
        ("../evil", "not a valid plugin name"),
        ("9lives", "not a valid plugin name"),
        ("pspnet", "named 'pspnet' exists already"),
        ("infer", "named 'infer' exists already"),
        ("submit", "named 'submit' exists already"),
        ("there", "exists already"),
    ],
)
def test_invalid_and_reserved_names_are_refused(
    run: Run, tmp_path: Path, name: str, problem: str
) -> None:
    (tmp_path / "bddseg-there").mkdir()
    code, _, err = run("plugins", "new", name, "-o", tmp_path)
    assert code == 1
    assert problem in err
    assert [path.name for path in tmp_path.iterdir()] == ["bddseg-there"]


def test_a_folder_that_cannot_be_written_is_an_error(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = run("plugins", "new", "fresh", "-o", tmp_path / "file")
    assert code == 1
    assert "Cannot write" in err
