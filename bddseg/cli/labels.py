"""`bddseg labels`: what label files are, and turning them into masks."""

from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bddseg.cli.console import show, show_error, show_json, show_note
from bddseg.cli.options import ALL_CORES, AsJson, TaskName, Workers
from bddseg.cli.progress import track
from bddseg.errors import BddsegError
from bddseg.labels.kinds import Target
from bddseg.tasks import UNKNOWN_ID, get_task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bddseg.labels.encodings import Finding, Verdict

app = typer.Typer(help="Label files: what they are, and converting them.", no_args_is_help=True)

# How many files of a kind a table names before it only counts them.
_LISTED = 5


class Source(StrEnum):
    """The encoding of the files that are read."""

    AUTO = "auto"
    CURRENT = "current"
    LEGACY = "legacy"
    COLOR = "color"


@app.command("check")
def check(
    folder: Annotated[Path, typer.Argument(help="A folder of PNG files, with its subfolders.")],
    task: TaskName = "drivable",
    workers: Workers = ALL_CORES,
    as_json: AsJson = False,
) -> None:
    """Say what label files are: current or legacy ids, colours, bitmasks; and what is off.

    Which ids mean what is told by where they lie: the upper rows of a driving scene are background.
    Exit code 1 if the files are not all plain masks of the task.
    """
    from functools import partial

    from bddseg.data.masks import list_masks
    from bddseg.labels.encodings import Encoding, inspect_file, judge
    from bddseg.progress import map_in_threads

    paths = track(list_masks(folder), "Looking")
    inspect = partial(inspect_file, task=get_task(task))
    outcomes = map_in_threads(inspect, paths, workers)
    findings = [each for each in outcomes if not isinstance(each, BddsegError)]
    verdict = judge(findings)
    off = [each for each in findings if each.encoding not in (verdict.encoding, Encoding.UNSURE)]
    if as_json:
        show_json(_to_json(findings, verdict))
    else:
        _show_summary(findings, verdict, off, folder)
    if verdict.encoding is not Encoding.CURRENT or off:
        _show_next_step(folder, task, verdict)
        raise typer.Exit(1)


@app.command("convert")
def convert(
    source: Annotated[
        Path,
        typer.Argument(help="A folder of PNG files, or Scalabel JSON with masks or polygons."),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="A folder; for rle, a JSON file.", show_default=False),
    ],
    task: TaskName = "drivable",
    encoding: Annotated[Source, typer.Option("--from", help="What the files are.")] = Source.AUTO,
    target: Annotated[Target, typer.Option("--to", help="What is written.")] = Target.CURRENT,
    workers: Workers = ALL_CORES,
) -> None:
    """Convert label files between current ids, legacy ids, colours and run-length encoded JSON.

    The dataset's polygons become masks too; that takes the extra `bdd100k`.
    """
    from bddseg.labels.convert import convert_labels
    from bddseg.labels.encodings import Encoding

    conversion = convert_labels(
        source,
        out,
        get_task(task),
        encoding=None if encoding is Source.AUTO else Encoding(encoding.value),
        target=target,
        workers=workers,
        track=track,
    )
    for failure in conversion.failures:
        show_error(failure)
    show(f"{conversion.converted} label maps written to {out}, read as {conversion.source}.")
    if conversion.failures:
        raise typer.Exit(1)


def _show_summary(
    findings: "Sequence[Finding]", verdict: "Verdict", off: "Sequence[Finding]", folder: Path
) -> None:
    modes = Counter(each.mode or "unreadable" for each in findings)
    sizes = Counter("{1}x{0}".format(*each.size_hw) for each in findings if each.mode)
    ids = sorted({number for each in findings for number in each.ids})
    show(f"{len(findings)} files in {folder}")
    show(f"  pixels     {_count(modes)}")
    show(f"  sizes      {_count(sizes)}")
    show(f"  ids        {', '.join(map(str, ids)) or 'none'}")
    if UNKNOWN_ID in ids:
        show(f"             {UNKNOWN_ID} means unknown: right in truth, wrong in results")
    show(
        f"  encoding   {verdict.encoding} ({verdict.confidence:.0%} of the {verdict.telling} files "
        "that tell)"
    )
    for each in off[:_LISTED]:
        problem = each.problem or f"it is {each.encoding}"
        show_note(f"{each.path}: {problem}.")
    if len(off) > _LISTED:
        show_note(f"And {len(off) - _LISTED} more; --json names all.")


def _count(counts: "Counter[str]") -> str:
    return ", ".join(f"{name} ({number})" for name, number in counts.most_common(_LISTED))


def _show_next_step(folder: Path, task: str, verdict: "Verdict") -> None:
    from bddseg.labels.encodings import Encoding

    convertible = verdict.encoding in (Encoding.LEGACY, Encoding.COLOR)
    if convertible and verdict.confidence == 1:
        show_note(f"Make masks of them: bddseg labels convert {folder} -o OUT -t {task}")
    elif convertible:
        show_note(f"Mend the files named, then: bddseg labels convert {folder} -o OUT -t {task}")
    elif verdict.encoding is Encoding.UNSURE:
        show_note(
            "Nobody could tell from these files. If you know, say it: bddseg labels convert "
            f"{folder} -o OUT -t {task} --from legacy"
        )
    else:
        show_note(f"Mend or remove the files named. Are they labels of another task than {task}?")


def _to_json(findings: "Sequence[Finding]", verdict: "Verdict") -> dict[str, object]:
    return {
        "encoding": verdict.encoding.value,
        "confidence": verdict.confidence,
        "telling": verdict.telling,
        "files": [
            {
                "path": str(each.path),
                "encoding": each.encoding.value,
                "mode": each.mode,
                "size_hw": each.size_hw,
                "ids": each.ids,
                "problem": each.problem,
            }
            for each in findings
        ],
    }
