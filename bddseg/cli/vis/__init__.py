"""`bddseg vis`: images of masks."""

from bddseg.cli.general import make_group
from bddseg.cli.vis.colorize import colorize
from bddseg.cli.vis.errors import errors
from bddseg.cli.vis.grid import grid
from bddseg.cli.vis.overlay import overlay
from bddseg.cli.vis.video import video

app = make_group(
    "Draw masks: colormaps, overlays, error maps, grids and videos.",
    {"colorize": colorize, "overlay": overlay, "errors": errors, "grid": grid, "video": video},
)
