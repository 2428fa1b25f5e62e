"""Commands in messages can be pasted into a shell, whatever the paths are."""

import json
import shlex
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from label_files import draw_scenes, write_scenes
from support import Run

from bddseg.data.image import write_jpeg
from bddseg.data.mask import write_mask
from bddseg.tasks.bdd100k import DRIVABLE

LABELS = np.full((64, 96), 1, np.uint8)


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose name has to be quoted, with folders in it whose names are alike."""
    folder = tmp_path / 'it\'s a "folder" of $HOME'
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def find_commands(text: str) -> list[list[str]]:
    """Return the words of the commands that a message ends in, as a shell splits them."""
    lines = (line.partition("bddseg ") for line in text.replace("`", "").splitlines())
    return [shlex.split(rest) for _, found, rest in lines if found and "-" in rest]


def test_the_next_step_of_labels_check_converts_them(run: Run, odd: Path) -> None:
    folder = write_scenes(odd / "labels 1", draw_scenes(), "legacy")
    code, _, err = run("labels", "check", folder)
    assert code == 1
    (command,) = find_commands(err)
    assert command[:3] == ["labels", "convert", str(folder)]
    assert run(*command)[0] == 0
    assert (odd / "OUT" / "sub").is_dir()


def test_the_next_step_of_colormaps_converts_them(run: Run, odd: Path) -> None:
    write_mask(odd / "gt" / "a.png", LABELS)
    (odd / "color maps").mkdir()
    colors = np.array(DRIVABLE.colors, np.uint8)[LABELS]
    PIL.Image.fromarray(colors).save(odd / "color maps" / "a.png")
    code, _, err = run("eval", "-g", odd / "gt", "-r", odd / "color maps")
    assert code == 1
    (command,) = find_commands(err)
    assert command[:3] == ["labels", "convert", str(odd / "color maps")]
    assert run(*command)[0] == 0


def test_the_next_step_of_polygons_and_of_tables_names_the_file(run: Run, odd: Path) -> None:
    label = {
        "category": "direct",
        "poly2d": [{"vertices": [[0, 0], [9, 0], [9, 9]], "types": "LLL"}],
    }
    (odd / "a b.json").write_text(json.dumps([{"name": "a.jpg", "labels": [label]}]))
    write_mask(odd / "gt" / "a.png", LABELS)
    code, _, err = run("eval", "-g", odd / "a b.json", "-r", odd / "gt")
    assert code == 1
    (command,) = find_commands(err)
    assert command[:3] == ["labels", "convert", str(odd / "a b.json")]
    write_jpeg(odd / "f" / "a.jpg", np.zeros((64, 96, 3), np.uint8))
    (odd / "a b.csv").write_text("nothing\n1\n")
    worst = ("--worst", 3, "--per-image", odd / "a b.csv")
    code, _, err = run(
        "vis", "errors", "-i", odd / "f", "-g", odd / "gt", "-r", odd / "gt", "-o", "e", *worst
    )
    assert code == 1
    assert find_commands(err)[0][-1] == str(odd / "a b.csv")


def test_the_next_steps_of_a_new_plugin_name_its_folder(run: Run, odd: Path) -> None:
    code, out, _ = run("plugins", "new", "fast_net", "-o", odd)
    assert code == 0
    install, test = (shlex.split(line) for line in out.splitlines()[1:3])
    folder = odd / "bddseg-fast-net"
    assert install == ["pip", "install", "-e", f"{folder}[test]"]
    assert test == ["pytest", str(folder)]


def test_the_next_step_of_missing_weights_names_the_entry(run: Run, odd: Path, tiny: Path) -> None:
    entry = odd / "my model.toml"
    text = tiny.read_text().replace('file = "tiny.pth"', 'urls = ["https://127.0.0.1:9/tiny.pth"]')
    entry.write_text(text)
    code, _, err = run("zoo", "path", entry)
    assert code == 1
    assert shlex.split(err.partition("bddseg ")[2]) == ["zoo", "download", str(entry)]
