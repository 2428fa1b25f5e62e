"""The checks of `bddseg doctor`: each yields what it found."""

import os
import platform
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import torch

from bddseg.cli.commands import COMMANDS
from bddseg.cli.config import get_defaults
from bddseg.cli.console import format_size
from bddseg.cli.doctor.extras import PURPOSES, find_broken_requirements, list_extras
from bddseg.config import list_config_files, read_config
from bddseg.errors import BddsegError, quote
from bddseg.inference.run import list_versions
from bddseg.inference.runtimes import graph_cache
from bddseg.inference.runtimes.openvino import list_precisions
from bddseg.inference.runtimes.runtime import RUNTIMES
from bddseg.io.machine import get_cpu_name, get_cpu_quota, get_load
from bddseg.plugins.inspection import list_additions, load_registries
from bddseg.progress import NUM_CORES, pluralize
from bddseg.zoo.cache import get_cache_folder, get_part_paths, list_paths, read_receipt

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# Their threads wait for work in a loop, and keep others from the cores meanwhile.
_SPINNING = {"OMP_WAIT_POLICY": "active", "KMP_BLOCKTIME": "infinite", "GOMP_SPINCOUNT": "infinite"}
_NVIDIA_EXTRAS = ("tensorrt",)
# Of weights of the largest models, a few.
_MIN_FREE_BYTES = 2 * 10**9


class Level(StrEnum):
    """How serious a finding is."""

    OK = "ok"
    HINT = "hint"
    PROBLEM = "problem"


class Finding(NamedTuple):
    """What a check found, and what to do about it, best a command."""

    level: Level
    text: str
    next_step: str = ""


def run_checks() -> dict[str, list[Finding]]:
    """Return what each check found, by its heading."""
    return {heading: _run(check) for heading, check in CHECKS.items()}


def _run(check: "Check") -> list[Finding]:
    found = []
    try:
        for finding in check():
            found.append(finding)  # noqa: PERF402 - what came before an error counts
    # A page with all but one of its parts is worth more than none.
    except Exception as error:
        cause = f"{type(error).__name__}: {error}"
        found.append(
            Finding(Level.PROBLEM, f"It cannot be checked ({cause}).", "Report this page.")
        )
    return found


def check_versions() -> Iterator[Finding]:
    """Versions, and whether they are those that bddseg needs."""
    versions = ", ".join(f"{name} {version}" for name, version in list_versions().items())
    yield Finding(Level.OK, f"{versions}, {platform.platform()}")
    for problem in find_broken_requirements():
        yield Finding(Level.PROBLEM, f"{problem}.", "pip install --upgrade bddseg")


def check_devices() -> Iterator[Finding]:
    """The processor, how much of it there is to use, and GPUs."""
    quota, cores = get_cpu_quota(), pluralize(NUM_CORES, "core")
    yield Finding(Level.OK, f"{get_cpu_name()}: {NUM_CORES} of {os.cpu_count()} cores to use")
    if quota is not None and quota < NUM_CORES:
        yield Finding(
            Level.HINT,
            f"The container may use the time of {quota:.1f} cores, and {cores} are visible: "
            "threads beyond that are stopped again and again.",
            f"bddseg infer ... --threads {max(1, int(quota))}",
        )
    for number in range(torch.cuda.device_count()):
        gpu = torch.cuda.get_device_properties(number)
        yield Finding(Level.OK, f"cuda:{number}: {gpu.name}, {format_size(gpu.total_memory)}")
    if torch.backends.mps.is_available():
        yield Finding(Level.OK, "mps: Apple GPU")
    listed = _list_nvidia_gpus()
    if not listed or torch.cuda.is_available():
        return
    gpus = f"nvidia-smi lists {', '.join(listed)}"
    if torch.version.cuda is None:
        yield Finding(
            Level.PROBLEM,
            f"{gpus}, and torch {torch.__version__} is built without CUDA.",
            "Install torch for CUDA: https://pytorch.org/get-started/locally",
        )
    elif "CUDA_VISIBLE_DEVICES" in os.environ:
        value = os.environ["CUDA_VISIBLE_DEVICES"]
        text = f"{gpus}, and CUDA_VISIBLE_DEVICES={value} hides them."
        yield Finding(Level.HINT, text, "unset CUDA_VISIBLE_DEVICES")
    else:
        yield Finding(
            Level.PROBLEM,
            f"{gpus}, and torch {torch.__version__}, built for CUDA {torch.version.cuda}, cannot "
            "use them: the driver is probably too old for it.",
            "Update the driver, or install torch for an older CUDA: "
            "https://pytorch.org/get-started/previous-versions",
        )


def _list_nvidia_gpus() -> list[str]:
    """Return name and driver of each GPU that the driver knows; none without nvidia-smi."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.replace(", ", " (driver ") + ")" for line in done.stdout.splitlines() if line]


def check_runtimes() -> Iterator[Finding]:
    """Which runtimes work, and on which devices."""
    missing = {extra.name for extra in list_extras() if extra.problems}
    for name in RUNTIMES.list_names():
        if name in missing:
            yield _report_missing(name, f"{name}: not installed")
            continue
        try:
            devices = RUNTIMES.load(name).list_devices()
        # Those of native libraries too.
        except Exception as error:
            hint = error.hint if isinstance(error, BddsegError) else _get_install_command(name)
            text = error.message if isinstance(error, BddsegError) else repr(error)
            yield Finding(Level.PROBLEM, f"{name}: {text}", hint)
        else:
            yield Finding(Level.OK, f"{name}: {', '.join(devices) or 'no device'}")
            if name == "openvino" and "bf16" in list_precisions():
                text = "This CPU has bf16, in which OpenVINO is faster; masks are nearly the same."
                command = "bddseg infer ... --runtime openvino --precision bf16"
                yield Finding(Level.HINT, text, command)


def check_extras() -> Iterator[Finding]:
    """What is installed beyond the least, and what could be."""
    for name, packages, problems in list_extras():
        if problems:
            yield _report_missing(name, f"{name} ({PURPOSES[name]}): {'; '.join(problems)}")
        else:
            yield Finding(Level.OK, f"{name} ({PURPOSES[name]}): {', '.join(packages)}")


def _report_missing(extra: str, text: str) -> Finding:
    if extra in _NVIDIA_EXTRAS and not (torch.cuda.is_available() or _list_nvidia_gpus()):
        return Finding(Level.OK, f"{text}; it needs an NVIDIA GPU, and none was found")
    return Finding(Level.HINT, text, _get_install_command(extra))


def _get_install_command(extra: str) -> str:
    return f"pip install 'bddseg[{extra}]'" if extra in PURPOSES else ""


def check_threads() -> Iterator[Finding]:
    """Settings of threads that slow networks down, and what else keeps the cores busy."""
    cores = pluralize(NUM_CORES, "core")
    yield Finding(Level.OK, f"{pluralize(torch.get_num_threads(), 'thread')} on {cores}")
    for name in _THREAD_VARIABLES:
        # OpenMP allows a list, one number for each level of nesting.
        value = os.environ.get(name, "").split(",")[0].strip()
        if value and not (value.isascii() and value.isdigit() and int(value)):
            text = f"{name} is '{value}', not a number of threads."
            yield Finding(Level.HINT, text, f"unset {name}")
        elif value and int(value) > NUM_CORES:
            text = f"{name}={value} is more than {cores}: threads compete for them."
            yield Finding(Level.HINT, text, f"unset {name}")
        elif value and int(value) == 1 < NUM_CORES:
            text = f"{name}=1 leaves {NUM_CORES - 1} of {cores} idle."
            yield Finding(Level.HINT, text, f"unset {name}")
    for name, bad in _SPINNING.items():
        if os.environ.get(name, "").lower() == bad:
            text = f"{name}={bad}: threads that wait keep others from the cores."
            yield Finding(Level.HINT, text, f"unset {name}")
    if (load := get_load()) > NUM_CORES:
        text = f"The machine is busy: on average {load:.1f} processes want {cores}."
        yield Finding(Level.HINT, text, "ps aux --sort=-%cpu | head")


def check_cache() -> Iterator[Finding]:
    """Where downloads are kept, and whether they are complete."""
    folder = get_cache_folder()
    paths = list_paths()
    sizes = {path: path.stat().st_size for path in paths if path.is_file()}
    held = f"{pluralize(len(sizes), 'file')}, {format_size(sum(sizes.values()))}"
    yield Finding(Level.OK, f"{folder}: {held}")
    graphs = list(graph_cache.list_graphs())
    if graphs:
        size = format_size(sum(each.size_bytes for each in graphs))
        yield Finding(Level.OK, f"{pluralize(len(graphs), 'graph')} of other runtimes, {size}")
    for graph in graphs:
        info = graph_cache.read_info(graph.path)
        if info is None or info.size_bytes != graph.size_bytes:
            text = f"The graph {graph.path} is not complete, and will be exported again."
            yield Finding(Level.HINT, text, "bddseg cache clear --all")
    for path in paths:
        receipt = read_receipt(path)
        if path in sizes and receipt and receipt.size_bytes != sizes[path]:
            text = f"{path} has {sizes[path]:,} bytes, and had {receipt.size_bytes:,}."
            command = f"bddseg zoo download {quote(receipt.model)} --force"
            yield Finding(Level.PROBLEM, text, command)
        if any(part.exists() for part in get_part_paths(path)):
            text = f"The download of {path} is not finished; it goes on where it stopped."
            yield Finding(Level.HINT, text, "bddseg zoo download MODEL")
    yield from _check_folder(folder, "export BDDSEG_HOME=FOLDER")


def check_configuration() -> Iterator[Finding]:
    """Which defaults are in effect."""
    try:
        get_defaults()
        values, origins = read_config()
    except BddsegError as error:
        yield Finding(Level.PROBLEM, error.message, error.hint)
        return
    for key, path in origins.items():
        yield Finding(Level.OK, f"{key} = {getattr(values, key)}, in {path}")
    if not origins:
        names = " or ".join(str(path) for path in list_config_files())
        yield Finding(Level.OK, f"no defaults of your own; they would be in {names}")


def check_plugins() -> Iterator[Finding]:
    """Whether all that plugins add can be loaded."""
    additions = list_additions([*load_registries(), COMMANDS])
    packages = Counter(f"{each.package} {each.version}" for each in additions if not each.problem)
    for package, count in packages.items():
        yield Finding(Level.OK, f"{package}: {pluralize(count, 'addition')}")
    for each in additions:
        if each.problem:
            text = f"{each.package} {each.version}, {each.kind} {each.name}: {each.problem}"
            yield Finding(
                Level.PROBLEM, text, f"Update or remove it: pip uninstall {quote(each.package)}"
            )
    if not additions:
        yield Finding(Level.OK, "none")


def check_temporary_folder() -> Iterator[Finding]:
    """Whether temporary files can be written."""
    folder = Path(tempfile.gettempdir())
    yield Finding(Level.OK, str(folder))
    yield from _check_folder(folder, "export TMPDIR=FOLDER")


def _check_folder(folder: Path, next_step: str) -> Iterator[Finding]:
    """Yield what is wrong with a folder that files are written to; it may not exist yet."""
    existing = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        text = f"{folder} cannot be written to: {error.strerror}."
        yield Finding(Level.PROBLEM, text, next_step)
        return
    if (free := shutil.disk_usage(existing).free) < _MIN_FREE_BYTES:
        yield Finding(Level.HINT, f"{folder} has {format_size(free)} of free space.", next_step)


Check = Callable[[], Iterator[Finding]]
CHECKS: dict[str, Check] = {
    "Versions": check_versions,
    "Devices": check_devices,
    "Runtimes": check_runtimes,
    "Extras": check_extras,
    "Threads": check_threads,
    "Cache": check_cache,
    "Configuration": check_configuration,
    "Plugins": check_plugins,
    "Temporary files": check_temporary_folder,
}
