"""`bddseg labels check`: the encoding of label files, and invalid files."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from bddseg.cli.console import show, show_json, show_note
from bddseg.cli.options import AsJson, TaskName, Threads, choose_task
from bddseg.cli.progress import track
from bddseg.data.encodings import (
    Detection,
    Encoding,
    Inspection,
    detect_encoding,
    inspect_file,
)
from bddseg.data.mask import get_masks_folder, list_masks
from bddseg.data.mask_checks import MaskSample
from bddseg.errors import BddsegError, quote
from bddseg.progress import NUM_CORES, map_in_threads, pluralize
from bddseg.tasks.task import IGNORE_INDEX

# How many files or values are listed before the rest is only counted.
_MAX_LISTED = 5


def check_labels(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="PNG files, with those in subfolders.")
    ],
    task: TaskName = None,
    threads: Threads = NUM_CORES,
    as_json: AsJson = False,
) -> None:
    """Detect the encoding of label files: current or legacy ids, colors, bitmasks.

    Ids are recognised by the background, which fills the upper rows of a driving scene. Exit code 1
    if the files are not all masks of the task.

    Examples:
      bddseg labels check FOLDER
      bddseg labels check FOLDER -t sem_seg --json
    """
    folder = get_masks_folder(folder)
    chosen = choose_task(task, folder)
    paths = track(list_masks(folder), "Checking")
    with map_in_threads(partial(inspect_file, task=chosen), paths, threads) as outcomes:
        inspections = [each for each in outcomes if not isinstance(each, BddsegError)]
    detection = detect_encoding(inspections)
    deviating = [each for each in inspections if _is_deviating(each, detection)]
    if as_json:
        files = [asdict(each) | {"path": str(each.path)} for each in inspections]
        show_json({**asdict(detection), "confidence": detection.confidence, "files": files})
    else:
        _show_summary(folder, inspections, detection)
        _show_deviating(deviating)
    if detection.encoding is not Encoding.CURRENT or deviating:
        sample = MaskSample(source=folder, task=chosen, inspections=tuple(inspections))
        if detection.encoding is Encoding.AMBIGUOUS and (misfit := sample.describe_misfit()):
            show_note(misfit)
        show_note(_describe_next_step(folder, chosen.name, detection))
        raise typer.Exit(1)


def _is_deviating(inspection: Inspection, detection: Detection) -> bool:
    if detection.encoding in (Encoding.AMBIGUOUS, Encoding.INVALID):
        return inspection.problem != ""
    return inspection.encoding not in (detection.encoding, Encoding.AMBIGUOUS)


def _show_summary(folder: Path, inspections: Sequence[Inspection], detection: Detection) -> None:
    ids = sorted({value for each in inspections for value in each.ids})
    conclusive = f"{detection.matching} of {pluralize(detection.conclusive, 'conclusive file')}"
    show(f"{pluralize(len(inspections), 'file')} in {folder}")
    show(f"  mode       {_count(each.mode or 'unreadable' for each in inspections)}")
    show(f"  size       {_count('{1}x{0}'.format(*each.size_hw) for each in inspections)}")
    show(f"  ids        {', '.join(map(str, ids)) or 'none'}")
    if IGNORE_INDEX in ids:
        show(f"             {IGNORE_INDEX} is ignored in ground truth, and an error in predictions")
    show(f"  encoding   {detection.encoding} ({conclusive})")


def _show_deviating(deviating: Sequence[Inspection]) -> None:
    for each in deviating[:_MAX_LISTED]:
        show_note(f"{each.path}: {each.problem or f'its encoding is {each.encoding}'}.")
    if len(deviating) > _MAX_LISTED:
        show_note(f"And {len(deviating) - _MAX_LISTED} more; --json lists all.")


def _count(values: Iterable[str]) -> str:
    counts = Counter(values)
    listed = [f"{value} ({number})" for value, number in counts.most_common(_MAX_LISTED)]
    return ", ".join(listed + ["..."] * (len(counts) > _MAX_LISTED))


def _describe_next_step(folder: Path, task: str, detection: Detection) -> str:
    convert = f"bddseg labels convert {quote(folder)} -o OUT -t {task}"
    if detection.encoding in (Encoding.LEGACY, Encoding.COLOR):
        if detection.matching == detection.conclusive:
            return f"Convert them to masks: {convert}"
        return f"Fix or remove the files listed, then: {convert}"
    if detection.encoding is Encoding.AMBIGUOUS:
        return f"No file is conclusive. If you know the encoding: {convert} --from legacy"
    return f"Fix or remove the files listed. If they are not labels of {task}, use -t."
