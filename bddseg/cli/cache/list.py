"""`bddseg cache list`: the graphs that are cached."""

from datetime import UTC, datetime

from bddseg.cli.console import format_size, show, show_json
from bddseg.cli.options import AsJson
from bddseg.cli.table import make_table
from bddseg.inference.runtimes import graph_cache
from bddseg.progress import pluralize


def list_graphs(as_json: AsJson = False) -> None:
    """List the cached graphs: model, size of its input, size of the file, time of the last use.

    Examples:
      bddseg cache list
      bddseg cache list --json
    """
    graphs = sorted(graph_cache.list_graphs(), key=lambda graph: -graph.used_s)
    rows = [_describe(graph) for graph in graphs]
    folder = graph_cache.get_folder()
    if as_json:
        limits = {"folder": str(folder), "limit_bytes": graph_cache.LIMIT_BYTES}
        show_json(limits | {"graphs": rows})
        return
    if rows:
        cells = [
            [
                str(row["model"]),
                f"{row['height']}x{row['width']}",
                f"{graph.size_bytes / 1e6:,.1f}",
                str(row["used"]),
            ]
            for row, graph in zip(rows, graphs, strict=True)
        ]
        headings = ["model", "input (HxW)", "size (MB)", "last used (UTC)"]
        show(make_table(headings, cells, text=(0, 3)))
    total = format_size(sum(graph.size_bytes for graph in graphs))
    limit = format_size(graph_cache.LIMIT_BYTES)
    show(f"{pluralize(len(rows), 'graph')}, {total} of {limit}, in {folder}.")


def _describe(graph: graph_cache.CachedGraph) -> dict[str, object]:
    info = graph_cache.read_info(graph.path)
    height, width = info.size_hw if info else (0, 0)
    used = datetime.fromtimestamp(graph.used_s, UTC)
    return {
        "path": str(graph.path),
        "model": info.model if info else "damaged",
        "height": height,
        "width": width,
        "size_bytes": graph.size_bytes,
        "used": used.isoformat(sep=" ", timespec="seconds").removesuffix("+00:00"),
    }
