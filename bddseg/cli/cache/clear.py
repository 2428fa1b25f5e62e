"""`bddseg cache clear`: delete cached graphs."""

import shutil
from typing import Annotated

import typer

from bddseg.cli.console import format_size, show, show_json
from bddseg.cli.options import AsJson, ModelNames
from bddseg.inference.runtimes import graph_cache
from bddseg.progress import pluralize
from bddseg.zoo.catalog import find_entry


def clear_graphs(
    models: ModelNames = None,
    everything: Annotated[bool, typer.Option("--all", help="The graphs of all models.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete the cached graphs of models. The next run exports them again, in seconds.

    Examples:
      bddseg cache clear pspnet_r50-d8_512x1024_40k
      bddseg cache clear --all
    """
    if bool(models) == everything:
        raise typer.BadParameter("Give models, or use --all.")
    names = {find_entry(model).name for model in models or []}
    removed = []
    for graph in graph_cache.list_graphs():
        info = graph_cache.read_info(graph.path)
        if everything or (info and info.model in names):
            graph_cache.remove_graph(graph.path)
            removed.append(graph)
    for path in graph_cache.list_failures():
        info = graph_cache.read_info(path)
        if everything or (info and info.model in names):
            graph_cache.remove_graph(path)
    if everything:
        shutil.rmtree(graph_cache.get_folder() / graph_cache.ENGINES, ignore_errors=True)
    size_bytes = sum(graph.size_bytes for graph in removed)
    if as_json:
        show_json({"removed": [str(graph.path) for graph in removed], "size_bytes": size_bytes})
    else:
        show(f"Deleted {pluralize(len(removed), 'graph')}, {format_size(size_bytes)}.")
