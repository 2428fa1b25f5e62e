"""`bddseg demo`: inference, scoring and drawing, without downloads."""

from pathlib import Path
from typing import TYPE_CHECKING

from bddseg.cli.console import show, show_json, show_note
from bddseg.cli.options import AsJson, Out
from bddseg.cli.progress import show_progress, track
from bddseg.cli.score_tables import describe_score
from bddseg.errors import quote
from bddseg.progress import NUM_CORES

if TYPE_CHECKING:
    from bddseg.demo.run import DemoResult

_FILES = ("images", "ground_truth", "run", "masks", "colormaps", "overlays", "grid")


def demo(
    out: Out = Path("demo-output"),
    as_json: AsJson = False,
) -> None:
    """Segment, score and draw a few synthetic scenes: no downloads, under a minute.

    Examples:
      bddseg demo
      bddseg demo -o demo-output --json
    """
    show_note(
        "These are synthetic scenes, and a small model trained on such scenes: they show what "
        "bddseg does, and say nothing about real roads."
    )
    from bddseg.demo.run import run_demo

    with show_progress("Segmenting", unit="frame") as progress:
        result = run_demo(out, num_threads=NUM_CORES, track=track, progress=progress)
    commands = _list_commands(result)
    if as_json:
        content = {
            "note": "Synthetic scenes",
            "files": {name: str(getattr(result, name)) for name in _FILES},
            "evaluation": result.evaluation.to_dict(),
            "commands": commands,
        }
        show_json(content)
        return
    show(describe_score(result.evaluation))
    show(
        f"\nSynthetic scenes. Look at {result.grid}, then at the folders next to it.\n"
        "The same, command by command:\n" + "\n".join(f"  {command}" for command in commands)
    )


def _list_commands(result: "DemoResult") -> list[str]:
    """Return the commands that do the same."""
    from bddseg.demo.run import MODEL

    paths = {name: quote(getattr(result, name)) for name in _FILES}
    commands = (
        f"bddseg infer {MODEL} {{images}} -o {{run}}",
        "bddseg eval -g {ground_truth} -r {run}",
        "bddseg vis colorize -i {masks} -o {colormaps} --overwrite",
        "bddseg vis overlay -i {images} -r {masks} -o {overlays} --overwrite",
    )
    return [command.format(**paths) for command in commands]
