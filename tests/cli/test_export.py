"""`bddseg export`: what it prints, what it refuses."""

import json
from pathlib import Path

import pytest
from support import Run


def test_an_export_says_what_it_wrote_and_how_it_compares(
    run: Run, tiny: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    code, text, err = run("export", tiny, "-o", out, "--to", "tensorrt", "-n", 1)
    assert code == 0, err
    assert f"{out}/model.onnx (" in text
    assert "Labels equal to those of torch: 100.000%" in text
    assert f"python {out}/example.py FRAME MASK.png" in text
    assert "rendered frames" in err
    assert "never run on a GPU" in err
    assert "trtexec --onnx=model.onnx" in (out / "build_engine.sh").read_text()


def test_json_is_one_document_also_where_labels_differ(
    run: Run, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if the file's bits were wrong.
    monkeypatch.setattr("bddseg.inference.export.parity._share_equal", lambda *_: 0.5)
    out = tmp_path / "out"
    command = ("export", tiny, "-o", out, "--to", "pt2", "-n", 1, "--json")
    code, text, err = run(*command)
    assert code == 1
    assert "Only 50.000% of the labels equal those of torch" in err
    content = json.loads(text)
    assert content["parity"]["equal"] == 0.5
    assert json.loads((out / "parity.json").read_text()) == content["parity"]
    assert (out / "model.pt2").exists()
    assert run(*command, "--overwrite", "--min-equal", 50)[0] == 0


def test_files_are_replaced_only_with_overwrite(run: Run, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model.json").write_text("of somebody else")
    command = ("export", tiny, "-o", tmp_path / "out", "--to", "pt2", "-n", 1)
    code, _, err = run(*command)
    assert (code, "model.json exists already" in err) == (1, True)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["model.json"]
    assert run(*command, "--overwrite")[0] == 0


def test_files_of_another_format_do_not_stay(run: Run, tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    earlier = ["model.onnx", "entry.toml", "model.json", "notes.txt"]
    for name in (*earlier, "model.xml"):
        (out / name).write_text(json.dumps({"files": earlier}))
    command = ("export", tiny, "-o", out, "-n", 1, "--to", "pt2", "--overwrite", "--json")
    code, text, _ = run(*command)
    assert code == 0
    # What no export writes is not deleted, whatever a description says.
    expected = {*json.loads(text)["files"], "notes.txt", "model.xml"}
    assert {path.name for path in out.iterdir()} == expected


@pytest.mark.parametrize("size", ["512", "0x512", "512x99999", "512x512x3", "any"])
def test_a_size_that_is_none_is_wrong_usage(run: Run, tmp_path: Path, size: str) -> None:
    code, _, err = run("export", "demo", "-o", tmp_path / "out", "--size", size)
    assert (code, "neither HxW" in " ".join(err.replace("│", "").split())) == (2, True)


def test_help_fits_a_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, text, _ = run("export", "--help")
    assert code == 0
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("bddseg export ") == 2
