"""`bddseg vis errors`."""

import csv
import json
from pathlib import Path

import numpy as np
from support import Run

from bddseg.data.mask import read_mask, write_mask


def run_errors(run: Run, root: Path, *options: object) -> tuple[int, str, str]:
    folders = ("-i", root / "frames", "-g", root / "gt", "-r", root / "masks")
    return run("vis", "errors", *folders, "-o", root / "errors", *options)


def test_error_maps_are_counted(run: Run, drive: Path) -> None:
    code, out, _ = run_errors(run, drive, "-n", 1)
    assert (code, out.strip()) == (0, f"1 error map written to {drive / 'errors'}.")
    code, out, _ = run_errors(run, drive, "--resume", "--json")
    assert code == 0
    assert (json.loads(out)["drawn"], json.loads(out)["kept"]) == (9, 1)


def test_the_worst_frames_come_first(run: Run, drive: Path) -> None:
    table = drive / "scores.csv"
    assert run("eval", "-g", drive / "gt", "-r", drive / "masks", "--per-image", table)[0] == 0
    code, out, _ = run_errors(run, drive, "--worst", 3, "--per-image", table)
    assert code == 0
    assert "3 error maps" in out
    names = sorted(path.name for path in (drive / "errors").iterdir())
    with table.open() as file:
        worst = sorted(csv.DictReader(file), key=lambda row: int(row["rank"]))[:3]
    assert names == [f"{rank}-{row['frame']}.jpg" for rank, row in enumerate(worst, start=1)]
    assert names == ["1-000000.jpg", "2-000001.jpg", "3-000002.jpg"]


def test_a_ground_truth_of_legacy_ids_is_refused_as_by_eval(run: Run, drive: Path) -> None:
    for path in (drive / "gt").iterdir():
        write_mask(path, np.array([1, 2, 0], np.uint8)[read_mask(path)])
    code, _, err = run_errors(run, drive)
    assert code == 1
    assert f"{drive / 'gt'} seems to hold legacy ids" in err
    assert not (drive / "errors").exists()


def test_tables_that_do_not_fit_are_refused(run: Run, drive: Path) -> None:
    assert run_errors(run, drive, "--worst", 3)[0] == 2
    assert run_errors(run, drive, "--per-image", drive / "none.csv")[0] == 2
    code, _, err = run_errors(run, drive, "--worst", 3, "--per-image", drive / "none.csv")
    assert code == 1
    assert "none.csv" in err
    (drive / "other.csv").write_text("frame,missing,rank\nzebra,0,1\n")
    code, _, err = run_errors(run, drive, "--worst", 3, "--per-image", drive / "other.csv")
    assert code == 1
    assert "(such as zebra)" in err


def test_masks_that_cannot_be_drawn_are_named(run: Run, drive: Path) -> None:
    write_mask(drive / "masks" / "000003.png", np.zeros((9, 9), np.uint8))
    (drive / "masks" / "000004.png").unlink()
    code, out, err = run_errors(run, drive)
    assert code == 1
    assert "8 error maps" in out
    assert "000003.png is 9x9, but its ground truth" in err
    assert "1 frame without a mask, such as" in err
