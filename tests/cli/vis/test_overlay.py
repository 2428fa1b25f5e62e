"""`bddseg vis overlay`."""

import json
from pathlib import Path

import numpy as np
import pytest
from support import Run

from bddseg.data.image import read_image
from bddseg.data.mask import write_mask


def run_overlay(run: Run, root: Path, *options: object) -> tuple[int, str, str]:
    folders = ("-i", root / "frames", "-r", root / "masks", "-o", root / "overlays")
    return run("vis", "overlay", *folders, *options)


def test_overlays_are_counted_and_frames_without_masks_named(run: Run, drive: Path) -> None:
    (drive / "masks" / "000003.png").unlink()
    write_mask(drive / "masks" / "000004.png", np.zeros((90, 160), np.uint8))
    code, out, err = run_overlay(run, drive)
    assert (code, out.strip()) == (0, f"9 overlays written to {drive / 'overlays'}.")
    assert f"1 frame without a mask, such as {drive / 'frames' / '000003.jpg'}." in err
    assert "1 mask resized to the frame by nearest neighbor: " in err
    assert "000004.png is 160x90, its frame 320x180." in err


def test_json_is_one_document(run: Run, drive: Path) -> None:
    (drive / "masks" / "000003.png").unlink()
    code, out, _ = run_overlay(run, drive, "--json", "-n", 2)
    assert code == 0
    assert json.loads(out) == {
        "out": str(drive / "overlays"),
        "drawn": 2,
        "kept": 0,
        "failed": [],
        "unpaired": [str(drive / "frames" / "000003.jpg")],
        "resized": [],
    }


@pytest.mark.parametrize(
    ("options", "is_changed"),
    [((), False), (("--contour",), True), (("--legend",), True), (("--alpha", 0.5), True)],
)
def test_style_is_chosen_by_options(
    run: Run, drive: Path, options: tuple[object, ...], is_changed: bool
) -> None:
    code, _, _ = run_overlay(run, drive, "--format", "png", "--alpha", 0, *options)
    assert code == 0
    frame = read_image(drive / "frames" / "000000.jpg")
    overlay = read_image(drive / "overlays" / "000000.png")
    assert (not np.array_equal(frame, overlay)) == is_changed


def test_wrong_usage_exits_with_2(run: Run, drive: Path) -> None:
    assert run_overlay(run, drive, "--format", "gif")[0] == 2
    assert run_overlay(run, drive, "--alpha", 2)[0] == 2
