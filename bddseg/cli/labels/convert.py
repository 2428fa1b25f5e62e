"""`bddseg labels convert`: label files from one encoding to another."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from bddseg.bdd100k.convert import Target, convert_labels
from bddseg.cli.console import show, show_error, show_json, show_next
from bddseg.cli.options import (
    INPUT,
    OUTPUT,
    TASK_NAMES,
    AsJson,
    Overwrite,
    TaskName,
    Threads,
    choose_task,
    number,
    option,
    registered,
)
from bddseg.cli.progress import track
from bddseg.data.annotations.annotation_format import AnnotationOptions
from bddseg.data.encodings import Encoding
from bddseg.data.scalabel import NOT_READ
from bddseg.progress import NUM_CORES, pluralize
from bddseg.tasks.task import get_task

_SOURCE = f"Folder of PNG files, or Scalabel JSON with masks or polygons. {NOT_READ}"
_OUT = "Output folder; for rle, coco and labelstudio a JSON file, for cvat an XML file."
_TO = (
    "What to write: PNG files (current, legacy, color; cityscapes: its label ids, drivable classes "
    "as road, 7, and what it does not have as unlabeled, 0; cityscapes-train: its train ids, 0 and "
    "255), or one file for rle (Scalabel), coco, cvat or labelstudio."
)
_TO_TASK = "Write labels of this task, such as drivable_binary from those of drivable."
_TOLERANCE = (
    "For coco, cvat and labelstudio: polygons instead of masks, simplified by up to PX pixels; 0 "
    "is exact, 1.5 removes the steps of pixels."
)
_IMAGE_NAME = (
    "For coco, cvat and labelstudio: names of the images, such as 'night/{name}.png'; {name} is "
    "the name of the mask."
)
_ANNOTATIONS = (Target.COCO, Target.CVAT, Target.LABEL_STUDIO)


def convert(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help=_SOURCE)],
    out: Annotated[Path, option("--out -o", _OUT, OUTPUT)],
    task: TaskName = None,
    encoding: Annotated[
        Literal["auto", "current", "legacy", "color"],
        option("--from", "Encoding of the PNG files.", INPUT),
    ] = "auto",
    target: Annotated[Target, option("--to", _TO, OUTPUT)] = Target.CURRENT,
    target_task: Annotated[
        str | None, registered(TASK_NAMES, "--to-task", _TO_TASK, OUTPUT, metavar="TASK")
    ] = None,
    tolerance: Annotated[
        float | None, number("--tolerance", _TOLERANCE, OUTPUT, min=0, metavar="PX")
    ] = None,
    image_name: Annotated[
        str | None, option("--image-name", _IMAGE_NAME, OUTPUT, metavar="TEMPLATE")
    ] = None,
    overwrite: Overwrite = False,
    threads: Threads = NUM_CORES,
    as_json: AsJson = False,
) -> None:
    """Convert label files: current and legacy ids, colors, and the formats of annotation tools.

    Also converts the dataset's polygons to masks; that needs the extra `bdd100k`.

    Examples:
      bddseg labels convert out/masks -o binary --to-task drivable_binary
      bddseg labels convert out/masks -o annotations.xml --to cvat --tolerance 1.5
    """
    if target not in _ANNOTATIONS and (tolerance is not None or image_name is not None):
        name = "--image-name" if tolerance is None else "--tolerance"
        raise typer.BadParameter(f"It is for --to {', '.join(_ANNOTATIONS)}.", param_hint=name)
    chosen = choose_task(task, source)
    written_task = get_task(target_task) if target_task else chosen
    conversion = convert_labels(
        source,
        out,
        chosen,
        encoding=None if encoding == "auto" else Encoding(encoding),
        target=target,
        target_task=written_task,
        options=AnnotationOptions(tolerance=tolerance, image_name=image_name),
        overwrite=overwrite,
        num_threads=threads,
        track=track,
    )
    for failure in conversion.failures:
        show_error(failure)
    if as_json:
        show_json(
            {
                "out": str(out),
                "source_encoding": conversion.source_encoding,
                "encoding": target.value,
                "converted": conversion.converted,
                "failures": [
                    {"error": each.message, "hint": each.hint} for each in conversion.failures
                ],
            }
        )
    else:
        written = pluralize(conversion.converted, "label map")
        show(f"{written} written to {out}, converted from {conversion.source_encoding}.")
    if conversion.failures:
        raise typer.Exit(1)
    if target in (Target.CURRENT, Target.RLE) and not as_json:
        colormaps = f"{str(out).removesuffix('.json')}-colormaps"
        words = ("vis", "colorize", "-i", out, "-t", written_task.name, "-o", colormaps)
        show_next("bddseg", *words)
