"""`bddseg cache`: the graphs that were exported for other runtimes than torch."""

from bddseg.cli.cache.clear import clear_graphs
from bddseg.cli.cache.list import list_graphs
from bddseg.cli.general import make_group

app = make_group(
    "The graphs that were exported for the runtimes openvino, onnx and tensorrt. Those unused for "
    "longest are deleted by themselves. For weights, see `bddseg zoo`.",
    {"list": list_graphs, "clear": clear_graphs},
)
