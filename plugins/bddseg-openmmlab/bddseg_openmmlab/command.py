"""`bddseg openmmlab`: run configs of mmsegmentation 0.x, and compare our networks with them."""

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from bddseg.cli.console import show, show_json
from bddseg.errors import BddsegError

# The share of equal pixels from which two implementations count as equal.
_EQUAL = 0.999

app = typer.Typer(
    help="Run models of mmsegmentation 0.x, and compare ours with them.", no_args_is_help=True
)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def infer(
    context: typer.Context,
    config: Annotated[
        Path, typer.Argument(help="A config of mmsegmentation; its code is executed.")
    ],
    weights: Annotated[Path, typer.Argument(help="A checkpoint trained with it.")],
    source: Annotated[str, typer.Argument(help="Frames, as for `bddseg infer`.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")],
    task: Annotated[
        str, typer.Option("--task", "-t", help="Task that its classes are of.")
    ] = "drivable",
) -> None:
    """Run a model of mmsegmentation as `bddseg infer` runs ours.

    All other options are those of `bddseg infer`: --gpus, --workers, --format, --precision, ...
    """
    from bddseg.cli.app import app as bddseg
    from bddseg.zoo.catalog import format_entry
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
    frames: Annotated[
        str, typer.Argument(help="An image, a folder, a glob pattern or a list file.")
    ],
    weights: Annotated[
        Path | None, typer.Option(help="A checkpoint; by default the model's own.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Generate weights from this seed instead.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="The reference's config; by default mmsegmentation's own.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help="Only the first N frames.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Run our network and mmsegmentation's on the same frames with the same weights.

    It reports the share of equal labels, the largest difference of logits, and both speeds.
    """
    if weights is not None and seed is not None:
        raise typer.BadParameter("--weights and --seed cannot be used together.")
    from bddseg.data.sources.files import find_images
    from bddseg.progress import pluralize
    from bddseg.zoo.catalog import find_entry
    from bddseg.zoo.download import get_weights
    from bddseg_openmmlab.config import adapt_to_zoo, find_reference, read_config

    entry = find_entry(model)
    path = config or find_reference(entry)
    reference_config = read_config(path)
    if config is None:
        adapt_to_zoo(reference_config, entry.task)
    paths = [ref.path for ref in find_images(frames)][:limit]
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
        show_json({"model": entry.name, "config": str(path), **asdict(result)})
        return
    show(
        f"{entry.short_name}, {pluralize(result.frames, 'frame')}, "
        f"{pluralize(result.classes, 'class', 'classes')} found\n"
        f"  equal pixels        {result.agreement:.4%} (lowest frame: "
        f"{result.lowest_agreement:.4%})\n"
        f"  largest difference  {result.largest_difference:.1e} standard deviations of the logits\n"
        f"  seconds per frame   {result.reference_s:.2f} reference, {result.ours_s:.2f} ours: "
        f"{result.ratio:.2f} times as fast"
    )
    if result.agreement < _EQUAL:
        raise BddsegError(
            f"Less than {_EQUAL:.1%} of the pixels have equal labels.",
            f"Check that {path} is the config of these weights, or give another one with --config.",
        )
