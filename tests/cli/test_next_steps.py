"""The command that is printed at the end runs as it is, in a shell, from the same folder."""

import shlex
from pathlib import Path

import pytest
from label_files import draw_scenes, write_scenes
from support import Run

from bddseg.cli.console import set_quiet, show_next
from bddseg.demo import GROUND_TRUTH, IMAGES


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, whose name has to be quoted."""
    folder = tmp_path / "it's here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def run_next(run: Run, err: str) -> list[str]:
    """Run the command of the last line, and return its words and the last line of that one."""
    last = err.splitlines()[-1]
    assert last.startswith("Next: bddseg ")
    words = shlex.split(last)[2:]
    code, _, after = run(*words)
    assert code == 0, after
    return words


def test_a_run_is_followed_by_its_overlays(run: Run, folder: Path) -> None:
    code, _, err = run("infer", "demo", IMAGES, "-o", folder / "out", "-n", 1)
    assert code == 0
    assert run_next(run, err)[:2] == ["vis", "overlay"]
    assert [path.name for path in (folder / "out-overlays").iterdir()] == ["scene-002.jpg"]
    # Scores: the table of frames, then error maps of the run's frames.
    code, _, err = run("eval", "-g", GROUND_TRUTH, "-r", "out/masks")
    assert code == 0
    words = run_next(run, err)
    assert (folder / "out" / "masks-scores.csv").is_file()
    code, _, err = run(*words, "--overwrite")
    assert run_next(run, err)[:2] == ["vis", "errors"]


@pytest.mark.parametrize("to", ["current", "rle"])
def test_converted_labels_are_drawn(run: Run, folder: Path, to: str) -> None:
    write_scenes(folder / "labels", draw_scenes(), "legacy")
    out = "new.json" if to == "rle" else "new"
    command = ("labels", "convert", "labels", "-o", out, "--to", to)
    assert "Next" not in run(*command, "--json")[2]
    assert "Next" not in run(*command, "--quiet", "--overwrite")[2]
    code, _, err = run(*command, "--overwrite")
    assert code == 0
    assert run_next(run, err)[:2] == ["vis", "colorize"]
    assert len(list((folder / "new-colormaps").rglob("*.png"))) == 4


def test_downloaded_weights_are_used(run: Run, tiny: Path) -> None:
    weights = tiny.with_name("tiny.pth")
    entry = tiny.with_name("other.toml")
    entry.write_text(
        tiny.read_text().replace('file = "tiny.pth"', 'urls = ["https://127.0.0.1:9/tiny.pth"]')
    )
    command = ("zoo", "download", entry, "--from", weights, "--allow-unverified")
    code, _, err = run(*command)
    assert code == 0
    assert run_next(run, err)[:3] == ["infer", str(entry), str(IMAGES)]


def test_nothing_is_printed_if_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    set_quiet(True)
    try:
        show_next("bddseg", "demo")
    finally:
        set_quiet(False)
    show_next("bddseg", "infer", "a b")
    assert capsys.readouterr().err == "Next: bddseg infer 'a b'\n"
