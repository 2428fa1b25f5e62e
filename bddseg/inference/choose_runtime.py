"""What `--runtime auto` means in a run: decided once, before workers start."""

from dataclasses import replace
from itertools import islice

from bddseg.data.sources.source import open_source
from bddseg.errors import BddsegError
from bddseg.inference.run import RunSpec
from bddseg.progress import Progress
from bddseg.record import read_record
from bddseg.types import Image

AUTO = "auto"
# Where the first frames cannot be read, so many are tried.
_MAX_FRAMES = 10


def settle_runtime(spec: RunSpec, progress: Progress, *, is_alone: bool) -> RunSpec:
    """Return what a run is asked to do, with a runtime in place of "auto".

    A run that is resumed keeps its runtime.

    Args:
        spec: What the run is asked to do.
        progress: Shows which runtime was chosen.
        is_alone: Whether this process starts all workers.

    Raises:
        BddsegError: workers on other machines or of other processes could choose differently; or
            the model cannot be loaded.
    """
    if spec.execution.runtime != AUTO:
        return spec
    if not is_alone:
        raise BddsegError(
            "With --runtime auto, one process has to start all workers.",
            "Name a runtime, such as --runtime openvino.",
        )
    earlier = None if spec.overwrite else read_record(spec.out)
    name, reason = (str(earlier.identity["runtime"]), "") if earlier else _choose(spec)
    progress.note(f"The runtime is {name}{reason}.")
    return replace(spec, execution=replace(spec.execution, runtime=name))


def _choose(spec: RunSpec) -> tuple[str, str]:
    """Return the name of the runtime and, if it was measured, how much faster it is."""
    # torch takes seconds to import, and a launcher of workers does without.
    from bddseg.inference.parallel import choose_num_parallel
    from bddseg.inference.predictor import load_model
    from bddseg.inference.runtimes.auto import AutoRuntime
    from bddseg.inference.threads import get_num_threads, restore_num_threads, set_num_threads

    if not spec.entry.architecture:
        return spec.entry.runtime, ""
    execution = spec.execution
    num_threads = execution.num_threads or get_num_threads() // spec.launch.num_workers or 1
    with restore_num_threads():
        # One frame, with as many threads as it has in the run.
        set_num_threads(num_threads // choose_num_parallel(spec, num_threads))
        model = load_model(
            spec.entry,
            weights=spec.weights,
            runtime=AUTO,
            device=execution.device,
            precision=execution.precision,
        )
        runtime = model.runtime
        assert isinstance(runtime, AutoRuntime)
        frame = None if runtime.chosen else _read_first(spec)
        if frame is not None:
            model.compute_logits([model.prepare(frame)])
    # Without a frame nothing can be compared, and the run says why there is none.
    name, speedup = runtime.chosen or "torch", runtime.speedup
    if speedup is None:
        return name, ""
    if name == "torch":
        return name, f", {1 / speedup:.2f} times as fast as openvino"
    return name, f", {speedup:.2f} times as fast as torch"


def _read_first(spec: RunSpec) -> Image | None:
    """Return the first frame that can be read."""
    source = open_source(spec.source, spec.selection, exclude=spec.out)
    for ref in islice(source.items(), _MAX_FRAMES):
        for _, image in source.read([ref]):
            if not isinstance(image, BddsegError):
                return image
    return None
