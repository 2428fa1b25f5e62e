"""`bddseg vis colorize`."""

import json
from pathlib import Path

import numpy as np
import PIL.Image
from support import Run

from bddseg.data.mask import write_mask
from bddseg.record import RunRecord


def test_colormaps_are_counted(run: Run, drive: Path) -> None:
    command = ("vis", "colorize", "-i", drive / "masks", "-o", drive / "color")
    code, out, _ = run(*command, "-n", 1)
    assert (code, out.strip()) == (0, f"1 colormap written to {drive / 'color'}.")
    code, out, _ = run(*command, "--resume", "--threads", 2)
    assert (code, out.strip()) == (0, f"9 colormaps written to {drive / 'color'}, 1 kept.")


def test_the_task_is_the_one_of_the_run_record(run: Run, drive: Path) -> None:
    RunRecord(
        model="m",
        task="drivable_binary",
        weights={},
        arguments={},
        identity={},
        versions={},
        device="cpu",
        started="",
    ).write(drive)
    command = ("vis", "colorize", "-i", drive / "masks", "-o", drive / "color", "--rgb")
    assert run(*command)[0] == 0
    with PIL.Image.open(drive / "color" / "000009.png") as image:
        assert image.mode == "RGB"
        assert image.getpixel((250, 100)) == (0, 0, 0)
    code, _, err = run(*command, "-t", "drivable")
    assert code == 1
    assert "not of the task drivable" in err


def test_masks_that_do_not_look_like_the_task_are_drawn_with_a_warning(
    run: Run, drive: Path
) -> None:
    command = ("vis", "colorize", "-i", drive / "binary", "-o", drive / "color")
    write_mask(drive / "binary" / "a.png", 1 - np.eye(180, 320, dtype=np.uint8))
    code, _, err = run(*command)
    assert code == 0
    assert "no background; the ids would fit drivable_binary (-t drivable_binary)" in err
    assert run(*command, "-t", "drivable_binary", "--overwrite")[2] == ""


def test_failures_are_named_and_counted(run: Run, drive: Path) -> None:
    for number in range(7):
        (drive / "masks" / f"{number:06}.png").write_text("broken")
    command = ("vis", "colorize", "-i", drive / "masks", "-o", drive / "color")
    code, out, err = run(*command)
    assert code == 1
    assert "3 colormaps written" in out
    assert "000004.png cannot be read" in err
    assert "000005.png cannot be read" not in err
    assert "2 more failed." in err
    code, out, _ = run(*command, "--json", "--overwrite")
    document = json.loads(out)
    assert code == 1
    assert (document["drawn"], document["kept"], len(document["failed"])) == (3, 0, 7)


def test_the_folder_of_the_masks_is_refused_as_output(run: Run, drive: Path) -> None:
    code, _, err = run("vis", "colorize", "-i", drive / "masks", "-o", drive / "masks")
    assert code == 1
    assert "would be overwritten" in err
