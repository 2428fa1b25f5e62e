"""`bddseg vis`: images of masks."""

import typer

from bddseg.cli.vis import colorize, errors, grid, overlay, video

app = typer.Typer(
    help="Draw masks: colormaps, overlays, error maps, grids and videos.",
    no_args_is_help=True,
)
app.command("colorize", epilog=colorize.EXAMPLES)(colorize.colorize)
app.command("overlay", epilog=overlay.EXAMPLES)(overlay.overlay)
app.command("errors", epilog=errors.EXAMPLES)(errors.errors)
app.command("grid", epilog=grid.EXAMPLES)(grid.grid)
app.command("video", epilog=video.EXAMPLES)(video.video)
