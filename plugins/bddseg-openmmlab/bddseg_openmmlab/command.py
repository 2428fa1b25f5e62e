"""`bddseg openmmlab`: run any config of mmsegmentation 0.x, and compare ours with it."""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from bddseg.errors import BddsegError

# The share of equal pixels from which two implementations are taken for the same.
_EQUAL = 0.999

app = typer.Typer(help="Models of mmsegmentation 0.x, and ours compared.", no_args_is_help=True)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def infer(
    context: typer.Context,
    config: Annotated[Path, typer.Argument(help="A config of mmsegmentation; it is run.")],
    weights: Annotated[Path, typer.Argument(help="The checkpoint that was trained with it.")],
    source: Annotated[str, typer.Argument(help="Frames, as `bddseg infer` takes them.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")],
    task: Annotated[str, typer.Option("--task", "-t", help="What its classes are.")] = "drivable",
) -> None:
    """Run a config of mmsegmentation through bddseg's engine.

    All further options are those of `bddseg infer`: --gpus, --workers, --format, --precision, ...
    """
    from bddseg.cli.app import app as bddseg
    from bddseg.zoo.entry import format_entry
    from bddseg_openmmlab.config import make_entry

    entry = make_entry(config, task)
    with tempfile.TemporaryDirectory(prefix="bddseg-") as folder:
        path = Path(folder, f"{entry.name}.toml")
        path.write_text(format_entry(entry))
        bddseg(
            ["infer", str(path), source, "-o", str(out), "--weights", str(weights), *context.args]
        )


@app.command()
def compare(
    model: Annotated[str, typer.Argument(help="A model of `bddseg zoo list`.")],
    frames: Annotated[str, typer.Argument(help="An image, a folder, a glob or a list.")],
    weights: Annotated[
        Path | None, typer.Option(help="A checkpoint; without, the model's own.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Make weights from this number instead.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="The reference's config; without, mmsegmentation's own.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N frames.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Run our network and the reference's on the same frames with the same weights.

    Reported are the share of equal labels, the largest difference of logits, and both speeds.
    """
    if weights is not None and seed is not None:
        raise typer.BadParameter("--weights and --seed exclude each other.")
    from bddseg.data.sources import find_frames
    from bddseg.zoo.catalog import find_entry
    from bddseg.zoo.download import get_weights
    from bddseg_openmmlab.config import adapt_to_zoo, find_reference, read_config

    entry = find_entry(model)
    path = config or find_reference(entry)
    reference_config = read_config(path)
    if config is None:
        adapt_to_zoo(reference_config, entry.task)
    paths = [ref.path for ref in find_frames(frames)][:limit]
    checkpoint = weights if seed is not None else weights or get_weights(entry)
    from bddseg_openmmlab.compare import compare as run
    from bddseg_openmmlab.reference import Reference

    result = run(
        entry,
        Reference(reference_config, entry, str(path)),
        paths,
        weights=checkpoint,
        seed=seed or 0,
        device=device,
    )
    if as_json:
        typer.echo(json.dumps({"model": entry.name, "config": str(path), **asdict(result)}))
        return
    typer.echo(
        f"{entry.short_name}, {result.frames} frames, {result.classes} classes found\n"
        f"  equal pixels        {result.agreement:.4%} ({result.lowest_agreement:.4%} at least)\n"
        f"  largest difference  {result.largest_difference:.1e} standard deviations of the logits\n"
        f"  seconds a frame     {result.reference_s:.2f} the reference, {result.ours_s:.2f} ours: "
        f"{result.ratio:.2f} times as fast"
    )
    if result.agreement < _EQUAL:
        raise BddsegError(
            f"Less than {_EQUAL:.1%} of the pixels have equal labels.",
            f"Is {path} the config of these weights? --config names another.",
        )
