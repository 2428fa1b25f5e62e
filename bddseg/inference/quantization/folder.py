"""The folder of a quantized network: its files, entry and report, all of them or none."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from bddseg.errors import BddsegError
from bddseg.inference.runtimes.openvino import BIN_SHA256
from bddseg.io.atomic import write_error
from bddseg.specs import Entry, Weights
from bddseg.zoo.catalog import format_entry

ENTRY_NAME, REPORT_NAME, MODEL_NAME = "entry.toml", "report.json", "model.xml"
_FILES = {ENTRY_NAME, REPORT_NAME, MODEL_NAME, "model.bin"}


def check_out(out: Path, *, overwrite: bool) -> None:
    """Refuse a folder that exists, unless it holds an earlier result and may be replaced.

    Raises:
        BddsegError: it exists.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    is_ours = out.is_dir() and {path.name for path in out.iterdir()} == _FILES
    if is_ours and overwrite:
        return
    hint = "Choose another output, or use --overwrite." if is_ours else "Choose another output."
    holds = "holds a quantized model" if is_ours else "exists, and holds no quantized model alone"
    raise BddsegError(f"{out} {holds}.", hint)


def make_entry(entry: Entry, digest: str, *, align_corners: bool) -> Entry:
    """Return the entry of a quantized network.

    Args:
        entry: That of the network in fp32.
        digest: SHA-256 of the .xml file.
        align_corners: How its logits are to be interpolated.
    """
    return msgspec.structs.replace(
        entry,
        name=f"{entry.name}_int8",
        runtime="openvino",
        architecture="",
        options={
            "outputs": {task: task for task in (entry.task, *entry.extra_tasks)},
            "align_corners": align_corners,
        },
        weights=Weights(file=MODEL_NAME, sha256=digest),
        # They are of the network in fp32.
        scores=None,
    )


def write_folder(
    out: Path, entry: Entry, model: Any, report: Mapping[str, Any], *, align_corners: bool
) -> None:
    """Write the folder of a quantized network, in place of an earlier one.

    Args:
        out: The folder.
        entry: That of the network in fp32.
        model: The `openvino.Model`.
        report: What `report.json` says.
        align_corners: How its logits are to be interpolated.

    Raises:
        BddsegError: it cannot be written.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".bddseg-", dir=out.parent) as temporary:
            new, old = Path(temporary) / "new", Path(temporary) / "old"
            new.mkdir()
            digest = save_model(model, new / MODEL_NAME)
            made = make_entry(entry, digest, align_corners=align_corners)
            (new / ENTRY_NAME).write_text(format_entry(made))
            (new / REPORT_NAME).write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
            if out.exists():
                shutil.move(out, old)
            new.rename(out)
    except OSError as error:
        raise write_error(out, error) from error


def save_model(model: Any, path: Path) -> str:
    """Write the two files of a model; return the SHA-256 of the .xml."""
    import openvino

    openvino.serialize(model, path)
    content = path.with_suffix(".bin").read_bytes()
    # Again, now that the checksum of the .bin is known.
    model.set_rt_info(hashlib.sha256(content).hexdigest(), [*BIN_SHA256])
    openvino.serialize(model, path)
    return hashlib.sha256(path.read_bytes()).hexdigest()
