"""`bddseg submit`: masks for the challenge server."""

from pathlib import Path
from typing import Annotated

import typer

from bddseg.cli.console import format_size, show, show_json, show_note
from bddseg.cli.options import ALL_CORES, AsJson, Workers
from bddseg.cli.progress import track
from bddseg.errors import BddsegError
from bddseg.submit.split import Split


def submit(
    result: Annotated[
        Path, typer.Option("--result", "-r", help="Folder of masks.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The zip file.", show_default=False)],
    split: Split = Split.TEST,
    names: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The frames that there have to be, a name on each line."),
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Fewer masks will do: for trials.")
    ] = False,
    workers: Workers = ALL_CORES,
    as_json: AsJson = False,
) -> None:
    """Pack masks of the drivable task as the challenge server takes them, checked first.

    Every mask that the server would not take is named, and then nothing is written.
    """
    from bddseg.submit.evalai import pack_masks

    submission = pack_masks(
        result,
        out,
        split,
        names=_read_names(names) if names else None,
        partial=partial,
        workers=workers,
        track=track,
    )
    for each in submission.violations:
        show_note(f"{each.file}: {each.problem}." if each.file else f"{result}: {each.problem}.")
    if as_json:
        show_json(
            {
                "out": None if submission.violations else str(out),
                "masks": submission.masks,
                "size_bytes": submission.size_bytes,
                "violations": [
                    {"file": each.file, "problem": each.problem} for each in submission.violations
                ],
            }
        )
    elif not submission.violations:
        size = format_size(submission.size_bytes)
        show(f"{submission.masks:,} masks in {out} ({size}).")
    if submission.violations:
        raise BddsegError(
            f"{out} was not written: {len(submission.violations):,} violations, listed above.",
            "Mend them, or say --partial if only the number is off.",
        )


def _read_names(path: Path) -> set[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BddsegError(f"Cannot read the list {path}: {error}.", "Check the path.") from error
    return {Path(line.strip()).stem for line in lines if line.strip()}
