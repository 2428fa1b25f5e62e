"""`bddseg bench`: how fast a model is on this machine."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from bddseg.cli.console import show, show_json, show_note
from bddseg.cli.options import (
    INPUT,
    MODEL,
    PERFORMANCE,
    PRECISION,
    RUNTIME_NAMES,
    AsJson,
    Compile,
    Device,
    ModelName,
    NetworkThreads,
    RuntimeName,
    Weights,
    number,
    option,
)
from bddseg.cli.progress import show_progress, show_progress_group
from bddseg.cli.table import make_table
from bddseg.progress import NUM_CORES, pluralize
from bddseg.specs import Entry, Precision

if TYPE_CHECKING:
    from rich.console import RenderableType

    from bddseg.inference.bench.result import BenchResult, Configuration, Measurement

_AGAINST = "Compare with the same, but another runtime, model or other of these options."
_SETTINGS = frozenset(
    {"model", "weights", "runtime", "device", "precision", "batch-size", "compile", "threads"}
)

# Headings of columns.
_TOTALS = ("p50 ms", "p90 ms", "p99 ms", "frames/s", "pipelined frames/s", "memory MB")
_RATIOS = ("times as fast", "95% interval", "equal pixels %", "frames timed")


def bench(
    model: ModelName,
    frames: Annotated[
        str | None,
        typer.Argument(metavar="[FRAMES]", help="A source as of `infer`; by default the demo's."),
    ] = None,
    limit: Annotated[int, number("--limit -n", "Only the first N frames.", INPUT)] = 16,
    weights: Weights = None,
    random_weights: Annotated[
        bool, option("--random-weights", "Without a checkpoint: masks mean nothing.", MODEL)
    ] = False,
    device: Device = "auto",
    runtime: RuntimeName = None,
    precision: Annotated[Precision, PRECISION] = "fp32",
    batch_size: Annotated[int, number("--batch-size", "Frames at a time.", PERFORMANCE)] = 1,
    compile_network: Compile = False,
    threads: NetworkThreads = None,
    against: Annotated[
        list[str] | None,
        option("--against", _AGAINST, "Comparison", metavar="NAME=VALUE,..."),
    ] = None,
    sweep: Annotated[
        bool,
        option("--sweep", "Compare with each runtime, precision and batch size.", "Comparison"),
    ] = False,
    seconds: Annotated[
        float, number("--seconds", "Time for each.", "Comparison", metavar="S", min=0, max=1e6)
    ] = 10.0,
    as_json: AsJson = False,
) -> None:
    """Measure how fast a model is: latency, each stage, frames per second and memory.

    Each configuration has a process of its own. It reads all frames once, so that they come from
    memory later, and runs a batch of each frame size, at least 3, before anything counts. Then it
    does batch after batch for --seconds, at least 6, and times the stages, one after the other:
    decode (file to RGB), preprocess, network (logits at the size of its input), argmax (logits
    resized to the frame, and its classes), encode (postprocessing, and PNG in memory). On a GPU,
    preprocessing is part of network, and it is waited for after network and argmax. p50, p90 and
    p99 are percentiles of whole batches; stages are medians for one frame; `frames/s` is the
    inverse of the median. Loading is never included.

    `pipelined` is the frames/s of a run as `bddseg infer` does it, for half as long, where stages
    overlap and masks are written to a temporary folder; with --batch-size 1, as many frames are
    computed at a time as by default there. Memory is the peak of the process.

    With --against or --sweep, two processes take turns, batch by batch, so that both get the same
    share of a busy machine: the ratio is the median over the turns, with a 95% interval.

    Examples:
      bddseg bench demo
      bddseg bench MODEL FRAMES --against runtime=openvino --against threads=1
    """
    base = {
        "model": model,
        "weights": str(weights or ""),
        "runtime": runtime or "",
        "device": device,
    }
    base |= {"precision": precision}
    base |= {"batch-size": str(batch_size), "threads": str(threads or 0)}
    base |= {"compile": str(compile_network).lower()}
    changes = [{}, *map(_parse, against or ())]
    with _get_weights(base, changes, random=random_weights) as configurations:
        from bddseg.demo import IMAGES
        from bddseg.inference.bench.bench import bench as measure

        with show_progress("Measuring", unit="frame") as progress:
            result = measure(
                configurations,
                frames or IMAGES,
                limit=limit,
                seconds=seconds,
                sweep=sweep,
                progress=progress,
            )
    if as_json:
        show_json({"random_weights": random_weights} | asdict(result))
    else:
        for part in _describe(result, random_weights=random_weights):
            show(part)
    if result.load > NUM_CORES:
        show_note(
            f"The machine was busy: load {result.load:.1f} on {pluralize(NUM_CORES, 'core')}. "
            "Times are longer than on an idle one; ratios of --against are fair."
        )
    if result.failures and not sweep:
        raise typer.Exit(1)


def _parse(text: str) -> dict[str, str]:
    """Return "runtime=onnx,threads=1" as a dict."""
    settings = {}
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        if name not in _SETTINGS or not value:
            raise typer.BadParameter(
                f"--against '{text}': expected NAME=VALUE,... of {', '.join(sorted(_SETTINGS))}."
            )
        settings[name] = value
    RUNTIME_NAMES.check(settings.get("runtime"))
    return settings


@contextmanager
def _get_weights(
    base: Mapping[str, str], changes: list[dict[str, str]], *, random: bool
) -> "Iterator[list[Configuration]]":
    """Yield the configurations, each with a checkpoint file."""
    from bddseg.inference.bench.result import Configuration
    from bddseg.zoo.catalog import find_entry
    from bddseg.zoo.download import get_weights

    configurations = []
    with tempfile.TemporaryDirectory() as folder, show_progress_group() as downloads:
        for change in changes:
            # Another model has other weights.
            own = {**base, **({"weights": ""} if "model" in change else {}), **change}
            own = {name.replace("-", "_"): value for name, value in own.items()}
            own["num_threads"] = own.pop("threads")
            try:
                configuration = msgspec.convert(own, Configuration, strict=False)
            except msgspec.ValidationError as error:
                raise typer.BadParameter(f"--against: {error}") from error
            entry = find_entry(configuration.model)
            path = Path(folder, f"{entry.short_name}.safetensors")
            if random and not configuration.weights:
                _write_random_weights(entry, path)
            elif not configuration.weights:
                path = get_weights(entry, downloads)
            weights_path = configuration.weights or str(path)
            configurations.append(replace(configuration, weights=weights_path))
        yield configurations


def _write_random_weights(entry: Entry, path: Path) -> None:
    from safetensors.torch import save_file

    from bddseg.models.build import build_network
    from bddseg.testing.seeded_weights import load_seeded_weights

    network = build_network(entry)
    load_seeded_weights(network)
    save_file(network.state_dict(), path)


def _describe(result: "BenchResult", *, random_weights: bool) -> "Iterator[RenderableType]":
    """Yield what is printed."""
    from rich.text import Text

    names = [_name(each.configuration, result, each.runtime) for each in result.measurements]
    first, *others = result.measurements
    sizes = ", ".join(
        f"{pluralize(count, 'frame')} of {size}" for size, count in result.sizes.items()
    )
    yield Text(
        f"{first.configuration.model}{' with random weights' if random_weights else ''}, "
        f"{sizes}, {first.device}, {result.cpu}, "
        f"{pluralize(first.num_threads, 'thread')} on {pluralize(result.num_cores, 'core')}, "
        f"torch {result.versions['torch']}, bddseg {result.versions['bddseg']}.\n"
    )
    rows = [
        [name, *_list_totals(each)] for name, each in zip(names, result.measurements, strict=True)
    ]
    yield make_table(["latency of a batch", *_TOTALS], rows)
    yield ""
    stages = [each.stages_ms for each in result.measurements]
    rows = [
        [name, *(f"{each.p50:.1f}" for each in own.values())]
        for name, own in zip(names, stages, strict=True)
    ]
    yield make_table(["median ms of a frame", *stages[0]], rows)
    if others:
        yield ""
        rows = [[name, *_list_ratios(each)] for name, each in zip(names[1:], others, strict=True)]
        yield make_table([f"against {names[0]}", *_RATIOS], rows)
    for configuration, reason in result.failures:
        yield f"\n{_name(configuration, result)}: {reason}"


def _list_totals(measurement: "Measurement") -> list[str]:
    latency = measurement.latency_ms
    rates = (measurement.frames_per_s, measurement.pipelined_frames_per_s)
    memory = measurement.peak_memory_mb
    return [
        *(f"{each:.1f}" for each in (latency.p50, latency.p90, latency.p99)),
        *(f"{each:.1f}" for each in rates),
        f"{memory.get('gpu', memory.get('process', 0)):.0f}",
    ]


def _list_ratios(measurement: "Measurement") -> list[str]:
    ratio, equal = measurement.speedup, measurement.equal_pixels
    assert ratio is not None
    return [
        f"{ratio.median:.2f}",
        f"{ratio.low:.2f} to {ratio.high:.2f}",
        "" if equal is None else f"{100 * equal:.2f}",
        str(measurement.num_frames),
    ]


def _name(configuration: "Configuration", result: "BenchResult", ran: str = "") -> str:
    """Return what tells a configuration from the first one, and runtime and precision."""
    first = result.measurements[0].configuration
    parts = [configuration.runtime, configuration.precision]
    if ran not in ("", configuration.runtime):
        parts[0] += f" ({ran})"
    if configuration.model != first.model:
        parts.insert(0, configuration.model)
    elif configuration.weights != first.weights:
        parts.append(Path(configuration.weights).name)
    parts += [configuration.device] if configuration.device != first.device else []
    parts += [f"batch {configuration.batch_size}"] if configuration.batch_size != 1 else []
    parts += ["compiled"] if configuration.compile else []
    if configuration.num_threads != first.num_threads:
        parts.append(pluralize(configuration.num_threads, "thread"))
    return " ".join(parts)
