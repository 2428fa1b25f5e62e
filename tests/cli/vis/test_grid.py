"""`bddseg vis grid`."""

import json
from pathlib import Path

from support import Run

from bddseg.data.image import read_image


def test_a_grid_shows_some_of_the_images(run: Run, drive: Path) -> None:
    command = ("vis", "grid", "-i", drive / "frames", "-o", drive / "grid.png", "-n", 4)
    code, out, _ = run(*command, "--columns", 3, "--width", 160, "--no-names")
    assert (code, out.strip()) == (0, f"4 of 10 images drawn in {drive / 'grid.png'}.")
    assert read_image(drive / "grid.png").shape == (180, 480, 3)


def test_an_earlier_grid_is_not_part_of_a_new_one(run: Run, drive: Path) -> None:
    out_file = drive / "frames" / "grid.jpg"
    command = ("vis", "grid", "-i", drive / "frames", "-o", out_file, "--json")
    for options in ((), ("--overwrite",)):
        code, out, _ = run(*command, *options)
        assert code == 0
        assert json.loads(out) == {"out": str(out_file), "drawn": 10, "found": 10}


def test_other_file_types_are_refused(run: Run, drive: Path) -> None:
    code, _, err = run("vis", "grid", "-i", drive / "frames", "-o", drive / "grid.gif")
    assert code == 1
    assert "grid.gif is neither a JPEG nor a PNG file" in err


def test_a_width_that_fills_the_memory_is_wrong_usage(run: Run, drive: Path) -> None:
    command = ("vis", "grid", "-i", drive / "frames", "-o", drive / "grid.png")
    code, _, err = run(*command, "--width", 2_000_000_000)
    assert code == 2
    assert "2000000000 is not in the range" in err
