"""Opening the source of a live run, without torch: mistakes show before it is imported."""

from bddseg.data.sources.source import OpenSource, open_source
from bddseg.errors import BddsegError
from bddseg.inference.run import RunSpec, check_smoothing


def open_checked_source(spec: RunSpec) -> OpenSource:
    """Return the source of a live run.

    Raises:
        BddsegError: it cannot be opened, or a live run cannot do what it is asked for.
    """
    source = open_source(spec.source, spec.selection)
    _check(spec, source)
    return source


def _check(spec: RunSpec, source: OpenSource) -> None:
    check_smoothing(spec, spec.num_workers)
    if spec.num_workers > 1:
        raise BddsegError(
            f"A live run needs one process, and this one has {spec.num_workers} workers.",
            "Leave out --workers, --gpus and --nnodes.",
        )
    if spec.formats and not source.is_live:
        raise BddsegError(
            f"{spec.source} is not live, and its results are either shown or written.",
            "Leave out -o, or leave out --show and --stream.",
        )
    if "video" in spec.formats:
        raise BddsegError(
            "The format 'video' reads the frames again, and those of a live source are gone.",
            "Use --format overlay.",
        )
