"""`bddseg vis`: pictures of masks."""

import typer

from bddseg.cli.vis import colorize, compare, overlay, sheet, video

app = typer.Typer(
    help="Pictures of masks: colormaps, overlays, comparisons, sheets, videos.",
    no_args_is_help=True,
)
app.command("colorize")(colorize.colorize)
app.command("overlay")(overlay.overlay)
app.command("compare")(compare.compare)
app.command("sheet")(sheet.sheet)
app.command("video")(video.video)
