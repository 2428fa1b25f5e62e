"""What `bddseg infer` prints about a run that has ended."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from bddseg.cli.console import show, show_json
from bddseg.progress import pluralize

if TYPE_CHECKING:
    from bddseg.inference.run import RunSpec
    from bddseg.record import RunRecord


def show_record(record: "RunRecord", summary: str, *, as_json: bool) -> None:
    """Print a run record as JSON, or its summary."""
    if as_json:
        show_json(asdict(record))
    else:
        show(summary)


def summarize(record: "RunRecord", out: Path) -> str:
    """Return what a run did, in one sentence."""
    if record.frames and record.skipped == record.frames:
        return f"All {pluralize(record.frames, 'frame')} were done already, in {out}."
    rate = record.done / max(record.seconds["run"], 1e-9)
    num_workers = len(record.workers)
    workers = f" with {num_workers} workers" if num_workers > 1 else ""
    skipped = f", {record.skipped} were there already" if record.skipped else ""
    failed = f", {len(record.failures)} failed" if record.failures else ""
    done = f"{record.done} of {pluralize(record.frames, 'frame')} done, in {out}"
    return f"{done} ({rate:.2f} frames/s on {record.device}{workers}){skipped}{failed}."


def summarize_live(record: "RunRecord", spec: "RunSpec") -> str:
    """Return what a live run did, in one sentence."""
    rate = record.done / max(record.seconds.get("run", 0), 1e-9)
    dropped = f", {record.dropped} dropped" if record.dropped else ""
    failed = f", {len(record.failures)} failed" if record.failures else ""
    again = (
        f", source opened again {pluralize(record.reconnects, 'time')}" if record.reconnects else ""
    )
    latency = ""
    if record.latency_ms:
        latency = ", latency p50 {p50:.0f} ms, p99 {p99:.0f} ms".format(**record.latency_ms)
    where = f", in {spec.out}" if spec.formats else ""
    done = f"{record.done} of {pluralize(record.frames, 'frame')} done{dropped}{failed}{where}"
    return f"{done} ({rate:.2f} frames/s on {record.device}{latency}{again})."
