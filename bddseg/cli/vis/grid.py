"""`bddseg vis grid`: many images in one."""

from pathlib import Path
from typing import Annotated

from bddseg.cli.console import show, show_json
from bddseg.cli.options import INPUT, OUTPUT, AsJson, Overwrite, Threads, number, option, out_file
from bddseg.cli.progress import track
from bddseg.progress import NUM_CORES, pluralize


def grid(
    images: Annotated[
        str, option("--input -i", "Images: a folder, a glob pattern or a list file.", INPUT)
    ],
    out: Annotated[Path, out_file("JPEG or PNG file to write.")],
    limit: Annotated[int, number("--limit -n", "At most N images, evenly spaced.", INPUT)] = 12,
    columns: Annotated[int, number("--columns", "Number of images in a row.", OUTPUT)] = 4,
    width: Annotated[
        int, number("--width", "Width of each image in pixels.", OUTPUT, min=16, max=4096)
    ] = 320,
    names: Annotated[
        bool, option("--names/--no-names", "Write the name below each image.", OUTPUT)
    ] = True,
    overwrite: Overwrite = False,
    threads: Threads = NUM_CORES,
    as_json: AsJson = False,
) -> None:
    """Draw frames, overlays or error maps side by side in one image.

    Examples:
      bddseg vis grid -i overlays -o grid.jpg
      bddseg vis grid -i errors -o grid.png -n 4 --columns 2 --width 480
    """
    from bddseg.data.sources.files import find_images
    from bddseg.data.sources.source import sample_evenly
    from bddseg.vis.batch import DrawOptions
    from bddseg.vis.grid import write_grid

    # An earlier grid in the same folder is not part of the new one.
    found = [ref for ref in find_images(images) if ref.path.resolve() != out.resolve()]
    chosen = sample_evenly(found, limit)
    write_grid(
        chosen,
        out,
        columns=columns,
        width=width,
        show_names=names,
        options=DrawOptions(overwrite=overwrite, num_threads=threads, track=track),
    )
    if as_json:
        show_json({"out": str(out), "drawn": len(chosen), "found": len(found)})
    else:
        show(f"{len(chosen):,} of {pluralize(len(found), 'image')} drawn in {out}.")
