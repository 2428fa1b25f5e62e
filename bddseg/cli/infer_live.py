"""`bddseg infer` of live sources, and with results that are shown."""

from contextlib import ExitStack
from typing import TYPE_CHECKING

import typer

from bddseg.cli.console import show_note
from bddseg.cli.progress import show_progress
from bddseg.cli.run_summary import show_record, summarize_live
from bddseg.cli.signals import interrupt_on_sigterm

if TYPE_CHECKING:
    from bddseg.inference.live.viewer import Viewer
    from bddseg.inference.run import RunSpec


def run_live(spec: "RunSpec", *, show_window: bool, stream: str | None, as_json: bool) -> None:
    """Run until the source ends or Ctrl-C, and print the summary.

    Args:
        spec: What the run is asked to do.
        show_window: Show the overlays in a window.
        stream: Show them to browsers at this address.
        as_json: Print the run record instead of the summary.

    Raises:
        BddsegError: the source or what shows the overlays cannot be opened, or the run fails.
        KeyboardInterrupt: it was interrupted, which is its usual end.
    """
    from bddseg.inference.live.open_source import open_checked_source

    with (
        interrupt_on_sigterm(),
        show_progress("Segmenting", unit="frame") as progress,
        ExitStack() as stack,
    ):
        source = open_checked_source(spec)
        viewers = _open_viewers(stack, show_window=show_window, stream=stream)
        # Last, because it imports torch, which takes seconds: mistakes above show at once.
        from bddseg.inference.live.run import LiveRun

        live = LiveRun(spec, progress, source)
        try:
            live.run(viewers)
        except KeyboardInterrupt:
            show_record(live.record, summarize_live(live.record, spec), as_json=as_json)
            raise
    show_record(live.record, summarize_live(live.record, spec), as_json=as_json)
    if live.record.failures:
        raise typer.Exit(1)


def _open_viewers(stack: ExitStack, *, show_window: bool, stream: str | None) -> list["Viewer"]:
    """Return what shows the overlays, which the stack closes."""
    from bddseg.inference.live.mjpeg_server import MjpegServer
    from bddseg.inference.live.window import Window

    viewers: list[Viewer] = []
    if show_window:
        viewers.append(Window())
        stack.callback(viewers[-1].close)
    if stream:
        server = MjpegServer(stream)
        viewers.append(server)
        stack.callback(server.close)
        show_note(f"Watch at {server.watch_url} in a browser.")
    return viewers
