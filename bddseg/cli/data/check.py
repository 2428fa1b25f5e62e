"""`bddseg data check`: what there is to train on, and what is wrong with it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bddseg.cli.console import show, show_json, show_note
from bddseg.cli.options import INPUT, AsJson, Limit, TaskName, Threads, choose_task, option
from bddseg.cli.progress import track
from bddseg.cli.table import make_table
from bddseg.progress import NUM_CORES, pluralize

if TYPE_CHECKING:
    from bddseg.data.labeled_frames import LabeledFrames
    from bddseg.data.split_report import SplitReport
    from bddseg.tasks.task import Task

_DIR = (
    "BDD100K's folder, one with train/images and train/masks (and val), or with images and masks; "
    "or one of BDD100K's zip files."
)
# How many files are listed before the rest is only counted.
_MAX_LISTED = 5


def check(
    folder: Annotated[Path | None, typer.Argument(metavar="[DIR]", help=_DIR)] = None,
    images: Annotated[str | None, option("--input -i", "Images, instead of DIR.", INPUT)] = None,
    labels: Annotated[
        Path | None, option("--ground-truth -g", "Their labels, with --input.", INPUT)
    ] = None,
    task: TaskName = None,
    limit: Limit = None,
    threads: Threads = NUM_CORES,
    as_json: AsJson = False,
) -> None:
    """Check frames and labels before training: pairs, images, sizes, ids, classes, duplicates.

    Exit code 1 if a file cannot be used, or training and validation share frames.

    Examples:
      bddseg data check bdd100k -n 1000
      bddseg data check -i FRAMES -g GROUND_TRUTH
    """
    given = [folder is not None, images is not None, labels is not None]
    if given not in ([True, False, False], [False, True, True]):
        raise typer.BadParameter("Give DIR, or both --input and --ground-truth.")
    if folder is not None and folder.suffix == ".zip":
        _identify(folder, as_json=as_json)
        return
    from bddseg.data.frame_checks import find_shared_frames
    from bddseg.data.split_report import inspect_frames

    chosen = choose_task(task)
    splits = _open_splits(folder, images, labels, chosen)
    reports = {
        name: inspect_frames(frames, frames[:limit], chosen, threads, track)
        for name, frames in splits.items()
    }
    sets = [*splits.values()]
    shared = find_shared_frames(*sets) if len(sets) > 1 else []
    problems = [problem for report in reports.values() for problem in report.problems]
    problems += [f"{each.first} and {each.second} are the same frame." for each in shared]
    if as_json:
        show_json(
            {name: report.to_dict() for name, report in reports.items()}
            | {"shared": [[str(each.first), str(each.second)] for each in shared]}
        )
    else:
        _show(reports, [note for frames in sets for note in frames.notes], problems)
    if problems:
        raise typer.Exit(1)


def _identify(path: Path, *, as_json: bool) -> None:
    from bddseg.bdd100k.packages import identify_package

    name = identify_package(path)
    if as_json:
        show_json({"file": str(path), "package": name})
    else:
        show(f"{path} is BDD100K's package {name}, as published.")


def _open_splits(
    folder: Path | None, images: str | None, labels: Path | None, task: "Task"
) -> "dict[str, LabeledFrames]":
    from bddseg.bdd100k.layout import find_splits
    from bddseg.data.labeled_frames import open_labeled_frames

    if folder is None:
        return {"frames": open_labeled_frames(str(images), str(labels), task, strict=False)}
    found = find_splits(folder, task)
    for sentence in found.incomplete:
        show_note(sentence)
    return {
        name: open_labeled_frames(str(paths.images), str(paths.labels), task, strict=False)
        for name, paths in found.splits.items()
    }


def _show(reports: "dict[str, SplitReport]", notes: list[str], problems: list[str]) -> None:
    rows = [
        [
            name,
            f"{report.frames:,}",
            f"{report.looked_at:,}",
            *(f"{share:.1f}" for share in report.class_shares.values()),
            report.encoding,
            ", ".join(f"{size} ({number:,})" for size, number in report.sizes.items()),
            f"{report.unlabeled:,}",
            f"{report.unused:,}",
        ]
        for name, report in reports.items()
    ]
    (first, *_) = reports.values()
    shares = [f"{name}, %" for name in first.class_shares]
    headings = ["split", "frames", "looked at", *shares, "encoding", "sizes", "unlabeled", "unused"]
    text = (0, 3 + len(shares), 4 + len(shares))
    show(make_table(headings, rows, text=text))
    for sentence in [*notes, *problems[:_MAX_LISTED]]:
        show_note(sentence)
    if len(problems) > _MAX_LISTED:
        show_note(f"And {pluralize(len(problems) - _MAX_LISTED, 'problem')} more; --json has all.")
    if problems:
        show_note("Remove these frames, or correct their labels, before training.")
